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

/** Returns the `if` argument of `@skip` or `@include` and the value that selects. Undefined for other directives. */
export const readCondition = ({ name, arguments: args = [] }: DirectiveNode) => {
  const isSkip = name.value === GraphQLSkipDirective.name;
  if (!isSkip && name.value !== GraphQLIncludeDirective.name) return undefined;
  const value = args.find((argument) => argument.name.value === 'if')?.value;
  return value && { value, selects: !isSkip };
};

const isConditional = ({ directives = [] }: SelectionNode): boolean => directives.some((one) => readCondition(one));

/** Alias of the placeholder field in a selection set that would otherwise be empty. Never part of a response. */
export const PLACEHOLDER_ALIAS = '__own_nothing';

/** Selects nothing. */
export const PLACEHOLDER: FieldNode = {
  kind: Kind.FIELD,
  alias: { kind: Kind.NAME, value: PLACEHOLDER_ALIAS },
  name: { kind: Kind.NAME, value: '__typename' },
};

/**
 * Removes selections that `@skip` and `@include` exclude, and the directives themselves where they select. Conditions whose
 * variable has no value in `values` are left in place.
 */
export const foldConditions = (document: DocumentNode, values: ConditionValues): DocumentNode => {
  const resolve = (value: ValueNode): unknown => {
    if (value.kind === Kind.BOOLEAN) return value.value;
    // A variable can have the name of what every object inherits, such as `constructor`.
    const isKnown = value.kind === Kind.VARIABLE && Object.hasOwn(values, value.name.value);
    return isKnown ? values[value.name.value] : undefined;
  };
  const fold = <Node extends SelectionNode>(node: Node): Node | null | undefined => {
    const { directives = [] } = node;
    const remaining: DirectiveNode[] = [];
    for (const directive of directives) {
      const condition = readCondition(directive);
      const value = condition && resolve(condition.value);
      if (value === undefined) remaining.push(directive);
      else if (value !== condition?.selects) return null;
    }
    return remaining.length === directives.length ? undefined : { ...node, directives: remaining };
  };
  return visit(document, {
    Field: fold,
    InlineFragment: fold,
    FragmentSpread: fold,
    SelectionSet: {
      leave: (node) => (node.selections.length === 0 ? { ...node, selections: [PLACEHOLDER] } : undefined),
    },
  });
};

/** Returns the variables that a document's conditions depend on, sorted by name. */
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
 * Returns whether an operation needs a separate plan for each set of condition values.
 *
 * Two defects of Apollo's planner make a plan with open conditions unreliable:
 *
 * - If all selections within a conditional field share a condition, it applies that condition to the field itself. In
 *   `works @skip(if: $a) { title @skip(if: $b) }` it omits `works` when `$b` is true.
 * - It puts fields into one fetch although one of them is conditional and requires a value that is read only under that
 *   condition. Without the value, nothing is fetched.
 */
export const needsConditionValues = (
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

const hasConditionalRequirement = ({ targets, document }: Fetch, keyNames: ReadonlySet<string>): boolean => {
  const isConditionalWithin = ({ selections }: SelectionSetNode): boolean =>
    selections.some(
      (one) => isConditional(one) || (one.kind === Kind.INLINE_FRAGMENT && isConditionalWithin(one.selectionSet)),
    );
  return targets.some(({ selectionSet, locations }) => {
    const hasOpenConditions =
      isConditionalWithin(selectionSet) || (document.definitions.length > 1 && conditionVariables(document).length > 0);
    return (
      hasOpenConditions &&
      locations.some(({ requirement }) => requirement && requiresNonKeyField(requirement.selections, keyNames))
    );
  });
};

type Selections = NonNullable<Fetch['targets'][number]['locations'][number]['requirement']>['selections'];

/** Returns whether the selections require any field that is not part of a key. */
const requiresNonKeyField = (selections: Selections, keyNames: ReadonlySet<string>): boolean =>
  selections.some((one) =>
    one.kind === 'InlineFragment'
      ? requiresNonKeyField(one.selections, keyNames)
      : one.name !== '__typename' && !keyNames.has(one.name),
  );
