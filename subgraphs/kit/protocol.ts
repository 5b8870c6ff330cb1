import { type CallStats, type CallStatsRow, createCallStats, type Span } from '../../connectors/call-stats.ts';
import type { Freshness, RequestOptions } from '../../connectors/middleware/chain.ts';
import { monotonicNow } from '../../runtime/clock.ts';
import type { StaleNote } from './field.ts';

/** What a client, or the gateway for it, asks of the way an answer is come by. */
export type OperationOptions = {
  /** Ends when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** When the answer is due, by `monotonicNow`. */
  readonly deadlineAt: number;
  /** Nothing from before the request will do. */
  readonly noCache: boolean;
  /** What the answer is to say of its cost: sums for each operation of a provider, or also when each call was made. */
  readonly report: 'calls' | 'trace' | undefined;
  /** The answer is to say for how much longer it is good. */
  readonly reportMaxAge: boolean;
};

/** What is told about an answer, in `extensions.tributary`. */
export type Report = {
  readonly stale?: readonly StaleNote[];
  readonly calls?: readonly CallStatsRow[];
  /** Each call by itself, since the request's start. */
  readonly spans?: readonly Span[];
  /** Null where nothing was read that ages. */
  readonly freshForMs?: number | null;
};

/** What is noted of a request while it is answered. */
export type RequestTelemetry = { readonly callStats: CallStats | undefined; readonly freshness: Freshness | undefined };

/** The options of all provider calls of one request, and what is noted of them. */
export const createRequestOptions = ({
  signal,
  deadlineAt,
  noCache,
  report,
  reportMaxAge,
}: OperationOptions): RequestTelemetry & { readonly call: RequestOptions } => {
  const callStats = report && createCallStats({ keepsSpans: report === 'trace' });
  const freshness = reportMaxAge ? { leftMs: Number.POSITIVE_INFINITY } : undefined;
  return {
    callStats,
    freshness,
    call: {
      signal,
      priority: { deadlineAt, isBackground: false, flow: {} },
      ...(noCache && { notBefore: monotonicNow() }),
      ...(callStats && { requestStats: new Set([callStats]) }),
      ...(freshness && { freshness }),
    },
  };
};

/** What there is to tell, if anything. */
export const toReport = (
  stale: readonly StaleNote[],
  { callStats, freshness }: RequestTelemetry,
): Report | undefined => {
  if (stale.length === 0 && !callStats && !freshness) return undefined;
  return {
    ...(stale.length > 0 && { stale: mergeNotes(stale) }),
    ...(callStats && { calls: callStats.rows().map(inWholeNumbers) }),
    ...(callStats?.spans && { spans: callStats.spans }),
    // Infinity is no JSON.
    ...(freshness && { freshForMs: Number.isFinite(freshness.leftMs) ? freshness.leftMs : null }),
  };
};

/**
 * One note for each place and provider: a value can be made of several. It is as old as the oldest, and an outage says more
 * than that another part is being refreshed.
 */
const mergeNotes = (stale: readonly StaleNote[]): StaleNote[] => {
  const merged = new Map<string, StaleNote>();
  for (const note of stale) {
    const place = JSON.stringify([note.provider, note.path]);
    const other = merged.get(place) ?? note;
    merged.set(place, {
      ...note,
      ageMs: Math.max(note.ageMs, other.ageMs),
      reason: note.reason === 'REFRESHING' ? other.reason : note.reason,
    });
  }
  return [...merged.values()];
};

const inWholeNumbers = (row: Readonly<CallStatsRow>): CallStatsRow => ({
  ...row,
  waitMs: Math.round(row.waitMs),
  timeMs: Math.round(row.timeMs),
});

/*
 * Between a gateway and a subgraph over HTTP. A client's own are for the gateway, which sends what it allows of them.
 */

const DEADLINE = 'x-tributary-deadline-ms';
const TIMED = 'x-tributary-freshness';
const REPORT_HEADER = 'x-tributary-report';

/** What a client wants to be told of the cost: `x-tributary-report: 1` for sums, `trace` for each call. */
export const readReportHeader = (headers: Readonly<Record<string, unknown>>): OperationOptions['report'] => {
  const value = headers[REPORT_HEADER];
  if (value === 'trace') return 'trace';
  return value === '1' ? 'calls' : undefined;
};

/** Whether a client wants nothing that was kept: `Cache-Control: no-cache`. */
export const requestsNoCache = (cacheControl: unknown): boolean =>
  typeof cacheControl === 'string' && /(^|[\s,])no-cache($|[\s,])/i.test(cacheControl);

/** The headers by which a subgraph is told a request's terms. */
export const toOptionHeaders = ({ deadlineAt, noCache, report, reportMaxAge }: Omit<OperationOptions, 'signal'>) => ({
  ...(Number.isFinite(deadlineAt) && { [DEADLINE]: String(Math.max(0, Math.ceil(deadlineAt - monotonicNow()))) }),
  ...(noCache && { 'cache-control': 'no-cache' }),
  ...(report && { [REPORT_HEADER]: report === 'trace' ? 'trace' : '1' }),
  ...(reportMaxAge && { [TIMED]: '1' }),
});

/** Reads them back: the time that is left in milliseconds, undefined where nothing is said. */
export const readOptionHeaders = (headers: Readonly<Record<string, unknown>>) => {
  const left = headers[DEADLINE];
  return {
    timeoutMs: typeof left === 'string' && /^\d{1,9}$/.test(left) ? Number(left) : undefined,
    noCache: requestsNoCache(headers['cache-control']),
    report: readReportHeader(headers),
    reportMaxAge: headers[TIMED] === '1',
  };
};
