import { print, stripIgnoredCharacters } from 'graphql';
import type { ExceededBudget, OperationCost } from '../cost/calls.ts';
import type { Fetch, Step } from './steps.ts';

/** A human-readable node of a query plan. */
export type PlanNode =
  | { readonly kind: 'sequence' | 'parallel'; readonly nodes: readonly PlanNode[] }
  | { readonly kind: 'condition'; readonly variable: string; readonly then: PlanNode[]; readonly otherwise: PlanNode[] }
  | {
      readonly kind: 'fetch';
      readonly subgraph: string;
      readonly query: string;
      /** Paths of the entities that the fetch adds fields to. Empty for a fetch of root fields. */
      readonly places: readonly string[];
    };

/** What an operation would cost. */
export type Explanation = {
  readonly cost: OperationCost;
  /** Estimated objects in the response. */
  readonly objects: number;
  readonly plan: PlanNode | undefined;
  /** How long the expected calls of a subgraph would wait for permits now, in milliseconds, as far as it is known. */
  readonly waits: ReadonlyMap<string, number>;
  /** The budget of the client that the operation would exceed now. */
  readonly exceeded: ExceededBudget | undefined;
};

/** Returns the query text of a fetch, as sent to the subgraph. */
export const queryOf = ({ document }: Fetch): string => stripIgnoredCharacters(print(document));

/** Describes a plan as a tree. A fetch that several steps wait for appears at the first of them. */
export const explainPlan = (steps: readonly Step[]): PlanNode | undefined => {
  const visited = new Set<Fetch>();

  const explainFetch = (fetch: Fetch): PlanNode[] => {
    if (visited.has(fetch)) return [];
    visited.add(fetch);
    const places = fetch.targets
      .flatMap(({ locations }) => locations.map(({ path }) => path.join('.')))
      .filter(Boolean);
    return [{ kind: 'fetch', subgraph: fetch.subgraph, query: queryOf(fetch), places: [...new Set(places)] }];
  };

  const group = (kind: 'sequence' | 'parallel', nodes: readonly PlanNode[]): PlanNode[] =>
    nodes.length > 1 ? [{ kind, nodes }] : [...nodes];

  const explainStep = (step: Step): PlanNode[] => {
    switch (step.kind) {
      case 'nothing':
        return [];
      case 'fetch':
      case 'shared':
        return explainFetch(step.fetch);
      case 'condition': {
        const [then, otherwise] = [explainStep(step.whenTrue), explainStep(step.whenFalse)];
        return then.length + otherwise.length > 0
          ? [{ kind: 'condition', variable: step.variable, then, otherwise }]
          : [];
      }
      case 'sequence':
      case 'parallel':
        return group(step.kind, step.steps.flatMap(explainStep));
    }
  };

  return group('parallel', steps.flatMap(explainStep))[0];
};
