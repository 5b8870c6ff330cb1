import { type CallStats, createCallStats } from '../../telemetry/call-stats.ts';
import type { CallStatsRow } from '../../telemetry/call-stats-row.ts';

/** Provider calls made to decide whether events pass a subscription's filter. They are reported with the next event that does. */
export type DecisionCalls = {
  /** Adds the calls of a decision. */
  readonly add: (of: CallStats) => void;
  /** Returns the calls since this was called last. */
  readonly take: () => readonly Readonly<CallStatsRow>[];
};

export const createDecisionCalls = (): DecisionCalls => {
  let decisions = createCallStats();
  return {
    add: (of) => addRows(decisions, of.rows()),
    take: () => {
      const rows = decisions.rows();
      decisions = createCallStats();
      return rows;
    },
  };
};

export const addRows = (to: CallStats, rows: readonly Readonly<CallStatsRow>[]): void => {
  for (const { subgraph, operation, ...entry } of rows) to.addRow(subgraph, operation, entry);
};
