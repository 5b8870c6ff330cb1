import { type GraphQLSchema, isObjectType, type SelectionSetNode } from 'graphql';
import type { Lost } from './failure.ts';
import { collectFields, type Fragments, type Selected, subselectionsOf } from './selections.ts';
import type { Renamed } from './steps.ts';

/** The fields that a fetch selects of objects, read level by level as far as they are needed. */
export type SelectionTree = {
  /**
   * The fields selected of objects of a type, by response name. Those selected of any type where the type is undefined
   * or cannot be the type of an object.
   */
  readonly fieldsOf: (typename?: unknown) => ReadonlyMap<string, TreeField>;
};

export type TreeField = {
  /** The field's name in the schema. */
  readonly name: string;
  /** The field's name in the data: not the response name where the planner gave the field an alias. */
  readonly dataName: string;
  readonly selected: readonly Selected[];
  /** What is selected of the field's objects; undefined for a leaf. */
  readonly nested: SelectionTree | undefined;
  /** The same, as it is lost where the field fails. */
  readonly lost: Lost | undefined;
};

/** Creates the tree of a selection set. */
export const createSelectionTree = (
  schema: GraphQLSchema,
  selectionSet: SelectionSetNode,
  fragments: Fragments,
  renamed: readonly Renamed[],
): SelectionTree => {
  const dataNames = new Map(renamed.map(({ path, name }) => [path.at(-1), name]));
  const create = (from: Parameters<typeof collectFields>[2]): SelectionTree => {
    const known = new Map<string | undefined, ReadonlyMap<string, TreeField>>();
    return {
      fieldsOf: (given) => {
        const typename = typeof given === 'string' && isObjectType(schema.getType(given)) ? given : undefined;
        const before = known.get(typename);
        if (before) return before;
        const fields = new Map<string, TreeField>();
        for (const [responseName, selected] of collectFields(schema, typename, from, fragments)) {
          const deeper = subselectionsOf(selected);
          const nested = deeper.length > 0 ? create(deeper) : undefined;
          fields.set(responseName, {
            name: selected[0]?.node.name.value ?? responseName,
            dataName: dataNames.get(responseName) ?? responseName,
            selected,
            nested,
            lost: nested && { tree: nested, path: [] },
          });
        }
        known.set(typename, fields);
        return fields;
      },
    };
  };
  return create([{ selectionSet, conditions: [] }]);
};
