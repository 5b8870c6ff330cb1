import { type CallStats, mayRepeat } from '../../telemetry/call-stats.ts';
import { untilAborted } from '../abort.ts';
import { isUpstreamError } from '../errors.ts';
import type { Priority, RequestOptions } from '../middleware/chain.ts';
import type { RequestScheduler } from '../rate-limits/scheduler.ts';

/** Splits `items` into chunks of at most `size`, in order. */
export const chunksOf = <T>(items: readonly T[], size: number): T[][] => {
  const chunks: T[][] = [];
  for (let start = 0; start < items.length; start += size) chunks.push(items.slice(start, start + size));
  return chunks;
};

/** The values of one provider request, by key. Omits unknown keys; a key that failed alone maps to an Error. */
export type BatchResult<Key, Value> = ReadonlyMap<Key, Value | Error>;

/** The provider's value for one key, `null` where it has none, and when the request was sent, by `timestamp`. */
export type Fetched<Value> = { readonly value: Value | null; readonly fetchedAt: number };

/** A key and its serialized form, which identifies it. */
export type BatchKey<Key> = { readonly id: string; readonly key: Key };

export type BatcherOptions<Key, Value> = {
  readonly subgraph: string;
  /** The operation that fetches a key. All keys of a batch have the same one. */
  readonly operationOf: (key: Key) => string;
  /** Maximum number of keys in one provider request. */
  readonly batchSize: number;
  /** What one provider request is expected to cost under rate limits by cost. Default: 1. */
  readonly cost?: number | undefined;
  /** Sends one provider request. */
  readonly fetch: (keys: readonly Key[], options: RequestOptions) => Promise<BatchResult<Key, Value>>;
  /** Grants the permit of one request. More keys are collected meanwhile. */
  readonly scheduler: Pick<RequestScheduler, 'acquireAhead' | 'join' | 'refuseLate'>;
  /** Stores fetched values, by id. Until it resolves, their keys are not requested again. */
  readonly onResult?: ((fetched: ReadonlyMap<string, Fetched<Value>>) => Promise<void>) | undefined;
  /** A strictly monotonic clock; see `createMonotonicClock`. */
  readonly timestamp: () => number;
};

/** Collects the keys of all running client requests into provider requests. */
export type Batcher<Key, Value> = {
  /**
   * Returns the values in the keys' order; an Error for a key that failed alone or with its whole request. Throws
   * UPSTREAM_TIMEOUT or UPSTREAM_CANCELLED if the caller's signal aborts first.
   */
  readonly load: (keys: readonly BatchKey<Key>[], options: RequestOptions) => Promise<(Fetched<Value> | Error)[]>;
  /** Detaches the matching keys from requests in flight, so that later callers send a new one. */
  readonly invalidate: (matches: (key: Key) => boolean) => void;
};

type InFlightKey<Key, Value> = {
  readonly key: Key;
  readonly batch: Batch<Key, Value>;
  readonly response: PromiseWithResolvers<Fetched<Value> | Error>;
  waiters: number;
};

type Batch<Key, Value> = {
  /** Keys without a value yet, by id. */
  readonly inFlight: Map<string, InFlightKey<Key, Value>>;
  readonly controller: AbortController;
  readonly priority: Priority;
  readonly requestStats: Set<CallStats>;
  /** Whether the batch waits for its permit or was sent. */
  isQueued: boolean;
  /** When the batch was sent; undefined while keys can still be added. */
  sentAt: number | undefined;
  waiters: number;
};

const NO_DEADLINE = Number.POSITIVE_INFINITY;

/** How long keys are collected while another request of the same batcher is running, in milliseconds. */
const BATCH_WINDOW_MS = 5;

/**
 * Collects the keys of all running client requests into provider requests as full as the provider allows. A key that is already
 * in flight is joined, not requested again.
 *
 * While no request of this batcher is running, one is sent within the same turn of the event loop; otherwise keys are
 * collected for `BATCH_WINDOW_MS`, or until a batch is full. A batch that waits for its permit takes more keys meanwhile, so
 * the scarcer the permits, the fuller the batches. A batch is aborted only when all its callers have left. A batch that the
 * provider rejects is sent again in halves, so that one bad key does not fail the others.
 */
