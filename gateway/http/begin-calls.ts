import type { CallAllowance } from '../../telemetry/call-stats.ts';
import type { CallStatsRow } from '../../telemetry/call-stats-row.ts';
import type { OperationCost, Spending } from '../cost/calls.ts';
import { countCalls, sumBySubgraph } from '../cost/count-calls.ts';
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
  if (!spending) {
    for (const [subgraph, allowance] of allowances) callStats.allow(subgraph, allowance);
    context.allowanceOf = (subgraph, document) => (allowances.has(subgraph) ? allowanceOf(document) : undefined);
    return () => callStats.rows();
  }
  /** Returns the calls that the budgets have left after those that were made. */
  const leftOf = (subgraph: string): number => {
    const allowed = spending.allowed.get(subgraph) ?? Number.POSITIVE_INFINITY;
    return Math.max(0, Math.floor(allowed - (sumBySubgraph(callStats.rows()).get(subgraph) ?? 0)));
  };
  const within = (subgraph: string, { calls, repeats }: CallAllowance): CallAllowance => {
    const left = leftOf(subgraph);
    return { calls: Math.min(calls, left), repeats: Math.min(repeats, left) };
  };
  for (const [subgraph, allowance] of allowances) callStats.allow(subgraph, within(subgraph, allowance));
  // Requests to one subgraph over HTTP that run at the same time do not know of each other's calls.
  context.allowanceOf = (subgraph, document) =>
    allowances.has(subgraph) ? within(subgraph, allowanceOf(document)) : undefined;
  context.requestsLeftOf = leftOf;
  return (wasExecuted) => {
    const rows = callStats.rows();
    const calls = countCalls(callStats);
    // A call that others wait for, too, goes on after its request was aborted, and is counted only when it ends.
    if (wasExecuted && options.signal.aborted) {
      for (const [subgraph, allowed] of spending.allowed) {
        calls.set(subgraph, Math.max(allowed, calls.get(subgraph) ?? 0));
      }
    }
    spending.settle(calls);
    return rows;
  };
};
