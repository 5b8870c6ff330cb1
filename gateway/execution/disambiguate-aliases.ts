import { type DocumentNode, type FieldNode, Kind, type SelectionNode, type SelectionSetNode, visit } from 'graphql';
import { internalAlias, withAlias } from './internal-aliases.ts';
import { printCall } from './requirements.ts';
import { fragmentMap, inlineFragments, responseName } from './selections.ts';
import { fragmentsIn, operationIn } from './steps.ts';

/**
 * Gives unique aliases to different fields that share a response name at the same path.
 *
 * GraphQL allows shared names for objects of different types. But the same entity can be nested below both, and then the
 * values would collide. `names` receives the client's name of each new alias.
 */
export const disambiguateAliases = (document: DocumentNode, names: Map<string, string>): DocumentNode => {
  if (!hasAmbiguousName(document)) return document;
  const operation = operationIn(document);
  const inlined = inlineFragments(operation.selectionSet, fragmentMap(fragmentsIn(document)));
  const aliases = new Map<FieldNode, string>();
  const compare = (sets: readonly SelectionSetNode[]): void => {
    const byResponseName = new Map<string, Map<string, FieldNode[]>>();
    for (const node of sets.flatMap(fieldsIn)) {
      const calls = byResponseName.get(responseName(node)) ?? new Map<string, FieldNode[]>();
      byResponseName.set(responseName(node), calls);
      calls.set(printCall(node), [...(calls.get(printCall(node)) ?? []), node]);
    }
    for (const [name, calls] of byResponseName) {
      for (const [index, nodes] of [...calls.values()].entries()) {
        const alias = internalAlias(`${name}_${index}`);
        if (index > 0) names.set(alias, name);
        if (index > 0) for (const node of nodes) aliases.set(node, alias);
        compare(nodes.flatMap(({ selectionSet }) => selectionSet ?? []));
      }
    }
  };
  compare([inlined]);
  if (aliases.size === 0) return document;
  const rename = (selection: SelectionNode): SelectionNode => {
    if (selection.kind === Kind.FRAGMENT_SPREAD || !selection.selectionSet) return withNewAlias(selection);
    const selections = selection.selectionSet.selections.map(rename);
    return { ...withNewAlias(selection), selectionSet: { kind: Kind.SELECTION_SET, selections } } as SelectionNode;
  };
  const withNewAlias = (selection: SelectionNode): SelectionNode => {
    const alias = selection.kind === Kind.FIELD && aliases.get(selection);
    return alias ? withAlias(selection as FieldNode, alias) : selection;
  };
  const selections = inlined.selections.map(rename);
  const selectionSet: SelectionSetNode = { kind: Kind.SELECTION_SET, selections };
  return { kind: Kind.DOCUMENT, definitions: [{ ...operation, selectionSet }] };
};

/** Returns whether two different fields of a document share a response name. A cheap check before the full comparison. */
const hasAmbiguousName = (document: DocumentNode): boolean => {
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

/** Returns the fields of a selection set without named fragments, regardless of type conditions. */
const fieldsIn = ({ selections }: SelectionSetNode): FieldNode[] =>
  selections.flatMap((selection) => {
    if (selection.kind === Kind.FIELD) return [selection];
    return selection.kind === Kind.INLINE_FRAGMENT ? fieldsIn(selection.selectionSet) : [];
  });
