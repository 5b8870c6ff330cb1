import { isUpstreamError } from './errors.ts';
import { MAX_OPERATIONS, type Middleware } from './middleware/chain.ts';

/** What one operation of a provider has cost. Sums, all of them. */
export type CallStatsRow = {
  readonly upstream: string;
  readonly operation: string;
  /** Requests sent to the provider, repeated ones included. */
  calls: number;
  /** Of these, the ones that were sent because one before had failed. */
  retries: number;
  /** Of these, the ones that failed. */
  failures: number;
  /** Objects that were asked of the provider. */
  keys: number;
  /** Objects that were not asked for because they were in the cache, fresh. */
  hits: number;
  /** Objects that were in the cache, past their time, and used all the same. */
  stale: number;
  /** Objects that were not in the cache, or no longer of use. */
  misses: number;
  /** Time spent waiting for the provider's quota or for a free connection, in milliseconds. */
  waitMs: number;
  /** Time between a request and the last byte of its answer, in milliseconds. */
  timeMs: number;
  bytesSent: number;
  bytesReceived: number;
};

/** One request to a provider, or one wait for its turn, at its place in time. */
export type Span = {
  readonly upstream: string;
  readonly operation: string;
  readonly kind: 'call' | 'wait';
  /** Since the ledger was opened, in milliseconds. */
  readonly startMs: number;
  readonly timeMs: number;
  readonly isFailed: boolean;
};

export type CallStatsEntry = Partial<Omit<CallStatsRow, 'upstream' | 'operation'>>;

/** Counts what providers are asked, per provider and operation: for one client request, or for the whole process. */
export type CallStats = {
  readonly add: (upstream: string, operation: string, entry: CallStatsEntry) => void;
  /** Adds to the sums alone, for calls whose spans are known otherwise. */
  readonly addRow: (upstream: string, operation: string, entry: CallStatsEntry) => void;
  readonly rows: () => readonly Readonly<CallStatsRow>[];
  /** Each call by itself, where the ledger keeps them. */
  readonly spans: Span[] | undefined;
  /** How long ago it was opened, in milliseconds. */
  readonly ageMs: () => number;
};

const EMPTY: Required<CallStatsEntry> = {
  calls: 0,
  retries: 0,
  failures: 0,
  keys: 0,
  hits: 0,
  stale: 0,
  misses: 0,
  waitMs: 0,
  timeMs: 0,
  bytesSent: 0,
  bytesReceived: 0,
};

/** The columns of a row. */
export const CALL_STATS_COLUMNS = Object.keys(EMPTY) as (keyof CallStatsEntry)[];

/** The calls and waits that a ledger keeps one by one; those beyond are in the sums alone. */
const MAX_SPANS = 10_000;

/** What operations beyond `MAX_OPERATIONS` are summed up as. */
const OTHERS = '(others)';

/** A ledger of sums. With `keepsSpans` it grows with every call, so it should be one client request's. */
export const createCallStats = ({ keepsSpans = false } = {}): CallStats => {
  const rows = new Map<string, CallStatsRow>();
  const openedAt = performance.now();
  const spans: Span[] | undefined = keepsSpans ? [] : undefined;
  const ageMs = () => performance.now() - openedAt;

  // Both are entered when they are over.
  const addSpan = (kind: Span['kind'], upstream: string, operation: string, timeMs: number, isFailed: boolean) => {
    if (!spans || spans.length >= MAX_SPANS) return;
    spans.push({ upstream, operation, kind, startMs: Math.max(0, ageMs() - timeMs), timeMs, isFailed });
  };

  const rowOf = (upstream: string, operation: string): CallStatsRow => {
    const name = `${upstream} ${operation}`;
    let row = rows.get(name);
    if (row) return row;
    if (rows.size >= MAX_OPERATIONS && operation !== OTHERS) return rowOf(upstream, OTHERS);
    row = { upstream, operation, ...EMPTY };
    rows.set(name, row);
    return row;
  };

  const addRow = (upstream: string, operation: string, entry: CallStatsEntry): void => {
    const row = rowOf(upstream, operation);
    for (const column in entry) {
      const state = column as keyof CallStatsEntry;
      row[state] += entry[state] ?? 0;
    }
  };

  return {
    spans,
    ageMs,
    addRow,
    add: (upstream, operation, entry) => {
      if (spans) {
        if (entry.calls) addSpan('call', upstream, operation, entry.timeMs ?? 0, Boolean(entry.failures));
        if (entry.waitMs) addSpan('wait', upstream, operation, entry.waitMs, false);
      }
      addRow(upstream, operation, entry);
    },
    rows: () => [...rows.values()],
  };
};

/** Enters every request to the provider, with its bytes and its time. Stands next to the wire: a retry is a call too. */
export const withCallStats =
  (upstream: string, callStats: CallStats): Middleware =>
  (next) =>
  async (call) => {
    const start = performance.now();
    // In UTF-16 units, not bytes: they are JSON and XML, nearly all ASCII, and counting them again would cost more.
    const bytesSent = call.body?.length ?? 0;
    let bytesReceived = 0;
    let failures = 0;
    try {
      const response = await next(call);
      bytesReceived = response.body.length;
      return response;
    } catch (error) {
      failures = 1;
      if (isUpstreamError(error)) bytesReceived = error.details.body?.length ?? 0;
      throw error;
    } finally {
      const timeMs = performance.now() - start;
      recordCall(call, callStats, upstream, { calls: 1, failures, timeMs, bytesSent, bytesReceived });
    }
  };

/** Adds an entry about a call to the process's ledger and to those of the requests that it is made for. */
export const recordCall = (
  { operation, requestStats }: { operation: string; requestStats?: ReadonlySet<CallStats> | undefined },
  callStats: CallStats,
  upstream: string,
  entry: CallStatsEntry,
): void => {
  callStats.add(upstream, operation, entry);
  if (requestStats) for (const one of requestStats) one.add(upstream, operation, entry);
};
