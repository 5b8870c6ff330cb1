import { type CallStats, createCallStats } from '../../telemetry/call-stats.ts';

/** The provider calls that a subscription's decisions whether events are wanted have cost. They count with the next event that is. */
export type DecisionCalls = {
  /** Adds the calls of a decision. */
  readonly add: (of: CallStats) => void;
  /** Moves all calls to the statistics of an event. */
  readonly moveTo: (event: CallStats) => void;
};

/** Creates the calls of a subscription. */
export const createDecisionCalls = (): DecisionCalls => {
  let decisions = createCallStats();
  return {
    add: (of) => copyRows(of, decisions),
    moveTo: (event) => {
      copyRows(decisions, event);
      decisions = createCallStats();
    },
  };
};

const copyRows = (from: CallStats, to: CallStats): void => {
  for (const { subgraph, operation, ...entry } of from.rows()) to.addRow(subgraph, operation, entry);
};
