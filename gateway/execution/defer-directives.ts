import { type DirectiveNode, type DocumentNode, Kind, type SelectionNode, visit } from 'graphql';
import type { ConditionValues } from './conditions.ts';
import { type Fragments, fragmentMap, inlineFragments } from './selections.ts';
import { fragmentsIn, operationIn } from './steps.ts';

/** The name of the directive. */
const DEFER = 'defer';

/**
 * Maximum number of deferred parts of an operation. Further ones are not deferred: each is planned, and delivered for each
 * object that it is of.
 */
const MAX_PARTS = 32;

const isDefer = ({ name }: DirectiveNode): boolean => name.value === DEFER;

const argumentOf = ({ arguments: args = [] }: DirectiveNode, name: string) =>
  args.find((argument) => argument.name.value === name)?.value;

/** Returns the `@defer` of a selection. */
export const deferOf = ({ directives = [] }: SelectionNode): DirectiveNode | undefined => directives.find(isDefer);

/** Returns the label of `@defer`. */
export const labelOf = (directive: DirectiveNode): string | undefined => {
  const label = argumentOf(directive, 'label');
  return label?.kind === Kind.STRING ? label.value : undefined;
};

/** Returns `@defer` with a label. */
export const deferWith = (label: string): DirectiveNode => ({
  kind: Kind.DIRECTIVE,
  name: { kind: Kind.NAME, value: DEFER },
  arguments: [
    { kind: Kind.ARGUMENT, name: { kind: Kind.NAME, value: 'label' }, value: { kind: Kind.STRING, value: label } },
  ],
});

/** Returns whether a document has `@defer`. */
export const hasDefer = (document: DocumentNode): boolean => {
  let isFound = false;
  visit(document, {
    Directive: (node) => {
      isFound ||= isDefer(node);
    },
  });
  return isFound;
};

/** Removes `@defer` from a document: everything is part of one response. */
export const withoutDefer = (document: DocumentNode): DocumentNode =>
  visit(document, { Directive: (node) => (isDefer(node) ? null : undefined) });

/** Returns the variables that decide whether fragments are deferred. */
export const deferVariables = (document: DocumentNode): string[] => {
  const names = new Set<string>();
  visit(document, {
    Directive: (node) => {
      const condition = isDefer(node) ? argumentOf(node, 'if') : undefined;
      if (condition?.kind === Kind.VARIABLE) names.add(condition.name.value);
    },
  });
  return [...names].sort();
};

/** Removes `@defer` where its condition does not hold, and the condition where it does. */
export const foldDefers = (document: DocumentNode, values: ConditionValues): DocumentNode =>
  visit(document, {
    Directive: (node) => {
      if (!isDefer(node)) return undefined;
      const condition = argumentOf(node, 'if');
      const isDeferred =
        !condition ||
        (condition.kind === Kind.BOOLEAN && condition.value) ||
        (condition.kind === Kind.VARIABLE && values[condition.name.value] === true);
      if (!isDeferred) return null;
      return { ...node, arguments: (node.arguments ?? []).filter(({ name }) => name.value !== 'if') };
    },
  });

/**
 * Inlines the fragments of a document, and gives each `@defer` a label of its own: a fragment within a named one occurs as often as
 * that does. `labels` receives the client's labels. What is not part of the data, such as `__schema`, is not deferred.
 */
export const labelDefers = (document: DocumentNode, labels: Map<string, string | undefined>): DocumentNode => {
  const operation = operationIn(document);
  const fragments: Fragments = fragmentMap(fragmentsIn(document));
  const label = (selection: SelectionNode, isDeferrable: boolean): SelectionNode => {
    if (selection.kind === Kind.FRAGMENT_SPREAD || !selection.selectionSet) return selection;
    const isData = isDeferrable && !(selection.kind === Kind.FIELD && selection.name.value.startsWith('__'));
    const defer = deferOf(selection);
    const others = (selection.directives ?? []).filter((one) => !isDefer(one));
    const id = String(labels.size);
    const isPart = defer && isData && labels.size < MAX_PARTS;
    if (isPart) labels.set(id, labelOf(defer));
    return {
      ...selection,
      directives: isPart ? [...others, deferWith(id)] : others,
      selectionSet: {
        kind: Kind.SELECTION_SET,
        selections: selection.selectionSet.selections.map((one) => label(one, isData)),
      },
    } as SelectionNode;
  };
  const { selections } = inlineFragments(operation.selectionSet, fragments);
  const selectionSet = { kind: Kind.SELECTION_SET, selections: selections.map((one) => label(one, true)) } as const;
  return { kind: Kind.DOCUMENT, definitions: [{ ...operation, selectionSet }] };
};
