import { type GraphQLObjectType, type SelectionSetNode, TypeNameMetaFieldDef } from 'graphql';
import { collectFields, type Selecting } from './collect-fields.ts';
import { compileField } from './execute-field.ts';
import {
  type CompiledField,
  type ConstantField,
  compileFields,
  compileSerialFields,
  type ExecuteFields,
} from './execute-fields.ts';

/** The fields that are selected of the objects of one type. */
export type SelectedFields = {
  /** Executes them at the same time. */
  readonly execute: ExecuteFields;
  /** Executes them one after the other. */
  readonly executeSerially: ExecuteFields;
};

/** Returns the compiled fields that selection sets select of an object of a type. Throws GraphQLError. */
export type SelectFields = (type: GraphQLObjectType, selectionSets: readonly SelectionSetNode[]) => SelectedFields;

/** The compiled fields of an operation, for one set of values of the variables in its conditions. */
export type Selection = {
  readonly selectFields: SelectFields;
  /** The number of fields that were compiled so far. */
  readonly size: () => number;
};

/**
 * Creates an operation's fields, each compiled when an object first has it. A type's fields for the same selection sets
 * are compiled once, however often fragments repeat them: fragments that spread each other are not multiplied.
 */
export const createSelection = (selecting: Selecting): Selection => {
  const compiled = new Map<string, SelectedFields>();
  const ids = new Map<SelectionSetNode, number>();
  let size = 0;
  const idOf = (node: SelectionSetNode): number => {
    const id = ids.get(node) ?? ids.size;
    ids.set(node, id);
    return id;
  };
  const selectFields: SelectFields = (type, selectionSets) => {
    const key = `${type.name} ${selectionSets.map(idOf)}`;
    const known = compiled.get(key);
    if (known) return known;
    const fields: (CompiledField | ConstantField)[] = [];
    for (const [responseName, nodes] of collectFields(selecting, type, selectionSets)) {
      if (nodes[0]?.name.value === TypeNameMetaFieldDef.name) {
        fields.push({ responseName, constant: type.name });
        continue;
      }
      const field = compileField(selecting.schema, type, responseName, nodes, selectFields);
      if (field) fields.push(field);
    }
    const selected = { execute: compileFields(fields), executeSerially: compileSerialFields(fields) };
    size += fields.length;
    compiled.set(key, selected);
    return selected;
  };
  return { selectFields, size: () => size };
};
