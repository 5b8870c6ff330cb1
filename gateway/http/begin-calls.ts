import type { CallStatsRow } from '../../connectors/call-stats.ts';
import type { OperationCost, Spending } from '../cost/calls.ts';
import type { RequestContext } from './context.ts';

/**
 * Allows a request the provider calls that its operation can cost, and no more than its client's budgets allow. Returns a function
 * that ends the operation and returns the calls that were made.
 */
export const beginCalls = (
  { allowances, allowanceOf }: OperationCost,
  context: RequestContext,
  spending?: Spending,
): ((wasExecuted: boolean) => readonly Readonly<CallStatsRow>[]) => {
  const { telemetry, options } = context;
  const { callStats } = telemetry;
  const within = (subgraph: string, { calls, repeats }: { readonly calls: number; readonly repeats: number }) => {
    const allowed = spending?.allowed.get(subgraph) ?? Number.POSITIVE_INFINITY;
    return { calls: Math.min(calls, allowed), repeats: Math.min(repeats, allowed) };
  };
  for (const [subgraph, allowance] of allowances) callStats.allow(subgraph, within(subgraph, allowance));
  context.allowanceOf = (subgraph, document) =>
    allowances.has(subgraph) ? within(subgraph, allowanceOf(document)) : undefined;
  return (wasExecuted) => {
    const rows = callStats.rows();
    if (spending) {
      const calls = sumBySubgraph(rows);
      // A call that others wait for, too, goes on after its request was aborted, and is counted only when it ends.
      if (wasExecuted && options.signal.aborted) {
        for (const [subgraph, allowed] of spending.allowed) {
          calls.set(subgraph, Math.max(allowed, calls.get(subgraph) ?? 0));
        }
      }
      spending.settle(calls);
    }
    return rows;
  };
};

const sumBySubgraph = (rows: readonly Readonly<CallStatsRow>[]): Map<string, number> => {
  const sums = new Map<string, number>();
  for (const { subgraph, calls } of rows) sums.set(subgraph, (sums.get(subgraph) ?? 0) + calls);
  return sums;
};
