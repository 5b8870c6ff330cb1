import type { PlanNode } from '../execution/explain.ts';
import type { Transport } from './transport.ts';

/** One request to a subgraph, at its place in time. */
export type FetchSpan = {
  readonly subgraph: string;
  /** As in the plan. */
  readonly query: string;
  /** Since the request's start, in milliseconds. */
  readonly startMs: number;
  readonly timeMs: number;
  /** How many entities it was about; 0 where it asked for root fields. */
  readonly entities: number;
  readonly errors: number;
};

/** What is noted of a request whose client wants to see each step of it. */
export type Trace = {
  readonly fetches: FetchSpan[];
  plan?: PlanNode | undefined;
};

/** Notes the fetches that go to a subgraph, for those requests that are traced. */
export const withTrace = (subgraph: string, transport: Transport): Transport => ({
  ...transport,
  prepare: (operation) => {
    const send = transport.prepare(operation);

    const sendTraced: typeof send = async (request, context) => {
      const { trace, telemetry } = context;
      const startMs = telemetry.callStats?.ageMs() ?? 0;
      const answer = await send(request, context);
      trace?.fetches.push({
        subgraph,
        query: operation.query,
        startMs,
        timeMs: (telemetry.callStats?.ageMs() ?? 0) - startMs,
        entities: request.representations.reduce((sum, { texts, values }) => sum + (texts.length || values.length), 0),
        errors: answer.errors?.length ?? 0,
      });
      return answer;
    };

    return (request, context) => (context.trace ? sendTraced(request, context) : send(request, context));
  },
});
