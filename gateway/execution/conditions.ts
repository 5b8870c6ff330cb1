import {
  type DirectiveNode,
  type DocumentNode,
  type FieldNode,
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
  type ValueNode,
  visit,
} from 'graphql';
import type { Fetch } from './steps.ts';

export type ConditionValues = Readonly<Record<string, unknown>>;

/** The `if` of a `@skip` or `@include`, and the value with which it selects; undefined for other directives. */
export const readCondition = ({ name, arguments: given = [] }: DirectiveNode) => {
  const isSkip = name.value === GraphQLSkipDirective.name;
  if (!isSkip && name.value !== GraphQLIncludeDirective.name) return undefined;
  const value = given.find((argument) => argument.name.value === 'if')?.value;
  return value && { value, selects: !isSkip };
};

const isConditional = ({ directives = [] }: SelectionNode): boolean => directives.some((one) => readCondition(one));

/** The name that stands in a selection set that nothing else is left in; it is never part of an answer. */
export const NOTHING = '__own_nothing';

const NOTHING_SELECTED: FieldNode = {
  kind: Kind.FIELD,
  alias: { kind: Kind.NAME, value: NOTHING },
  name: { kind: Kind.NAME, value: '__typename' },
};

/**
 * Takes out what `@skip` and `@include` leave out, and the directives themselves where they select; those with a
 * variable that has no value here stay.
 */
export const foldConditions = (document: DocumentNode, values: ConditionValues): DocumentNode => {
  const known = (value: ValueNode): unknown => {
    if (value.kind === Kind.BOOLEAN) return value.value;
    return value.kind === Kind.VARIABLE ? values[value.name.value] : undefined;
  };
  const fold = <Node extends SelectionNode>(node: Node): Node | null | undefined => {
    const { directives = [] } = node;
    const kept: DirectiveNode[] = [];
    for (const directive of directives) {
      const condition = readCondition(directive);
      const value = condition && known(condition.value);
      if (value === undefined) kept.push(directive);
      else if (value !== condition?.selects) return null;
    }
    return kept.length === directives.length ? undefined : { ...node, directives: kept };
  };
  return visit(document, {
    Field: fold,
    InlineFragment: fold,
    FragmentSpread: fold,
    SelectionSet: {
      leave: (node) => (node.selections.length === 0 ? { ...node, selections: [NOTHING_SELECTED] } : undefined),
    },
  });
};

/** The variables that conditions of a document depend on, in one order. */
export const conditionVariables = (document: DocumentNode): string[] => {
  const names = new Set<string>();
  visit(document, {
    Directive: (node) => {
      const value = readCondition(node)?.value;
      if (value?.kind === Kind.VARIABLE) names.add(value.name.value);
    },
  });
  return [...names].sort();
};

/**
 * Whether a plan that leaves conditions open cannot be trusted, so that there has to be one for each set of values. Two
 * faults of Apollo's planner make it so:
 *
 * - It takes conditions that all selections within a conditional field have for the field's own: of
 *   `works @skip(if: $a) { title @skip(if: $b) }` it leaves `works` out where `$b` is true.
 * - It asks for fields together of which one, with a condition, requires a value that is only read under that
 *   condition. Without the value nothing is asked for.
 */
export const needsValues = (
  document: DocumentNode,
  fetches: readonly Fetch[],
  keyNames: ReadonlySet<string>,
): boolean => hasNestedConditions(document) || fetches.some((fetch) => hasConditionalRequirement(fetch, keyNames));

const hasNestedConditions = (document: DocumentNode): boolean => {
  let isFound = false;
  visit(document, {
    Field: (node) => {
      if (!node.selectionSet || !isConditional(node)) return;
      isFound ||= node.selectionSet.selections.every((one) => one.kind !== Kind.FIELD || isConditional(one));
    },
  });
  return isFound;
};

const hasConditionalRequirement = ({ inputs, document }: Fetch, keyNames: ReadonlySet<string>): boolean => {
  const isConditionalWithin = ({ selections }: SelectionSetNode): boolean =>
    selections.some(
      (one) => isConditional(one) || (one.kind === Kind.INLINE_FRAGMENT && isConditionalWithin(one.selectionSet)),
    );
  return inputs.some(({ selectionSet, targets }) => {
    const isOpen =
      isConditionalWithin(selectionSet) || (document.definitions.length > 1 && conditionVariables(document).length > 0);
    return isOpen && targets.some(({ requirement }) => requirement && requiresMore(requirement.selections, keyNames));
  });
};

type Selections = NonNullable<Fetch['inputs'][number]['targets'][number]['requirement']>['selections'];

/** Whether more than a key is required. */
const requiresMore = (selections: Selections, keyNames: ReadonlySet<string>): boolean =>
  selections.some((one) =>
    one.kind === 'InlineFragment'
      ? requiresMore(one.selections, keyNames)
      : one.name !== '__typename' && !keyNames.has(one.name),
  );
