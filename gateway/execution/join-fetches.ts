import { Kind, print, type VariableDefinitionNode, visit } from 'graphql';
import { type Fetch, type FetchTarget, fragmentsIn, operationIn, type Step } from './steps.ts';

/**
 * Makes one request of entity fetches that would go to one subgraph at the same time. Where they ask for the same
 * fields, at different places, they become one list of representations, so that an entity is asked for once.
 *
 * What follows one of them waits for all: a subgraph answers one request a little later than its fastest part, and is
 * asked once less.
 */
export const joinFetches = (step: Step): Step => {
  switch (step.kind) {
    case 'sequence':
      return { ...step, steps: step.steps.map(joinFetches) };
    case 'condition':
      return { ...step, whenTrue: joinFetches(step.whenTrue), whenFalse: joinFetches(step.whenFalse) };
    case 'parallel':
      return joinParallel(step.steps.map(joinFetches));
    default:
      return step;
  }
};

const joinParallel = (steps: readonly Step[]): Step => {
  const bySubgraph = new Map<string, Fetch[]>();
  for (const step of steps) {
    const fetch = firstFetch(step);
    if (!fetch) continue;
    bySubgraph.set(fetch.subgraph, [...(bySubgraph.get(fetch.subgraph) ?? []), fetch]);
  }
  const joined = new Map<Fetch, Fetch>();
  const shared: Fetch[] = [];
  for (const fetches of bySubgraph.values()) {
    if (fetches.length < 2) continue;
    const one = join(fetches);
    shared.push(one);
    for (const fetch of fetches) joined.set(fetch, one);
  }
  const replace = (step: Step): Step => {
    if (step.kind === 'sequence')
      return { ...step, steps: step.steps.map((one, index) => (index === 0 ? replace(one) : one)) };
    const one = step.kind === 'fetch' ? joined.get(step.fetch) : undefined;
    return one ? { kind: 'shared', fetch: one } : step;
  };
  return { kind: 'parallel', steps: steps.map(replace), shared };
};

/** The entity fetch that a step starts with. */
const firstFetch = (step: Step | undefined): Fetch | undefined => {
  if (step?.kind === 'sequence') return firstFetch(step.steps[0]);
  return step?.kind === 'fetch' && step.fetch.inputs.every(({ entities }) => entities) ? step.fetch : undefined;
};

/** One fetch that does what several entity fetches do. */
const join = (fetches: readonly Fetch[]): Fetch => {
  const [first] = fetches as readonly [Fetch];
  const groups = new Map<string, FetchTarget>();
  const fragments = new Map<string, ReturnType<typeof fragmentsIn>[number]>();
  for (const [index, fetch] of fetches.entries()) {
    const own = fragmentsIn(fetch.document);
    // Fragments of two fetches can have one name and not be the same.
    const rename = (name: string): string => `${name}_${index}`;
    for (const input of fetch.inputs) {
      const renamed = own.length === 0 ? input.selectionSet : withFragmentNames(input.selectionSet, rename);
      const key = JSON.stringify([print(input.selectionSet), own.map(print), input.renamed]);
      const before = groups.get(key);
      if (before) {
        groups.set(key, { ...before, targets: [...before.targets, ...input.targets] });
        continue;
      }
      groups.set(key, { ...input, selectionSet: renamed });
      for (const fragment of own) {
        const other = rename(fragment.name.value);
        fragments.set(other, { ...withFragmentNames(fragment, rename), name: name(other) });
      }
    }
  }
  const variables = new Map<string, VariableDefinitionNode>();
  for (const { document, inputs } of fetches) {
    for (const definition of operationIn(document).variableDefinitions ?? []) {
      const name = definition.variable.name.value;
      if (!inputs.some(({ entities }) => entities?.variable === name)) variables.set(name, definition);
    }
  }
  const inputs = [...groups.values()].map((input, index) => {
    if (index === 0)
      return { ...input, entities: { name: '_entities', variable: freeName('representations', variables) } };
    const variable = freeName(`representations_${index}`, variables);
    return { ...input, entities: { name: `_entities_${index}`, variable } };
  });
  const operation = operationIn(first.document);
  return {
    ...first,
    variables: [...new Set(fetches.flatMap((fetch) => fetch.variables))],
    inputs,
    document: {
      kind: Kind.DOCUMENT,
      definitions: [
        {
          ...operation,
          variableDefinitions: [...inputs.map(({ entities }) => define(entities.variable)), ...variables.values()],
          selectionSet: { kind: Kind.SELECTION_SET, selections: inputs.map(toField) },
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
