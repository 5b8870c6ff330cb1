import type { ApolloServerPlugin } from '@apollo/server';
import type { Identity } from '../../subgraphs/kit/identity.ts';
import { type WrittenReport, writeReport } from '../../subgraphs/kit/protocol/report.ts';
import type { ExceededBudget } from '../cost/calls.ts';
import { type ClientExplanation, toClientExplanation } from '../cost/client-explanation.ts';
import type { Trace } from '../transports/trace.ts';
import type { RequestContext } from './context.ts';

/** The content of `extensions.tributary`. */
export type ClientReport = Pick<WrittenReport, 'stale' | 'calls'> & {
  /** The budgets that the operation exceeds, where they are only measured. */
  readonly budget?: readonly ExceededBudget[];
  /** Time from the arrival of the request to the completion of its response, in milliseconds. */
  readonly timeMs?: number;
  /** The plan, fetches and provider calls, with times in milliseconds since the arrival of the request. */
  readonly trace?: Trace & { readonly calls: NonNullable<WrittenReport['spans']> };
  /** What the operation would cost, if the request was only to explain it. */
  readonly explain?: ClientExplanation;
};

/** Adds `extensions.tributary`: notes about stale data, exceeded budgets and, if requested, the cost of the response. */
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

/** Maximum cache lifetime: one year, the longest that HTTP recommends. Caps the values reported by subgraphs. */
const YEAR_S = 31_536_000;

/** Methods of identities whose responses do not depend on who sends the request. */
const SAME_FOR_ALL: ReadonlySet<Identity['method']> = new Set(['none', 'anonymous']);

/** Sets `Cache-Control` on responses to GET requests. One that depends on who asks is private, whatever `scope` is. */
export const createCacheControlPlugin = (scope: 'PRIVATE' | 'PUBLIC'): ApolloServerPlugin<RequestContext> => ({
  requestDidStart: async () => ({
    willSendResponse: async ({ overallCachePolicy, contextValue: { identity, telemetry } }) => {
      const { freshness } = telemetry;
      // Infinity means that no data was read that expires, e.g. for introspection.
      if (!freshness || !Number.isFinite(freshness.leftMs)) return;
      const isShared = SAME_FOR_ALL.has(identity.method) && overallCachePolicy.scope !== 'PRIVATE';
      overallCachePolicy.replace({
        maxAge: Math.min(Math.floor(freshness.leftMs / 1000), YEAR_S),
        scope: isShared ? scope : 'PRIVATE',
      });
    },
  }),
});

const toClientReport = (context: RequestContext): ClientReport | undefined => {
  const report = toCostReport(context);
  const { exceededBudgets } = context;
  return exceededBudgets.length > 0 ? { ...report, budget: exceededBudgets } : report;
};

const toCostReport = ({ stale, telemetry, trace, clientReport, explain }: RequestContext): ClientReport | undefined => {
  if (explain) return explain.explanation && { explain: toClientExplanation(explain.explanation) };
  const callStats = clientReport && telemetry.callStats;
  const report = writeReport(stale, callStats ? { callStats } : {});
  if (!report || !callStats) return report;
  const { spans = [], ...rest } = report;
  const { plan, fetches } = trace ?? { fetches: [] };
  return {
    timeMs: roundToHundredths(callStats.ageMs()),
    ...rest,
    ...(trace &&
      clientReport === 'trace' && {
        trace: { plan, fetches: fetches.map(withRoundedTimes), calls: spans.map(withRoundedTimes) },
      }),
  };
};

const roundToHundredths = (ms: number): number => Math.round(ms * 100) / 100;

const withRoundedTimes = <Span extends { startMs: number; timeMs: number }>(span: Span): Span => ({
  ...span,
  startMs: roundToHundredths(span.startMs),
  timeMs: roundToHundredths(span.timeMs),
});