export const createBatcher = <Key, Value>({
  subgraph,
  operationOf,
  batchSize,
  cost,
  fetch,
  onResult,
  scheduler,
  timestamp,
}: BatcherOptions<Key, Value>): Batcher<Key, Value> => {
  const inFlight = new Map<string, InFlightKey<Key, Value>>();
  let openBatch: Batch<Key, Value> | undefined;
  let running = 0;
  let timer: NodeJS.Timeout | NodeJS.Immediate | undefined;

  const cancelTimer = () => {
    clearTimeout(timer as NodeJS.Timeout);
    clearImmediate(timer as NodeJS.Immediate);
    timer = undefined;
  };

  const remove = (id: string, inFlightKey: InFlightKey<Key, Value>) => {
    if (inFlight.get(id) === inFlightKey) inFlight.delete(id);
  };

  const settle = (
    batch: Batch<Key, Value>,
    ids: readonly string[],
    result: BatchResult<Key, Value> | Error,
    fetchedAt: number,
  ) => {
    const fetched = new Map<string, Fetched<Value>>();
    const settled: [id: string, inFlightKey: InFlightKey<Key, Value>][] = [];
    for (const id of ids) {
      const inFlightKey = batch.inFlight.get(id);
      if (!inFlightKey) continue;
      settled.push([id, inFlightKey]);
      batch.inFlight.delete(id);
      const value = result instanceof Error ? result : (result.get(inFlightKey.key) ?? null);
      if (!(value instanceof Error)) fetched.set(id, { value, fetchedAt });
      inFlightKey.response.resolve(fetched.get(id) ?? (value as Error));
    }
    const removeAll = () => {
      for (const [id, inFlightKey] of settled) remove(id, inFlightKey);
    };
    // A caller that missed the cache just before the value was stored finds the key here.
    if (onResult && fetched.size > 0) void onResult(fetched).then(removeAll, removeAll);
    else removeAll();
  };

  const optionsOf = ({ controller, priority, requestStats }: Batch<Key, Value>) => ({
    signal: controller.signal,
    priority,
    requestStats,
    cost,
  });

  /** Sends a batch; one that is rejected as a whole is sent again in halves. `left` bounds the number of further requests. */
  const fetchInHalves = async (
    batch: Batch<Key, Value>,
    ids: readonly string[],
    left: { requests: number },
    isRepeat = false,
  ): Promise<void> => {
    const fetchedAt = timestamp();
    const keys = ids.map((id) => (batch.inFlight.get(id) as InFlightKey<Key, Value>).key);
    try {
      settle(batch, ids, await fetch(keys, { ...optionsOf(batch), isRepeat }), fetchedAt);
    } catch (cause) {
      const mayHalve = isUpstreamError(cause, 'UPSTREAM_REJECTED') && ids.length > 1 && left.requests >= 2;
      if (mayHalve && mayRepeat(subgraph, batch)) {
        left.requests -= 2;
        const halves = chunksOf(ids, Math.ceil(ids.length / 2));
        await Promise.all(halves.map((half) => fetchInHalves(batch, half, left, true)));
        return;
      }
      settle(batch, ids, cause instanceof Error ? cause : new Error('A request failed.', { cause }), fetchedAt);
    }
  };

  /** Closes a batch to further keys and returns the ids of its keys. */
  const close = (batch: Batch<Key, Value>): readonly string[] => {
    if (openBatch === batch) {
      cancelTimer();
      openBatch = undefined;
    }
    batch.sentAt = timestamp();
    return [...batch.inFlight.keys()];
  };

  const send = async (batch: Batch<Key, Value>): Promise<void> => {
    let release: (() => void) | undefined;
    const [first] = batch.inFlight.values();
    try {
      // A single-key request has nothing to collect while it waits: the rate-limit middleware gets its permit.
      if (batchSize > 1 && first) {
        release = await scheduler.acquireAhead({ ...optionsOf(batch), operation: operationOf(first.key) });
      }
      const ids = close(batch);
      // All callers left just as the permit was granted.
      if (ids.length === 0) return;
      // Enough requests to isolate two bad keys in a full batch.
      await fetchInHalves(batch, ids, { requests: 4 * Math.ceil(Math.log2(ids.length + 1)) });
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error('A request failed.', { cause });
      settle(batch, close(batch), error, timestamp());
    } finally {
      release?.();
    }
  };

  const dispatch = (batch: Batch<Key, Value>) => {
    if (batch.isQueued) return;
    batch.isQueued = true;
    if (openBatch === batch) cancelTimer();
    running += 1;
    void send(batch).finally(() => {
      running -= 1;
      if (running === 0 && openBatch) dispatch(openBatch);
    });
  };

  const add = ({ id, key }: BatchKey<Key>, options: RequestOptions): InFlightKey<Key, Value> => {
    if (!openBatch) {
      const { deadlineAt = NO_DEADLINE, isBackground = false, client, flow = {} } = options.priority ?? {};
      const batch: Batch<Key, Value> = {
        inFlight: new Map(),
        controller: new AbortController(),
        priority: { deadlineAt, isBackground, client, flow },
        requestStats: new Set(),
        isQueued: false,
        sentAt: undefined,
        waiters: 0,
      };
      openBatch = batch;
      if (batchSize > 1) {
        timer = running > 0 ? setTimeout(dispatch, BATCH_WINDOW_MS, batch) : setImmediate(dispatch, batch);
      }
    }
    const batch = openBatch;
    const inFlightKey: InFlightKey<Key, Value> = {
      key,
      batch,
      response: Promise.withResolvers(),
      waiters: 0,
    };
    batch.inFlight.set(id, inFlightKey);
    inFlight.set(id, inFlightKey);
    return inFlightKey;
  };

  const join = (inFlightKey: InFlightKey<Key, Value>, { priority, requestStats }: RequestOptions) => {
    const { batch } = inFlightKey;
    inFlightKey.waiters += 1;
    batch.waiters += 1;
    scheduler.join(
      batch.priority,
      priority ?? { deadlineAt: NO_DEADLINE, isBackground: false, flow: batch.priority.flow },
    );
    if (requestStats) for (const callStats of requestStats) batch.requestStats.add(callStats);
  };

  const leave = (id: string, inFlightKey: InFlightKey<Key, Value>) => {
    const { batch } = inFlightKey;
    inFlightKey.waiters -= 1;
    batch.waiters -= 1;
    if (inFlightKey.waiters === 0 && batch.sentAt === undefined) {
      batch.inFlight.delete(id);
      remove(id, inFlightKey);
    }
    if (batch.waiters > 0 || (batch.inFlight.size === 0 && batch.sentAt !== undefined)) return;
    // A request that is being aborted can no longer be joined.
    for (const [otherId, other] of batch.inFlight) remove(otherId, other);
    if (openBatch === batch) {
      cancelTimer();
      openBatch = undefined;
    }
    batch.controller.abort();
  };

  const isTooOld = ({ batch }: InFlightKey<Key, Value>, { notBefore = 0 }: RequestOptions) =>
    batch.sentAt !== undefined && batch.sentAt <= notBefore;

  return {
    load: async (keys, options) => {
      const joined = keys.map((key) => {
        const known = inFlight.get(key.id);
        const inFlightKey = known && !isTooOld(known, options) ? known : add(key, options);
        join(inFlightKey, options);
        if (openBatch && openBatch.inFlight.size >= batchSize) {
          const full = openBatch;
          openBatch = undefined;
          cancelTimer();
          dispatch(full);
        }
        return inFlightKey;
      });
      const [first] = keys;
      if (!first) return [];
      const operation = operationOf(first.key);
      try {
        const responses = Promise.all(joined.map(({ response }) => response.promise));
        return await untilAborted(responses, { subgraph, operation, signal: options.signal });
      } catch (error) {
        const isQueued = joined.some(({ batch }) => batch.isQueued && batch.sentAt === undefined);
        const isLate = isQueued && isUpstreamError(error, 'UPSTREAM_TIMEOUT');
        const { requestStats } = options;
        throw (isLate && scheduler.refuseLate({ operation, batch: undefined, requestStats })) || error;
      } finally {
        for (const [index, inFlightKey] of joined.entries()) leave(keys[index]?.id ?? '', inFlightKey);
      }
    },
    invalidate: (matches) => {
      for (const [id, inFlightKey] of inFlight) {
        if (matches(inFlightKey.key) && inFlightKey.batch.sentAt !== undefined) remove(id, inFlightKey);
      }
    },
  };
};

/** Maximum lead of a monotonic clock over `now`, in milliseconds. Beyond it, the clock is reset to `now`. */
const MAX_LEAD_MS = 1_000;

/**
 * Creates a strictly monotonic clock in milliseconds, which orders a write and a read within the same millisecond. It follows
 * `now` backwards only if `now` is set back: otherwise it would stand still until `now` has caught up.
 */
export const createMonotonicClock = (now: () => number): (() => number) => {
  let last = Number.NEGATIVE_INFINITY;
  return () => {
    const at = now();
    last = last > at + MAX_LEAD_MS ? at : Math.max(at, last + 0.001);
    return last;
  };
};
