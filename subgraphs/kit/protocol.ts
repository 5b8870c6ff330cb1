import { type CallStats, type CallStatsRow, createCallStats, type Span } from '../../connectors/call-stats.ts';
import type { Freshness, RequestOptions } from '../../connectors/middleware/chain.ts';
import { monotonicNow } from '../../runtime/clock.ts';
import type { StaleNote } from './field.ts';

/** Options of an operation, from a client or from the gateway on its behalf. */
export type OperationOptions = {
  /** Aborts at the deadline or when the client leaves. */
  readonly signal: AbortSignal;
  /** The deadline, by `monotonicNow`. */
  readonly deadlineAt: number;
  /** Bypasses the cache: only data fetched after the request arrived is used. */
  readonly noCache: boolean;
  /** Detail of the call statistics in the response: sums per provider operation, or also the time of each request. */
  readonly report: 'calls' | 'trace' | undefined;
  /** Whether the response reports how much longer it is fresh. */
  readonly reportMaxAge: boolean;
};

/** The report on a response, in `extensions.tributary`. */
export type Report = {
  readonly stale?: readonly StaleNote[];
  readonly calls?: readonly CallStatsRow[];
  /** The individual provider requests and waits, with times since the start of the client request. */
  readonly spans?: readonly Span[];
  /** How much longer the response is fresh, in milliseconds; null if nothing in it expires. */
  readonly freshForMs?: number | null;
};

/** Data collected while a request is executed, for its report. */
export type RequestTelemetry = { readonly callStats: CallStats | undefined; readonly freshness: Freshness | undefined };

/** Creates the options of all provider requests of one client request, and the telemetry that they fill. */
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

/** Creates the report; undefined if there is nothing to report. */
export const toReport = (
  stale: readonly StaleNote[],
  { callStats, freshness }: RequestTelemetry,
): Report | undefined => {
  if (stale.length === 0 && !callStats && !freshness) return undefined;
  return {
    ...(stale.length > 0 && { stale: mergeNotes(stale) }),
    ...(callStats && { calls: callStats.rows().map(toRoundedRow) }),
    ...(callStats?.spans && { spans: callStats.spans }),
    // JSON cannot represent Infinity.
    ...(freshness && { freshForMs: Number.isFinite(freshness.leftMs) ? freshness.leftMs : null }),
  };
};

/**
 * Merges notes with the same path and provider, since a value can be computed from several. The oldest age wins, and an outage
 * takes precedence over a refresh.
 */
const mergeNotes = (stale: readonly StaleNote[]): StaleNote[] => {
  const merged = new Map<string, StaleNote>();
  for (const note of stale) {
    const place = JSON.stringify([note.subgraph, note.path]);
    const other = merged.get(place) ?? note;
    merged.set(place, {
      ...note,
      ageMs: Math.max(note.ageMs, other.ageMs),
      reason: note.reason === 'REFRESHING' ? other.reason : note.reason,
    });
  }
  return [...merged.values()];
};

const toRoundedRow = (row: Readonly<CallStatsRow>): CallStatsRow => ({
  ...row,
  waitMs: Math.round(row.waitMs),
  timeMs: Math.round(row.timeMs),
});

/*
 * Headers between a gateway and a subgraph over HTTP. A client's headers go to the gateway, which forwards those it allows.
 */

const DEADLINE_HEADER = 'x-tributary-deadline-ms';
const MAX_AGE_HEADER = 'x-tributary-freshness';
const REPORT_HEADER = 'x-tributary-report';

/** Reads the requested report: `x-tributary-report: 1` for sums, `trace` for each provider request. */
export const readReportHeader = (headers: Readonly<Record<string, unknown>>): OperationOptions['report'] => {
  const value = headers[REPORT_HEADER];
  if (value === 'trace') return 'trace';
  return value === '1' ? 'calls' : undefined;
};

/** Whether a client bypasses the cache with `Cache-Control: no-cache`. */
export const requestsNoCache = (cacheControl: unknown): boolean =>
  typeof cacheControl === 'string' && /(^|[\s,])no-cache($|[\s,])/i.test(cacheControl);

/** Encodes an operation's options as headers for a subgraph. */
export const toOptionHeaders = ({ deadlineAt, noCache, report, reportMaxAge }: Omit<OperationOptions, 'signal'>) => ({
  ...(Number.isFinite(deadlineAt) && {
    [DEADLINE_HEADER]: String(Math.max(0, Math.ceil(deadlineAt - monotonicNow()))),
  }),
  ...(noCache && { 'cache-control': 'no-cache' }),
  ...(report && { [REPORT_HEADER]: report === 'trace' ? 'trace' : '1' }),
  ...(reportMaxAge && { [MAX_AGE_HEADER]: '1' }),
});

/** Decodes these headers. `timeoutMs` is the remaining time; undefined if the headers have no deadline. */
export const readOptionHeaders = (headers: Readonly<Record<string, unknown>>) => {
  const left = headers[DEADLINE_HEADER];
  return {
    timeoutMs: typeof left === 'string' && /^\d{1,9}$/.test(left) ? Number(left) : undefined,
    noCache: requestsNoCache(headers['cache-control']),
    report: readReportHeader(headers),
    reportMaxAge: headers[MAX_AGE_HEADER] === '1',
  };
};
