import { monotonicNow } from '../../runtime/clock.ts';
import { FAILURE_CODES } from '../error-codes.ts';
import type { FetchEvent, OperationEvent, TelemetryEvent } from '../events.ts';
import type { TelemetryListener } from '../telemetry.ts';
import { bucketOf, LATENCY_BUCKETS } from './latency.ts';
import { StepRing } from './step-ring.ts';
import { type NamedCost, OTHER, TopNames } from './top-names.ts';

/*
 * Records what the status page shows: the events of the last five minutes, in a fixed amount of memory. Nothing is allocated for
 * an event but for the first one with a name.
 */

/** Columns of requests to a provider, or of fetches from a subgraph. The latency buckets are the columns after these. */
export const FLOW = {
  count: 0,
  /** By a failure of the provider. */
  failed: 1,
  /** With a usable response, also one that rejects the request. */
  succeeded: 2,
  latency: 3,
} as const;

export const FLOW_COLUMNS = FLOW.latency + LATENCY_BUCKETS;

/** Columns of everything else about a subgraph. */
export const SUBGRAPH = {
  retries: 0,
  pauses: 1,
  refusedByRateLimit: 2,
  refusedByBreaker: 3,
  refusedByBudget: 4,
  hits: 5,
  stale: 6,
  misses: 7,
  /** The age of the oldest stale value that was served, in milliseconds. */
  oldestMs: 8,
  /** Made for operations. Of an external subgraph, the gateway's requests to it. */
  reportedCalls: 9,
  /** Reported by the subgraph with its responses. */
  reportedFailures: 10,
  reportedHits: 11,
  reportedStale: 12,
  reportedMisses: 13,
} as const;

export const SUBGRAPH_COLUMNS = 14;

/** What a process has recorded of one subgraph. The figures are pairs of index and figure, as `StepRing.read` returns them. */
export type SubgraphRecord = {
  readonly subgraph: string;
  /** Requests to its provider. */
  readonly requests: readonly number[];
  /** The gateway's fetches from it. */
  readonly fetches: readonly number[];
  /** How long requests that clients wait for waited for their permits: numbers by latency bucket. */
  readonly waits: readonly number[];
  readonly others: readonly number[];
  /** Requests to its provider by operation; those that have no place of their own are `(other)`. */
  readonly operations: readonly OperationRecord[];
  readonly lastRequest: LastEnds;
  /** Fetches succeed with stale values, too, so that these say little of a provider that this process calls. */
  readonly lastFetch: LastEnds;
};

/** Requests of one operation. The figures are pairs of column and sum, as `StepRing.sums` returns them. */
export type OperationRecord = { readonly operation: string; readonly sums: readonly number[] };

/** When something last succeeded and failed. Ages in milliseconds; null for what has not happened. */
export type LastEnds = {
  readonly successMs: number | null;
  readonly failureMs: number | null;
  readonly failureCode: string | null;
};

/** What a process has recorded. It can be sent as JSON. */
export type StatusRecord = {
  readonly subgraphs: readonly SubgraphRecord[];
  readonly operations: readonly NamedCost[];
  readonly clients: readonly NamedCost[];
  /** Requests refused before their operation was read, by code. */
  readonly refusals: readonly NamedCost[];
  /** Operations with errors, by the codes of these. */
  readonly errors: readonly NamedCost[];
};

export type StatusRecorder = TelemetryListener & { readonly read: () => StatusRecord };

/** Maximum numbers of names. */
const MAX_SUBGRAPHS = 100;
const MAX_NAMES = 50;

/** Maximum number of a provider's operations, whose names are from code. */
const MAX_PROVIDER_OPERATIONS = 20;

/** The name of operations that have none. */
const UNNAMED = '(unnamed)';

/** The codes of requests that were not sent, or that nobody waited for: they show nothing. */
const UNDECIDED: ReadonlySet<string> = new Set(['UPSTREAM_CANCELLED', 'BUDGET_EXCEEDED']);

