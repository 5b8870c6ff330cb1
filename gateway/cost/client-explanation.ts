import type { Explanation, PlanNode } from '../execution/explain.ts';
import type { CallRange, ExceededBudget } from './calls.ts';
import { describeExceeded } from './spending-guard.ts';

/** The calls of one provider operation, or of all operations of a provider, as clients see them. */
export type ClientCalls = CallRange & {
  /** Calls that are expected to be saved by the cache. */
  readonly saved: number;
};

/** What an operation would cost, in `extensions.tributary.explain`. Nothing was fetched. */
export type ClientExplanation = {
  /** Estimated objects in the response. */
  readonly objects: number;
  /** All provider calls. */
  readonly calls: ClientCalls;
  /** The calls of each provider. `atMost` includes the repeats of calls that fail. */
  readonly providers: readonly (ClientCalls & {
    readonly subgraph: string;
    /** Of `atMost`, the most that are repeats. */
    readonly repeats: number;
    /**
     * How long the expected calls would wait for the provider's rate limits now, in milliseconds. Null if another process calls
     * the provider.
     */
    readonly waitMs: number | null;
  })[];
  /** The calls of each provider operation, without repeats. */
  readonly operations: readonly (ClientCalls & {
    readonly subgraph: string;
    readonly operation: string;
    /** Expected keys: objects and lists. */
    readonly keys: number;
  })[];
  readonly plan: PlanNode | undefined;
  /** The budget of the client for which the operation would be refused now. Null if there is none. */
  readonly budget: (ExceededBudget & { readonly message: string }) | null;
};

/** Converts an explanation to what clients see. Expected figures have two decimals. */
export const toClientExplanation = ({ cost, objects, plan, waits, exceeded }: Explanation): ClientExplanation => {
  const operations = cost.operations.map(
    ({ subgraph, operation, keys, atLeast, expected, atMost, expectedUncached }) => ({
      subgraph,
      operation,
      keys: round(keys),
      atLeast,
      expected: round(expected),
      atMost,
      saved: round(Math.max(0, expectedUncached - expected)),
    }),
  );
  const savedOf = (subgraph: string) =>
    operations.reduce((sum, one) => sum + (one.subgraph === subgraph ? one.saved : 0), 0);
  const providers = [...cost.bySubgraph].map(([subgraph, { atLeast, expected, atMost }]) => ({
    subgraph,
    atLeast,
    expected: round(expected),
    atMost,
    repeats: cost.allowances.get(subgraph)?.repeats ?? 0,
    waitMs: waits.get(subgraph) ?? null,
    saved: round(savedOf(subgraph)),
  }));
  const sumOf = (figure: keyof ClientCalls) => round(providers.reduce((sum, one) => sum + one[figure], 0));
  const budget = exceeded ? { message: describeExceeded(exceeded), ...exceeded } : null;
  const calls = {
    atLeast: sumOf('atLeast'),
    expected: sumOf('expected'),
    atMost: sumOf('atMost'),
    saved: sumOf('saved'),
  };
  return { objects: Math.ceil(objects), calls, providers, operations, plan, budget };
};

const round = (number: number): number => Math.round(number * 100) / 100;
