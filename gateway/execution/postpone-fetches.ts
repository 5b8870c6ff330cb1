import {
  type DocumentNode,
  type FieldNode,
  type InlineFragmentNode,
  Kind,
  print,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import { conditionVariables } from './conditions.ts';
import { type Fetch, fragmentsIn, operationIn, type RequiredSelection, type Step } from './steps.ts';

/**
 * Adds the fields of an entity fetch to a later fetch of the same entities from the same subgraph, where only the response waits
 * for either.
 *
 * Apollo's planner fetches the fields of an entity that need its key at once, and in parallel reads what another field of the
 * same subgraph requires: two requests instead of one, and the response has to wait for the later one. If what the later one
 * requires cannot be read, it is still sent for the fields that do not require it.
 */
export const postponeFetches = (step: Step): Step => {
  switch (step.kind) {
    case 'sequence':
      return { ...step, steps: step.steps.map(postponeFetches) };
    case 'condition':
      return { ...step, whenTrue: postponeFetches(step.whenTrue), whenFalse: postponeFetches(step.whenFalse) };
    case 'parallel':
      return postponeWithin({ ...step, steps: step.steps.map(postponeFetches) });
    default:
      return step;
  }
};

type Parallel = Extract<Step, { kind: 'parallel' }>;

const postponeWithin = (parallel: Parallel): Step => {
  let steps = parallel.steps;
  for (const branch of parallel.steps) {
    if (branch.kind !== 'fetch') continue;
    for (const [index, other] of steps.entries()) {
      const combined = other.kind === 'sequence' && addToLater(branch.fetch, other.steps);
      if (!combined) continue;
      const replaced = steps.with(index, { kind: 'sequence', steps: combined });
      steps = replaced.filter((one) => one !== branch);
      break;
    }
  }
  return steps.length === 1 ? (steps[0] as Step) : { ...parallel, steps };
};

/** Returns the steps of a sequence with the fields of a fetch in the first fetch that can have them. */
const addToLater = (fetch: Fetch, steps: readonly Step[]): readonly Step[] | undefined => {
  for (const [index, step] of steps.entries()) {
    // A step that waits for a condition may never read what a later one requires.
    if (step.kind !== 'fetch' || isConditional(step.fetch)) return undefined;
    if (index > 0 && canCombine(fetch, step.fetch))
      return steps.with(index, { kind: 'fetch', fetch: combine(fetch, step.fetch) });
  }
  return undefined;
};

const isConditional = ({ document }: Fetch): boolean => conditionVariables(document).length > 0;

const canCombine = (earlier: Fetch, later: Fetch): boolean => {
  // A deferred part may wait for the earlier one.
  if (earlier.subgraph !== later.subgraph || isConditional(earlier) || earlier.ids) return false;
  if (fragmentsIn(earlier.document).length > 0 || fragmentsIn(later.document).length > 0) return false;
  const [[one, ...others], [two, ...more]] = [earlier.targets, later.targets];
  if (!one?.entities || !two?.entities || others.length + more.length > 0) return false;
  const [[place, ...places], [otherPlace, ...otherPlaces]] = [one.locations, two.locations];
  if (!place?.requirement || !otherPlace?.requirement || places.length + otherPlaces.length > 0) return false;
  return (
    place.path.join('.') === otherPlace.path.join('.') &&
    JSON.stringify([...place.requirement.typenames]) === JSON.stringify([...otherPlace.requirement.typenames]) &&
    includesAll(otherPlace.requirement.selections, place.requirement.selections)
  );
};

/** Returns whether selections contain others: the same fields for the same types. */
const includesAll = (selections: readonly RequiredSelection[], others: readonly RequiredSelection[]): boolean =>
  others.every((other) =>
    selections.some((one) => {
      if (one.kind === 'InlineFragment')
        return (
          other.kind === 'InlineFragment' &&
          one.typeCondition === other.typeCondition &&
          includesAll(one.selections, other.selections)
        );
      return (
        other.kind === 'Field' &&
        one.name === other.name &&
        one.alias === other.alias &&
        includesAll(one.selections ?? [], other.selections ?? [])
      );
    }),
  );

const combine = (earlier: Fetch, later: Fetch): Fetch => {
  const [one, two] = [earlier.targets[0], later.targets[0]] as [Fetch['targets'][number], Fetch['targets'][number]];
  const selectionSet = merge(one.selectionSet, two.selectionSet);
  const operation = operationIn(later.document);
  const [entities] = operation.selectionSet.selections as readonly [FieldNode];
  const defined = new Map(
    [...(operation.variableDefinitions ?? []), ...(operationIn(earlier.document).variableDefinitions ?? [])].map(
      (definition) => [definition.variable.name.value, definition],
    ),
  );
  const document: DocumentNode = {
    kind: Kind.DOCUMENT,
    definitions: [
      {
        ...operation,
        variableDefinitions: [...defined.values()],
        selectionSet: { kind: Kind.SELECTION_SET, selections: [{ ...entities, selectionSet }] },
      },
    ],
  };
  return {
    ...later,
    document,
    variables: [...new Set([...earlier.variables, ...later.variables])],
    targets: [{ ...two, selectionSet, renames: [...one.renames, ...two.renames] }],
  };
};

/** Merges two selection sets. Fragments on the same type become one. */
const merge = (one: SelectionSetNode, two: SelectionSetNode): SelectionSetNode => {
  const merged: SelectionNode[] = [...one.selections];
  for (const selection of two.selections) {
    const index = merged.findIndex((other) => isOnSameType(selection, other));
    const existing = merged[index] as InlineFragmentNode | undefined;
    if (selection.kind !== Kind.INLINE_FRAGMENT || !existing) merged.push(selection);
    else merged[index] = { ...existing, selectionSet: merge(existing.selectionSet, selection.selectionSet) };
  }
  const texts = new Map(merged.map((selection) => [print(selection), selection]));
  return { kind: Kind.SELECTION_SET, selections: [...texts.values()] };
};

const isOnSameType = (one: SelectionNode, other: SelectionNode): boolean =>
  one.kind === Kind.INLINE_FRAGMENT &&
  other.kind === Kind.INLINE_FRAGMENT &&
  one.typeCondition?.name.value === other.typeCondition?.name.value;