const REFUSED = {
  rate_limit: SUBGRAPH.refusedByRateLimit,
  circuit_open: SUBGRAPH.refusedByBreaker,
  budget: SUBGRAPH.refusedByBudget,
} as const;

/**
 * Returns the code that tells most of the subgraph. A fetch that ended with its client request shows nothing, and a credential that
 * is missing or rejected may be that of one tenant.
 */
const codeOf = ({ codes, isAborted }: FetchEvent): string | undefined => {
  const code = codes.find((one) => FAILURE_CODES.has(one)) ?? codes[0];
  return code !== undefined && (isAborted || code === 'UPSTREAM_UNAUTHORIZED') ? 'UPSTREAM_CANCELLED' : code;
};

/** Requests to a provider, or fetches from a subgraph. */
class RecordedFlow {
  readonly #ring = new StepRing(FLOW_COLUMNS);
  #succeededAt: number | undefined;
  #failedAt: number | undefined;
  #failureCode: string | undefined;

  /** Counts one that ended at `at`. `code` is that of its error. */
  count(at: number, durationMs: number, code: string | undefined): void {
    const step = this.#ring.open(at);
    this.#ring.add(step + FLOW.count, 1);
    this.#ring.add(step + FLOW.latency + bucketOf(durationMs), 1);
    if (code !== undefined && UNDECIDED.has(code)) return;
    if (code !== undefined && FAILURE_CODES.has(code)) {
      this.#ring.add(step + FLOW.failed, 1);
      this.#failedAt = at;
      this.#failureCode = code;
    } else {
      this.#ring.add(step + FLOW.succeeded, 1);
      this.#succeededAt = at;
    }
  }

  read(at: number): readonly number[] {
    return this.#ring.read(at);
  }

  sums(at: number): readonly number[] {
    return this.#ring.sums(at);
  }

  lastEnds(at: number): LastEnds {
    return {
      successMs: this.#succeededAt === undefined ? null : at - this.#succeededAt,
      failureMs: this.#failedAt === undefined ? null : at - this.#failedAt,
      failureCode: this.#failureCode ?? null,
    };
  }
}

const NEVER: LastEnds = { successMs: null, failureMs: null, failureCode: null };

class RecordedSubgraph {
  readonly others = new StepRing(SUBGRAPH_COLUMNS);
  requests: RecordedFlow | undefined;
  fetches: RecordedFlow | undefined;
  waits: StepRing | undefined;
  readonly operations = new Map<string, RecordedFlow>();

  operation(name: string): RecordedFlow {
    const known = this.operations.get(name);
    if (known) return known;
    if (this.operations.size >= MAX_PROVIDER_OPERATIONS && name !== OTHER) return this.operation(OTHER);
    const recorded = new RecordedFlow();
    this.operations.set(name, recorded);
    return recorded;
  }

  addOther(at: number, column: number, amount: number): void {
    this.others.add(this.others.open(at) + column, amount);
  }
}

