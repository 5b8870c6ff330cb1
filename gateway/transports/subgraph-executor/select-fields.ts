import { type SelectionSetNode, TypeNameMetaFieldDef } from 'graphql';
import { collectFields, type SelectionContext } from './collect-fields.ts';
import { compileField } from './execute-field.ts';
import { type CompiledField, type ConstantField, compileFields, compileSerialFields } from './execute-fields.ts';
import type { SelectedFields, SelectFields } from './execution.ts';

/** The compiled fields of an operation, for one set of condition values. */
export type Selection = {
  readonly selectFields: SelectFields;
  /** Returns the number of fields compiled so far. */
  readonly size: () => number;
};

/**
 * Creates the fields of an operation, each compiled on first use. A type's fields for the same selection sets are compiled once,
 * however often fragments repeat them, so nested fragment spreads do not multiply the work.
 */
export const createSelection = (selecting: SelectionContext): Selection => {
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
    const existing = compiled.get(key);
    if (existing) return existing;
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
