import { type DocumentNode, type FieldNode, Kind, type SelectionNode, type SelectionSetNode, visit } from 'graphql';
import { ownName, withAlias } from './internal-aliases.ts';
import { printCall } from './requirements.ts';
import { fragmentMap, inlineFragments, responseName } from './selections.ts';
import { fragmentsIn, operationIn } from './steps.ts';

/**
 * Gives names of their own to fields that share one, at the same place, with something else. GraphQL allows that for
 * objects of different types; but what lies under those objects can be the same entity.
 */
export const tellApart = (document: DocumentNode, names: Map<string, string>): DocumentNode => {
  if (!hasSharedName(document)) return document;
  const operation = operationIn(document);
  const inlined = inlineFragments(operation.selectionSet, fragmentMap(fragmentsIn(document)));
  const aliases = new Map<FieldNode, string>();
  const compare = (sets: readonly SelectionSetNode[]): void => {
    const places = new Map<string, Map<string, FieldNode[]>>();
    for (const node of sets.flatMap(fieldsIn)) {
      const calls = places.get(responseName(node)) ?? new Map<string, FieldNode[]>();
      places.set(responseName(node), calls);
      calls.set(printCall(node), [...(calls.get(printCall(node)) ?? []), node]);
    }
    for (const [name, calls] of places) {
      for (const [index, nodes] of [...calls.values()].entries()) {
        const other = ownName(`${name}_${index}`);
        if (index > 0) names.set(other, name);
        if (index > 0) for (const node of nodes) aliases.set(node, other);
        compare(nodes.flatMap(({ selectionSet }) => selectionSet ?? []));
      }
    }
  };
  compare([inlined]);
  if (aliases.size === 0) return document;
  const rename = (selection: SelectionNode): SelectionNode => {
    if (selection.kind === Kind.FRAGMENT_SPREAD || !selection.selectionSet) return withOther(selection);
    const selections = selection.selectionSet.selections.map(rename);
    return { ...withOther(selection), selectionSet: { kind: Kind.SELECTION_SET, selections } } as SelectionNode;
  };
  const withOther = (selection: SelectionNode): SelectionNode => {
    const other = selection.kind === Kind.FIELD && aliases.get(selection);
    return other ? withAlias(selection as FieldNode, other) : selection;
  };
  const selections = inlined.selections.map(rename);
  const selectionSet: SelectionSetNode = { kind: Kind.SELECTION_SET, selections };
  return { kind: Kind.DOCUMENT, definitions: [{ ...operation, selectionSet }] };
};

/** Whether anywhere in a document two different things have one name: if not, nothing has to be looked at further. */
const hasSharedName = (document: DocumentNode): boolean => {
  const calls = new Map<string, string>();
  let isShared = false;
  visit(document, {
    Field: (node) => {
      const name = responseName(node);
      const call = printCall(node);
      isShared ||= (calls.get(name) ?? call) !== call;
      calls.set(name, call);
    },
  });
  return isShared;
};

/** The fields of a selection set without named fragments, whatever types they are for. */
const fieldsIn = ({ selections }: SelectionSetNode): FieldNode[] =>
  selections.flatMap((selection) => {
    if (selection.kind === Kind.FIELD) return [selection];
    return selection.kind === Kind.INLINE_FRAGMENT ? fieldsIn(selection.selectionSet) : [];
  });
