import type { ApolloServerPlugin } from '@apollo/server';
import { type Report, toReport } from '../../subgraphs/kit/protocol.ts';
import type { Trace } from '../transports/trace.ts';
import type { RequestContext } from './context.ts';

/** What clients are told of an answer, in `extensions.tributary`. */
export type ClientReport = Pick<Report, 'stale' | 'calls'> & {
  /** From the request's arrival until its answer is made, in milliseconds. */
  readonly timeMs?: number;
  /** What was done and when, in milliseconds since the request's arrival. */
  readonly trace?: Trace & { readonly calls: NonNullable<Report['spans']> };
};

/** Adds `extensions.tributary`: what of an answer is stale, and where it was asked for, what it has cost. */
export const reportPlugin: ApolloServerPlugin<RequestContext> = {
  requestDidStart: async () => ({
    willSendResponse: async ({ response, contextValue }) => {
      if (response.body.kind !== 'single') return;
      const tributary = toClientReport(contextValue);
      if (!tributary) return;
      const { singleResult } = response.body;
      singleResult.extensions = { ...singleResult.extensions, tributary };
    },
  }),
};

/** The longest that HTTP would have anything kept. Whatever a subgraph says, it is not more. */
const YEAR_S = 31_536_000;

/** Says of an answer to a GET request, as HTTP does, for how long it may be kept, and by whom. */
export const createFreshnessPlugin = (scope: 'PRIVATE' | 'PUBLIC'): ApolloServerPlugin<RequestContext> => ({
  requestDidStart: async () => ({
    willSendResponse: async ({ overallCachePolicy, contextValue }) => {
      const { freshness } = contextValue.telemetry;
      // Infinity: nothing was read that ages, such as for an introspection.
      if (!freshness || !Number.isFinite(freshness.leftMs)) return;
      overallCachePolicy.replace({ maxAge: Math.min(Math.floor(freshness.leftMs / 1000), YEAR_S), scope });
    },
  }),
});

const toClientReport = ({ stale, telemetry: { callStats }, trace }: RequestContext): ClientReport | undefined => {
  const report = toReport(stale, { callStats, freshness: undefined });
  if (!report || !callStats) return report;
  const { spans = [], ...rest } = report;
  const { plan, fetches } = trace ?? { fetches: [] };
  return {
    timeMs: inHundredths(callStats.ageMs()),
    ...rest,
    ...(trace && { trace: { plan, fetches: fetches.map(withShortTimes), calls: spans.map(withShortTimes) } }),
  };
};

const inHundredths = (ms: number): number => Math.round(ms * 100) / 100;

const withShortTimes = <Span extends { startMs: number; timeMs: number }>(span: Span): Span => ({
  ...span,
  startMs: inHundredths(span.startMs),
  timeMs: inHundredths(span.timeMs),
});
