import { Kind, print, type VariableDefinitionNode, visit } from 'graphql';
import { type Fetch, type FetchTarget, fragmentsIn, operationIn, type Step } from './steps.ts';

/**
 * Merges entity fetches that would go to one subgraph at the same time into one request.
 *
 * Fetches of the same fields at different paths share one list of representations, so each entity is requested once. Steps
 * that follow one of the fetches wait for all of them: a response takes slightly longer than its fastest part, and the
 * subgraph receives one request less. The steps after a merged fetch start together, so they are merged in turn.
 */
export const joinFetches = (step: Step): Step => {
  switch (step.kind) {
    case 'sequence':
      return { ...step, steps: step.steps.map(joinFetches) };
    case 'condition':
      return { ...step, whenTrue: joinFetches(step.whenTrue), whenFalse: joinFetches(step.whenFalse) };
    case 'parallel':
      return joinParallel(step.steps);
    default:
      return step;
  }
};

/** A branch of a parallel step: the entity fetch that it starts with, and what follows. */
type Branch = { readonly first: Fetch | undefined; readonly rest: readonly Step[] };

const joinParallel = (steps: readonly Step[]): Step => {
  const branches = steps.flatMap(parallelSteps).map(toBranch);
  const bySubgraph = new Map<string, Branch[]>();
  for (const branch of branches) {
    if (!branch.first) continue;
    const others = bySubgraph.get(branch.first.subgraph);
    if (others) others.push(branch);
    else bySubgraph.set(branch.first.subgraph, [branch]);
  }
  const shared: Fetch[] = [];
  const joined: Step[] = [];
  for (const branch of branches) {
    const { first, rest } = branch;
    const group = first && (bySubgraph.get(first.subgraph) as Branch[]);
    if (!group || group.length < 2) {
      joined.push(sequence([...(first ? [{ kind: 'fetch', fetch: first } as const] : []), ...rest.map(joinFetches)]));
    } else if (branch === group[0]) {
      const fetch = join(group.flatMap((one) => one.first ?? []));
      shared.push(fetch);
      const following = group.flatMap((one) => (one.rest.length > 0 ? [sequence(one.rest)] : []));
      joined.push(sequence([{ kind: 'shared', fetch }, ...(following.length > 0 ? [joinParallel(following)] : [])]));
    }
  }
  return { kind: 'parallel', steps: joined, shared };
};

/** Returns the steps that start when a step starts. */
const parallelSteps = (step: Step): readonly Step[] =>
  step.kind === 'parallel' && step.shared.length === 0 ? step.steps.flatMap(parallelSteps) : [step];

const toBranch = (step: Step): Branch => {
  const [first, ...rest] = sequenceSteps(step);
  return first?.kind === 'fetch' && first.fetch.targets.every(({ entities }) => entities)
    ? { first: first.fetch, rest }
    : { first: undefined, rest: [step] };
};

const sequenceSteps = (step: Step): readonly Step[] =>
  step.kind === 'sequence' ? step.steps.flatMap(sequenceSteps) : [step];

const sequence = (steps: readonly Step[]): Step =>
  steps.length === 1 ? (steps[0] as Step) : { kind: 'sequence', steps };

/** Combines several entity fetches into one. */
const join = (fetches: readonly Fetch[]): Fetch => {
  const [first] = fetches as readonly [Fetch];
  const groups = new Map<string, FetchTarget>();
  const fragments = new Map<string, ReturnType<typeof fragmentsIn>[number]>();
  for (const [index, fetch] of fetches.entries()) {
    const fetchFragments = fragmentsIn(fetch.document);
    // Different fragments of two fetches can have the same name.
    const rename = (name: string): string => `${name}_${index}`;
    for (const target of fetch.targets) {
      const selectionSet =
        fetchFragments.length === 0 ? target.selectionSet : withFragmentNames(target.selectionSet, rename);
      const key = JSON.stringify([print(target.selectionSet), fetchFragments.map(print), target.renames]);
      const existing = groups.get(key);
      if (existing) {
        groups.set(key, { ...existing, locations: [...existing.locations, ...target.locations] });
        continue;
      }
      groups.set(key, { ...target, selectionSet });
      for (const fragment of fetchFragments) {
        const other = rename(fragment.name.value);
        fragments.set(other, { ...withFragmentNames(fragment, rename), name: name(other) });
      }
    }
  }
  const variables = new Map<string, VariableDefinitionNode>();
  for (const { document, targets } of fetches) {
    for (const definition of operationIn(document).variableDefinitions ?? []) {
      const name = definition.variable.name.value;
      if (!targets.some(({ entities }) => entities?.variable === name)) variables.set(name, definition);
    }
  }
  const targets = [...groups.values()].map((target, index) => {
    if (index === 0)
      return { ...target, entities: { name: '_entities', variable: freeName('representations', variables) } };
    const variable = freeName(`representations_${index}`, variables);
    return { ...target, entities: { name: `_entities_${index}`, variable } };
  });
  const operation = operationIn(first.document);
  return {
    ...first,
    ids: fetches.flatMap(({ ids = [] }) => ids),
    variables: [...new Set(fetches.flatMap((fetch) => fetch.variables))],
    targets,
    document: {
      kind: Kind.DOCUMENT,
      definitions: [
        {
          ...operation,
          variableDefinitions: [...targets.map(({ entities }) => define(entities.variable)), ...variables.values()],
          selectionSet: { kind: Kind.SELECTION_SET, selections: targets.map(toField) },
        },
        ...fragments.values(),
      ],
    },
  };
};

const freeName = (name: string, taken: ReadonlyMap<string, unknown>): string =>
  taken.has(name) ? freeName(`${name}_`, taken) : name;

const name = (value: string) => ({ kind: Kind.NAME, value }) as const;

const define = (variable: string): VariableDefinitionNode => ({
  kind: Kind.VARIABLE_DEFINITION,
  variable: { kind: Kind.VARIABLE, name: name(variable) },
  type: {
    kind: Kind.NON_NULL_TYPE,
    type: {
      kind: Kind.LIST_TYPE,
      type: { kind: Kind.NON_NULL_TYPE, type: { kind: Kind.NAMED_TYPE, name: name('_Any') } },
    },
  },
});

const toField = ({ entities, selectionSet }: FetchTarget & { entities: NonNullable<FetchTarget['entities']> }) =>
  ({
    kind: Kind.FIELD,
    name: name('_entities'),
    ...(entities.name !== '_entities' && { alias: name(entities.name) }),
    arguments: [
      {
        kind: Kind.ARGUMENT,
        name: name('representations'),
        value: { kind: Kind.VARIABLE, name: name(entities.variable) },
      },
    ],
    selectionSet,
  }) as const;

const withFragmentNames = <Node extends Parameters<typeof visit>[0]>(
  node: Node,
  rename: (name: string) => string,
): Node =>
  visit(node, {
    FragmentSpread: (spread) => ({ ...spread, name: name(rename(spread.name.value)) }),
  }) as Node;