/** Creates a recorder. It records while it listens to a process's telemetry. */
export const createStatusRecorder = (now: () => number = monotonicNow): StatusRecorder => {
  const subgraphs = new Map<string, RecordedSubgraph>();
  const operations = new TopNames(MAX_NAMES);
  const clients = new TopNames(MAX_NAMES);
  const refusals = new TopNames(MAX_NAMES);
  const errors = new TopNames(MAX_NAMES);

  const subgraphOf = (name: string): RecordedSubgraph => {
    const known = subgraphs.get(name);
    if (known) return known;
    if (subgraphs.size >= MAX_SUBGRAPHS && name !== OTHER) return subgraphOf(OTHER);
    const recorded = new RecordedSubgraph();
    subgraphs.set(name, recorded);
    return recorded;
  };

  const onOperation = ({
    operationName = UNNAMED,
    client,
    outcome,
    codes,
    calls,
    callStats,
    startedAt,
    durationMs,
  }: OperationEvent) => {
    const at = startedAt + durationMs;
    let sum = 0;
    for (const [subgraph, count] of calls) {
      sum += count;
      subgraphOf(subgraph).addOther(at, SUBGRAPH.reportedCalls, count);
    }
    for (const row of callStats) {
      const { others } = subgraphOf(row.subgraph);
      const step = others.open(at);
      others.add(step + SUBGRAPH.reportedFailures, row.failures);
      others.add(step + SUBGRAPH.reportedHits, row.hits);
      others.add(step + SUBGRAPH.reportedStale, row.stale);
      others.add(step + SUBGRAPH.reportedMisses, row.misses);
    }
    const cost = { operations: 1, errors: outcome === 'ok' ? 0 : 1, calls: sum, timeMs: durationMs };
    operations.add(at, operationName, cost);
    clients.add(at, client.name, cost);
    for (const code of codes) errors.add(at, code, cost);
  };

  const on = (event: TelemetryEvent): void => {
    switch (event.type) {
      case 'provider.request': {
        const recorded = subgraphOf(event.subgraph);
        recorded.requests ??= new RecordedFlow();
        const at = event.startedAt + event.durationMs;
        recorded.requests.count(at, event.durationMs, event.code);
        recorded.operation(event.operation).count(at, event.durationMs, event.code);
        return;
      }
      case 'fetch': {
        const recorded = subgraphOf(event.subgraph);
        recorded.fetches ??= new RecordedFlow();
        recorded.fetches.count(event.startedAt + event.durationMs, event.durationMs, codeOf(event));
        return;
      }
      case 'cache.read': {
        const { others } = subgraphOf(event.subgraph);
        const step = others.open(now());
        others.add(step + SUBGRAPH.hits, event.hits);
        others.add(step + SUBGRAPH.stale, event.stale);
        others.add(step + SUBGRAPH.misses, event.misses);
        others.raise(step + SUBGRAPH.oldestMs, event.oldestMs);
        return;
      }
      case 'provider.permit': {
        // Background requests may wait: nobody waits for them.
        if (event.isBackground) return;
        const recorded = subgraphOf(event.subgraph);
        recorded.waits ??= new StepRing(LATENCY_BUCKETS);
        recorded.waits.add(recorded.waits.open(now()) + bucketOf(event.waitedMs), 1);
        return;
      }
      case 'provider.retry':
        subgraphOf(event.subgraph).addOther(now(), SUBGRAPH.retries, 1);
        return;
      case 'provider.refusal':
        subgraphOf(event.subgraph).addOther(now(), REFUSED[event.reason], 1);
        return;
      case 'provider.pause':
        subgraphOf(event.subgraph).addOther(now(), SUBGRAPH.pauses, 1);
        return;
      case 'operation':
        onOperation(event);
        return;
      case 'refusal':
        refusals.add(now(), event.code, ONE);
    }
  };

  const readSubgraph = (subgraph: string, recorded: RecordedSubgraph, at: number): SubgraphRecord => ({
    subgraph,
    requests: recorded.requests?.read(at) ?? [],
    fetches: recorded.fetches?.read(at) ?? [],
    waits: recorded.waits?.read(at) ?? [],
    others: recorded.others.read(at),
    operations: [...recorded.operations].map(([operation, flow]) => ({ operation, sums: flow.sums(at) })),
    lastRequest: recorded.requests?.lastEnds(at) ?? NEVER,
    lastFetch: recorded.fetches?.lastEnds(at) ?? NEVER,
  });

  return {
    on,
    read: () => {
      const at = now();
      return {
        subgraphs: [...subgraphs].map(([name, recorded]) => readSubgraph(name, recorded, at)),
        operations: operations.read(at),
        clients: clients.read(at),
        refusals: refusals.read(at),
        errors: errors.read(at),
      };
    },
  };
};

const ONE = { operations: 1, errors: 0, calls: 0, timeMs: 0 };
