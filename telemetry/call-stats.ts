import type { CallStatsRow } from './call-stats-row.ts';
import type { TelemetryEvent } from './events.ts';
import { MAX_OPERATIONS } from './max-operations.ts';
import type { RequestListener } from './telemetry.ts';

/** One provider request (`call`), or one wait for a permit (`wait`), with its start and duration. */
export type Span = {
  readonly subgraph: string;
  readonly operation: string;
  readonly kind: 'call' | 'wait';
  /** Since the statistics were created, in milliseconds. */
  readonly startMs: number;
  readonly timeMs: number;
  readonly isFailed: boolean;
};

export type CallStatsEntry = Partial<Omit<CallStatsRow, 'subgraph' | 'operation'>>;

/**
 * The provider calls that a client request may still make. A repeat is a call that was not planned: a retry, half of a batch
 * that was rejected, or a call with a new credential after the old one was rejected. It is made only while `repeats` are left.
 */
export type CallAllowance = { readonly calls: number; readonly repeats: number };

/** Call statistics of one client request, by provider and operation: the sums of its events. */
export type CallStats = RequestListener & {
  /** Limits the further calls to a subgraph's provider. Without an allowance they are not limited. */
  readonly allow: (subgraph: string, allowance: CallAllowance) => void;
  /** Takes one call from the allowance. Returns whether there was one left. */
  readonly take: (subgraph: string, isRepeat: boolean) => boolean;
  /** Returns the calls that were taken from the allowances, by subgraph, also those that have not ended. */
  readonly taken: () => ReadonlyMap<string, number>;
  /** Whether the allowance has a repeat left. */
  readonly mayRepeat: (subgraph: string) => boolean;
  /** Adds to the sums without an event, for what a remote subgraph reports. */
  readonly addRow: (subgraph: string, operation: string, entry: CallStatsEntry) => void;
  readonly rows: () => readonly Readonly<CallStatsRow>[];
  /** Adds a span, with its start by `ageMs`. The sums stay as they are. */
  readonly addSpan: (span: Span) => void;
  /** The first `MAX_SPANS` requests and waits; undefined unless `keepsSpans` is set. */
  readonly spans: readonly Span[] | undefined;
  /** Time since creation, in milliseconds. */
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

/** The names of a row's figures. */
export const CALL_STATS_COLUMNS = Object.keys(EMPTY) as (keyof CallStatsEntry)[];

/** Maximum number of spans. Later requests only count in the sums. */
export const MAX_SPANS = 10_000;

/** The row for all operations beyond the first `MAX_OPERATIONS`. */
const OTHERS = '(others)';

export type CallStatsOptions = {
  /** Also keeps each request and wait. */
  readonly keepsSpans?: boolean | undefined;
  /** Receive each event of the request, too. */
  readonly listeners?: readonly RequestListener[] | undefined;
};

const NO_LISTENERS: readonly RequestListener[] = [];

/** Creates empty call statistics. */
export const createCallStats = (options: CallStatsOptions = {}): CallStats => new RequestCallStats(options);

/** A class, because every client request has one: an object of closures would cost several times as much. */
class RequestCallStats implements CallStats {
  readonly spans: Span[] | undefined;
  readonly #createdAt = performance.now();
  readonly #rows: CallStatsRow[] = [];
  readonly #bySubgraph = new Map<string, Map<string, CallStatsRow>>();
  readonly #allowances = new Map<string, { calls: number; repeats: number }>();
  readonly #taken = new Map<string, number>();
  readonly #listeners: readonly RequestListener[];

  constructor({ keepsSpans, listeners = NO_LISTENERS }: CallStatsOptions) {
    this.spans = keepsSpans ? [] : undefined;
    this.#listeners = listeners;
  }

  ageMs(): number {
    return performance.now() - this.#createdAt;
  }

  allow(subgraph: string, { calls, repeats }: CallAllowance): void {
    this.#allowances.set(subgraph, { calls, repeats });
  }

  take(subgraph: string, isRepeat: boolean): boolean {
    const left = this.#allowances.get(subgraph);
    if (!left) return true;
    if (left.calls <= 0) return false;
    left.calls -= 1;
    this.#taken.set(subgraph, (this.#taken.get(subgraph) ?? 0) + 1);
    if (isRepeat) left.repeats -= 1;
    return true;
  }

  taken(): ReadonlyMap<string, number> {
    return this.#taken;
  }

  mayRepeat(subgraph: string): boolean {
    const left = this.#allowances.get(subgraph);
    return !left || (left.repeats > 0 && left.calls > 0);
  }

  on(event: TelemetryEvent): void {
    for (const listener of this.#listeners) listener.on(event);
    switch (event.type) {
      case 'provider.request': {
        const { subgraph, operation, durationMs, code, bytesSent, bytesReceived } = event;
        if (this.spans) this.#recordSpan('call', subgraph, operation, durationMs, code !== undefined);
        const row = this.#rowOf(subgraph, operation);
        row.calls += 1;
        if (code !== undefined) row.failures += 1;
        row.timeMs += durationMs;
        row.bytesSent += bytesSent;
        row.bytesReceived += bytesReceived;
        return;
      }
      case 'provider.permit':
        if (this.spans) this.#recordSpan('wait', event.subgraph, event.operation, event.waitedMs, false);
        this.#rowOf(event.subgraph, event.operation).waitMs += event.waitedMs;
        return;
      case 'provider.retry':
        this.#rowOf(event.subgraph, event.operation).retries += 1;
        return;
      case 'batch':
        this.#rowOf(event.subgraph, event.operation).keys += event.keys;
        return;
      case 'cache.read': {
        const row = this.#rowOf(event.subgraph, event.operation);
        row.hits += event.hits;
        row.stale += event.stale;
        row.misses += event.misses;
      }
    }
  }

  addRow(subgraph: string, operation: string, entry: CallStatsEntry): void {
    const row = this.#rowOf(subgraph, operation);
    for (const column in entry) {
      const name = column as keyof CallStatsEntry;
      row[name] += entry[name] ?? 0;
    }
  }

  rows(): readonly Readonly<CallStatsRow>[] {
    return [...this.#rows];
  }

  addSpan(span: Span): void {
    if (this.spans && this.spans.length < MAX_SPANS) this.spans.push(span);
  }

  // Requests and waits are recorded when they end, so the start is computed from the duration.
  #recordSpan(kind: Span['kind'], subgraph: string, operation: string, timeMs: number, isFailed: boolean): void {
    this.addSpan({ subgraph, operation, kind, startMs: Math.max(0, this.ageMs() - timeMs), timeMs, isFailed });
  }

  #rowOf(subgraph: string, operation: string): CallStatsRow {
    let byOperation = this.#bySubgraph.get(subgraph);
    const known = byOperation?.get(operation);
    if (known) return known;
    if (this.#rows.length >= MAX_OPERATIONS && operation !== OTHERS) return this.#rowOf(subgraph, OTHERS);
    const row = { subgraph, operation, ...EMPTY };
    this.#rows.push(row);
    byOperation ??= new Map();
    this.#bySubgraph.set(subgraph, byOperation.set(operation, row));
    return row;
  }
}

/** Whether a request that has failed may be repeated: for at least one of the client requests that it serves. */
export const mayRepeat = (subgraph: string, { requestStats }: Serving): boolean =>
  !requestStats || requestStats.size === 0 || [...requestStats].some((stats) => stats.mayRepeat(subgraph));

/** The client requests that a provider request serves, as far as their calls are counted. */
type Serving = { readonly requestStats?: ReadonlySet<CallStats> | undefined };
