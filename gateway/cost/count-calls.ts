import type { CallStats } from '../../telemetry/call-stats.ts';
import type { CallStatsRow } from '../../telemetry/call-stats-row.ts';
import { SUBGRAPH_REQUEST } from './calls.ts';

/**
 * Returns the provider calls of a request by subgraph, each once. Calls that have begun count: they go on when their client has
 * left, and a response with a stale value does not wait for the call that replaces it. Of an external subgraph, these are the
 * requests to it, whatever it reports.
 */
export const countCalls = (callStats: CallStats): Map<string, number> => {
  const sums = sumBySubgraph(callStats.rows());
  for (const [subgraph, taken] of callStats.taken()) {
    if (taken > 0) sums.set(subgraph, Math.max(taken, sums.get(subgraph) ?? 0));
  }
  return sums;
};

/** Sums the calls that have ended and count. */
export const sumBySubgraph = (rows: readonly Readonly<CallStatsRow>[]): Map<string, number> => {
  const sums = new Map<string, number>();
  let ofOthers: Set<string> | undefined;
  for (const { subgraph, operation } of rows) {
    if (operation === SUBGRAPH_REQUEST) ofOthers = (ofOthers ?? new Set()).add(subgraph);
  }
  for (const { subgraph, operation, calls } of rows) {
    if (operation !== SUBGRAPH_REQUEST && ofOthers?.has(subgraph)) continue;
    if (calls > 0) sums.set(subgraph, (sums.get(subgraph) ?? 0) + calls);
  }
  return sums;
};
