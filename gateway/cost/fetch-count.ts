import type { Step } from '../execution/steps.ts';
import type { CallEstimate, CallRange } from './calls.ts';

type Counts = { atLeast: number; atMost: number };

/**
 * Estimates provider calls by fetches: each is one call. That is all there is to know of an external subgraph. A fetch of
 * entities may turn out to have nothing to fetch.
 */
export const countFetches = (
  steps: readonly Step[],
): ((variables: Readonly<Record<string, unknown>>) => CallEstimate) => {
  const counters = steps.map(countStep);
  return (variables) => {
    const found = new Map<string, Counts>();
    for (const count of counters) count(variables, found);
    return new Map([...found].map(([subgraph, counts]) => [subgraph, toRange(counts)]));
  };
};

type CountStep = (variables: Readonly<Record<string, unknown>>, found: Map<string, Counts>) => void;

const countStep = (step: Step): CountStep => {
  switch (step.kind) {
    case 'fetch':
      return countFetch(step.fetch);
    case 'condition': {
      const [whenTrue, whenFalse] = [countStep(step.whenTrue), countStep(step.whenFalse)];
      return (variables, found) => (variables[step.variable] === true ? whenTrue : whenFalse)(variables, found);
    }
    case 'sequence':
    case 'parallel': {
      const parts = [...(step.kind === 'parallel' ? step.shared.map(countFetch) : []), ...step.steps.map(countStep)];
      return (variables, found) => {
        for (const count of parts) count(variables, found);
      };
    }
    default:
      // A shared fetch is counted where it is sent.
      return () => {};
  }
};

const countFetch =
  ({ subgraph, targets }: Extract<Step, { kind: 'fetch' }>['fetch']): CountStep =>
  (_, found) => {
    const counts = found.get(subgraph) ?? { atLeast: 0, atMost: 0 };
    found.set(subgraph, counts);
    counts.atMost += 1;
    // Equal fetches of several parts of an operation are sent once.
    if (targets.some(({ entities }) => !entities)) counts.atLeast = 1;
  };

const toRange = ({ atLeast, atMost }: Counts): CallRange => ({ atLeast, expected: atMost, atMost });
