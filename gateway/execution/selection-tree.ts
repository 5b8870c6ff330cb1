import { type GraphQLSchema, isObjectType, type SelectionSetNode } from 'graphql';
import { collectFields, type Fragments, type SelectedField, subselectionsOf } from './selections.ts';
import type { FieldRename } from './steps.ts';

/** The fields that a fetch selects, as a tree that is built level by level on demand. */
export type SelectionTree = {
  /**
   * Returns the fields selected on objects of a type, by response name. Returns the fields selected on any type if the type is
   * undefined or not an object type.
   */
  readonly fieldsOf: (typename?: unknown) => ReadonlyMap<string, TreeField>;
};

export type TreeField = {
  /** The field's name in the schema. */
  readonly name: string;
  /** The field's name in the data. Differs from the response name if the planner gave the field an alias. */
  readonly dataName: string;
  readonly selected: readonly SelectedField[];
  /** The selections on the field's objects. Undefined for a leaf. */
  readonly nested: SelectionTree | undefined;
  /** The same fields, as they are missing if this field fails. */
  readonly missing: MissingFields | undefined;
};

/** Fields that a failed fetch would have returned: a selection on the objects at a path. `@` stands for every list item. */
export type MissingFields = { readonly tree: SelectionTree; readonly path: readonly string[] };

/** Creates the selection tree of a selection set. */
export const createSelectionTree = (
  schema: GraphQLSchema,
  selectionSet: SelectionSetNode,
  fragments: Fragments,
  renamed: readonly FieldRename[],
): SelectionTree => {
  const dataNames = new Map(renamed.map(({ path, name }) => [path.at(-1), name]));
  const create = (from: Parameters<typeof collectFields>[2]): SelectionTree => {
    const cache = new Map<string | undefined, ReadonlyMap<string, TreeField>>();
    return {
      fieldsOf: (type) => {
        const typename = typeof type === 'string' && isObjectType(schema.getType(type)) ? type : undefined;
        const cached = cache.get(typename);
        if (cached) return cached;
        const fields = new Map<string, TreeField>();
        for (const [responseName, selected] of collectFields(schema, typename, from, fragments)) {
          const deeper = subselectionsOf(selected);
          const nested = deeper.length > 0 ? create(deeper) : undefined;
          fields.set(responseName, {
            name: selected[0]?.node.name.value ?? responseName,
            dataName: dataNames.get(responseName) ?? responseName,
            selected,
            nested,
            missing: nested && { tree: nested, path: [] },
          });
        }
        cache.set(typename, fields);
        return fields;
      },
    };
  };
  return create([{ selectionSet, conditions: [] }]);
};
