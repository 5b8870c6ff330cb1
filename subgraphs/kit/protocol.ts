import { createLedger, type Ledger, type LedgerRow, type Span } from '../../connectors/call-stats.ts';
import type { CallOptions, Freshness } from '../../connectors/middleware/chain.ts';
import { monotonicNow } from '../../runtime/clock.ts';
import type { StaleNote } from './field.ts';

/** What a client, or the gateway for it, asks of the way an answer is come by. */
export type RequestTerms = {
  /** Ends when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** When the answer is due, by `monotonicNow`. */
  readonly deadlineAt: number;
  /** Nothing from before the request will do. */
  readonly isFresh: boolean;
  /** What the answer is to say of its cost: sums for each operation of a provider, or also when each call was made. */
  readonly report: 'calls' | 'trace' | undefined;
  /** The answer is to say for how much longer it is good. */
  readonly isTimed: boolean;
};

/** What is told about an answer, in `extensions.tributary`. */
export type Report = {
  readonly stale?: readonly StaleNote[];
  readonly calls?: readonly LedgerRow[];
  /** Each call by itself, since the request's start. */
  readonly spans?: readonly Span[];
  /** Null where nothing was read that ages. */
  readonly freshForMs?: number | null;
};

/** What is noted of a request while it is answered. */
export type RequestNotes = { readonly ledger: Ledger | undefined; readonly freshness: Freshness | undefined };

/** The options of all provider calls of one request, and what is noted of them. */
export const createCallOptions = ({
  signal,
  deadlineAt,
  isFresh,
  report,
  isTimed,
}: RequestTerms): RequestNotes & { readonly call: CallOptions } => {
  const ledger = report && createLedger({ keepsSpans: report === 'trace' });
  const freshness = isTimed ? { leftMs: Number.POSITIVE_INFINITY } : undefined;
  return {
    ledger,
    freshness,
    call: {
      signal,
      standing: { deadlineAt, isBackground: false, flow: {} },
      ...(isFresh && { notBefore: monotonicNow() }),
      ...(ledger && { ledgers: new Set([ledger]) }),
      ...(freshness && { freshness }),
    },
  };
};

/** What there is to tell, if anything. */
export const toReport = (stale: readonly StaleNote[], { ledger, freshness }: RequestNotes): Report | undefined => {
  if (stale.length === 0 && !ledger && !freshness) return undefined;
  return {
    ...(stale.length > 0 && { stale: mergeNotes(stale) }),
    ...(ledger && { calls: ledger.rows().map(inWholeNumbers) }),
    ...(ledger?.spans && { spans: ledger.spans }),
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

const inWholeNumbers = (row: Readonly<LedgerRow>): LedgerRow => ({
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
export const readReportHeader = (headers: Readonly<Record<string, unknown>>): RequestTerms['report'] => {
  const value = headers[REPORT_HEADER];
  if (value === 'trace') return 'trace';
  return value === '1' ? 'calls' : undefined;
};

/** Whether a client wants nothing that was kept: `Cache-Control: no-cache`. */
export const asksForFresh = (cacheControl: unknown): boolean =>
  typeof cacheControl === 'string' && /(^|[\s,])no-cache($|[\s,])/i.test(cacheControl);

/** The headers by which a subgraph is told a request's terms. */
export const toTermHeaders = ({ deadlineAt, isFresh, report, isTimed }: Omit<RequestTerms, 'signal'>) => ({
  ...(Number.isFinite(deadlineAt) && { [DEADLINE]: String(Math.max(0, Math.ceil(deadlineAt - monotonicNow()))) }),
  ...(isFresh && { 'cache-control': 'no-cache' }),
  ...(report && { [REPORT_HEADER]: report === 'trace' ? 'trace' : '1' }),
  ...(isTimed && { [TIMED]: '1' }),
});

/** Reads them back: the time that is left in milliseconds, undefined where nothing is said. */
export const readTermHeaders = (headers: Readonly<Record<string, unknown>>) => {
  const left = headers[DEADLINE];
  return {
    timeoutMs: typeof left === 'string' && /^\d{1,9}$/.test(left) ? Number(left) : undefined,
    isFresh: asksForFresh(headers['cache-control']),
    report: readReportHeader(headers),
    isTimed: headers[TIMED] === '1',
  };
};
