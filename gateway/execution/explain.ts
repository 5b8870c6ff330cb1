import { print, stripIgnoredCharacters } from 'graphql';
import type { Fetch, Step } from './steps.ts';

/** What is done for an operation, for people to look at. */
export type PlanNode =
  | { readonly kind: 'sequence' | 'parallel'; readonly nodes: readonly PlanNode[] }
  | { readonly kind: 'condition'; readonly variable: string; readonly then: PlanNode[]; readonly otherwise: PlanNode[] }
  | {
      readonly kind: 'fetch';
      readonly subgraph: string;
      readonly query: string;
      /** The places of the answer that it fills; none where it asks for root fields. */
      readonly places: readonly string[];
    };

/** The text of a fetch, as the subgraph gets it. */
export const queryOf = ({ document }: Fetch): string => stripIgnoredCharacters(print(document));

/** Draws the outline of a program. What several steps wait for stands where the first of them does. */
export const explainPlan = (steps: readonly Step[]): PlanNode | undefined => {
  const drawn = new Set<Fetch>();

  const drawFetch = (fetch: Fetch): PlanNode[] => {
    if (drawn.has(fetch)) return [];
    drawn.add(fetch);
    const places = fetch.inputs.flatMap(({ targets }) => targets.map(({ path }) => path.join('.'))).filter(Boolean);
    return [{ kind: 'fetch', subgraph: fetch.subgraph, query: queryOf(fetch), places: [...new Set(places)] }];
  };

  const group = (kind: 'sequence' | 'parallel', nodes: readonly PlanNode[]): PlanNode[] =>
    nodes.length > 1 ? [{ kind, nodes }] : [...nodes];

  const draw = (step: Step): PlanNode[] => {
    switch (step.kind) {
      case 'nothing':
        return [];
      case 'fetch':
      case 'shared':
        return drawFetch(step.fetch);
      case 'condition': {
        const [then, otherwise] = [draw(step.whenTrue), draw(step.whenFalse)];
        return then.length + otherwise.length > 0
          ? [{ kind: 'condition', variable: step.variable, then, otherwise }]
          : [];
      }
      case 'sequence':
      case 'parallel':
        return group(step.kind, step.steps.flatMap(draw));
    }
  };

  return group('parallel', steps.flatMap(draw))[0];
};
