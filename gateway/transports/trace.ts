import { monotonicNow } from '../../runtime/clock.ts';
import type { RequestListener } from '../../telemetry/telemetry.ts';
import type { PlanNode } from '../execution/explain.ts';

/** The timing of one subgraph request. */
export type FetchSpan = {
  readonly subgraph: string;
  /** The query text, as in the plan. */
  readonly query: string;
  /** Time since the start of the client request, in milliseconds. */
  readonly startMs: number;
  readonly timeMs: number;
  /** Number of entities requested. 0 for root fields. */
  readonly entities: number;
  /** Number of errors in the response. */
  readonly errors: number;
};

/** The fetches and the plan of a traced client request. */
export type Trace = {
  readonly fetches: FetchSpan[];
  plan?: PlanNode | undefined;
};

/** Creates the trace of a client request that begins now, which collects its fetches. */
export const createTrace = (): Trace & RequestListener => {
  const requestedAt = monotonicNow();
  const fetches: FetchSpan[] = [];
  return {
    fetches,
    on: (event) => {
      if (event.type !== 'fetch') return;
      const { subgraph, query, entities, errors, startedAt, durationMs } = event;
      fetches.push({ subgraph, query, startMs: startedAt - requestedAt, timeMs: durationMs, entities, errors });
    },
  };
};
