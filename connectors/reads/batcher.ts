import { untilAborted } from '../abort.ts';
import type { CallStats } from '../call-stats.ts';
import { isUpstreamError, type UpstreamError } from '../errors.ts';
import type { Priority, RequestOptions } from '../middleware/chain.ts';
import type { Permit } from '../rate-limits/scheduler.ts';

/** Cuts `items` into lists of at most `size`, in order. */
export const chunksOf = <T>(items: readonly T[], size: number): T[][] => {
  const chunks: T[][] = [];
  for (let start = 0; start < items.length; start += size) chunks.push(items.slice(start, start + size));
  return chunks;
};

/** What one call says of its keys: leaves out what the provider knows nothing of; one key's failure is an Error. */
export type BatchResult<Value> = ReadonlyMap<string, Value | Error>;

/** What the provider says of one key, `null` for nothing, and when it was asked, by `stamp`. */
export type Fetched<Value> = { readonly value: Value | null; readonly fetchedAt: number };

export type BatcherOptions<Value> = {
  readonly upstream: string;
  readonly operation: string;
  /** Keys that one call may carry. */
  readonly maxBatch: number;
  /** One call. */
  readonly fetch: (keys: readonly string[], call: RequestOptions) => Promise<BatchResult<Value>>;
  /** Takes a turn for a call before it is known what it carries: while it waits in line, keys are still gathered. */
  readonly acquirePermit: (call: RequestOptions) => Promise<Permit>;
  /** What to tell whose time is up while the call is in line. */
  readonly rateLimitError: () => UpstreamError | undefined;
  /** Keeps what was said of keys. Until it has, they are not asked again. */
  readonly onResult?: ((fetched: ReadonlyMap<string, Fetched<Value>>) => Promise<void>) | undefined;
  /** How long keys are gathered while another call of this kind is running, in milliseconds. Default 5. */
  readonly batchWindowMs?: number;
  /** A clock that never gives the same moment twice; see `createMonotonicClock`. */
  readonly timestamp: () => number;
};

/** Asks a provider for keys on behalf of all running requests. */
export type Batcher<Value> = {
  /**
   * What the provider says of each key, in their order; an Error where a key failed by itself or with its whole call.
   * Throws UPSTREAM_TIMEOUT or UPSTREAM_CANCELLED when the caller's signal ends before that.
   */
  readonly load: (keys: readonly string[], call: RequestOptions) => Promise<(Fetched<Value> | Error)[]>;
  /** These keys have changed: whoever asks from now on does not join a call that is under way. */
  readonly invalidate: (isMeant: (key: string) => boolean) => void;
};

type InFlightKey<Value> = {
  readonly batch: Batch<Value>;
  readonly response: PromiseWithResolvers<Fetched<Value> | Error>;
  waiters: number;
};

type Batch<Value> = {
  /** Those that have no answer yet. */
  readonly inFlight: Map<string, InFlightKey<Value>>;
  readonly controller: AbortController;
  readonly priority: Priority;
  readonly requestStats: Set<CallStats>;
  /** Whether it waits for its turn. */
  isQueued: boolean;
  /** When it was sent; undefined while keys can still be added. */
  fetchedAt: number | undefined;
  waiters: number;
};

const ENDLESS = Number.POSITIVE_INFINITY;

/**
 * Gathers keys over all running requests into calls as full as the provider allows. A key that is on its way already is
 * not asked again.
 *
 * While nothing of this kind is running a call goes out within the same turn of the event loop; while something is, keys
 * are gathered for `batchWindowMs`, or until a call is full. A call that has to wait for its turn takes on more keys as long as
 * it waits, so the scarcer the turns, the fuller the calls. A caller that leaves takes nobody with it: a call is given up
 * when all who waited for it have left. Keys that a provider refuses only together are asked for in halves, so that
 * one of them cannot spoil the others' answer.
 */
export const createBatcher = <Value>({
  upstream,
  operation,
  maxBatch,
  fetch,
  onResult,
  acquirePermit,
  rateLimitError,
  batchWindowMs = 5,
  timestamp,
}: BatcherOptions<Value>): Batcher<Value> => {
  const inFlight = new Map<string, InFlightKey<Value>>();
  let openBatch: Batch<Value> | undefined;
  let running = 0;
  let timer: NodeJS.Timeout | NodeJS.Immediate | undefined;

  const cancelTimer = () => {
    clearTimeout(timer as NodeJS.Timeout);
    clearImmediate(timer as NodeJS.Immediate);
    timer = undefined;
  };

  const remove = (key: string, inFlightKey: InFlightKey<Value>) => {
    if (inFlight.get(key) === inFlightKey) inFlight.delete(key);
  };

  const settle = (
    batch: Batch<Value>,
    keys: readonly string[],
    response: BatchResult<Value> | Error,
    fetchedAt: number,
  ) => {
    const fetched = new Map<string, Fetched<Value>>();
    const landed: [key: string, inFlightKey: InFlightKey<Value>][] = [];
    for (const key of keys) {
      const inFlightKey = batch.inFlight.get(key);
      if (!inFlightKey) continue;
      landed.push([key, inFlightKey]);
      batch.inFlight.delete(key);
      const value = response instanceof Error ? response : (response.get(key) ?? null);
      if (!(value instanceof Error)) fetched.set(key, { value, fetchedAt });
      inFlightKey.response.resolve(fetched.get(key) ?? (value as Error));
    }
    const dropAll = () => {
      for (const [key, inFlightKey] of landed) remove(key, inFlightKey);
    };
    // Who looked for it in the cache just before it was there finds it here, and does not ask again.
    if (onResult && fetched.size > 0) void onResult(fetched).then(dropAll, dropAll);
    else dropAll();
  };

  const optionsOf = ({ controller, priority, requestStats }: Batch<Value>): RequestOptions => ({
    signal: controller.signal,
    priority,
    requestStats,
  });

  /** Asks in halves what is refused as a whole. `left` bounds how many more calls that may cost. */
  const fetchInHalves = async (
    batch: Batch<Value>,
    keys: readonly string[],
    left: { calls: number },
    permit?: Permit,
  ): Promise<void> => {
    const fetchedAt = timestamp();
    try {
      settle(batch, keys, await fetch(keys, { ...optionsOf(batch), permit }), fetchedAt);
    } catch (cause) {
      if (isUpstreamError(cause, 'UPSTREAM_REJECTED') && keys.length > 1 && left.calls >= 2) {
        left.calls -= 2;
        const halves = chunksOf(keys, Math.ceil(keys.length / 2));
        await Promise.all(halves.map((half) => fetchInHalves(batch, half, left)));
        return;
      }
      settle(batch, keys, cause instanceof Error ? cause : new Error('A call failed.', { cause }), fetchedAt);
    }
  };

  /** No more keys are added to it. */
  const close = (batch: Batch<Value>): readonly string[] => {
    if (openBatch === batch) {
      cancelTimer();
      openBatch = undefined;
    }
    batch.fetchedAt = timestamp();
    return [...batch.inFlight.keys()];
  };

  const send = async (batch: Batch<Value>): Promise<void> => {
    let permit: Permit | undefined;
    try {
      // A call that carries one key has nothing to gather, and may be of another operation.
      if (maxBatch > 1) permit = await acquirePermit(optionsOf(batch));
      const keys = close(batch);
      // Everybody left in the moment that its turn came.
      if (keys.length === 0) return;
      // Enough to find two bad keys in a full batch.
      await fetchInHalves(batch, keys, { calls: 4 * Math.ceil(Math.log2(keys.length + 1)) }, permit);
    } catch (cause) {
      settle(batch, close(batch), cause instanceof Error ? cause : new Error('A call failed.', { cause }), timestamp());
    } finally {
      permit?.end(false);
    }
  };

  const dispatch = (batch: Batch<Value>) => {
    if (batch.isQueued) return;
    batch.isQueued = true;
    if (openBatch === batch) cancelTimer();
    running += 1;
    void send(batch).finally(() => {
      running -= 1;
      if (running === 0 && openBatch) dispatch(openBatch);
    });
  };

  const add = (key: string, call: RequestOptions): InFlightKey<Value> => {
    if (!openBatch) {
      const { deadlineAt = ENDLESS, isBackground = false, flow = {} } = call.priority ?? {};
      const batch: Batch<Value> = {
        inFlight: new Map(),
        controller: new AbortController(),
        priority: { deadlineAt, isBackground, flow },
        requestStats: new Set(),
        isQueued: false,
        fetchedAt: undefined,
        waiters: 0,
      };
      openBatch = batch;
      if (maxBatch > 1) {
        timer = running > 0 ? setTimeout(dispatch, batchWindowMs, batch) : setImmediate(dispatch, batch);
      }
    }
    const batch = openBatch;
    const inFlightKey: InFlightKey<Value> = { batch, response: Promise.withResolvers(), waiters: 0 };
    batch.inFlight.set(key, inFlightKey);
    inFlight.set(key, inFlightKey);
    return inFlightKey;
  };

  const join = (inFlightKey: InFlightKey<Value>, { priority, requestStats }: RequestOptions) => {
    const { batch } = inFlightKey;
    inFlightKey.waiters += 1;
    batch.waiters += 1;
    batch.priority.deadlineAt = Math.max(batch.priority.deadlineAt, priority?.deadlineAt ?? ENDLESS);
    batch.priority.isBackground &&= priority?.isBackground ?? false;
    if (requestStats) for (const callStats of requestStats) batch.requestStats.add(callStats);
  };

  const leave = (key: string, inFlightKey: InFlightKey<Value>) => {
    const { batch } = inFlightKey;
    inFlightKey.waiters -= 1;
    batch.waiters -= 1;
    if (inFlightKey.waiters === 0 && batch.fetchedAt === undefined) {
      batch.inFlight.delete(key);
      remove(key, inFlightKey);
    }
    if (batch.waiters > 0 || (batch.inFlight.size === 0 && batch.fetchedAt !== undefined)) return;
    // Nobody may join what is being given up.
    for (const [left, one] of batch.inFlight) remove(left, one);
    if (openBatch === batch) {
      cancelTimer();
      openBatch = undefined;
    }
    batch.controller.abort();
  };

  const isOldFor = ({ batch }: InFlightKey<Value>, { notBefore = 0 }: RequestOptions) =>
    batch.fetchedAt !== undefined && batch.fetchedAt <= notBefore;

  return {
    load: async (keys, call) => {
      const joined = keys.map((key) => {
        const lookedUp = inFlight.get(key);
        const inFlightKey = lookedUp && !isOldFor(lookedUp, call) ? lookedUp : add(key, call);
        join(inFlightKey, call);
        if (openBatch && openBatch.inFlight.size >= maxBatch) {
          const full = openBatch;
          openBatch = undefined;
          cancelTimer();
          dispatch(full);
        }
        return inFlightKey;
      });
      try {
        const responses = Promise.all(joined.map(({ response }) => response.promise));
        return await untilAborted(responses, { upstream, operation, signal: call.signal });
      } catch (error) {
        const isQueued = joined.some(({ batch }) => batch.isQueued && batch.fetchedAt === undefined);
        throw (isQueued && isUpstreamError(error, 'UPSTREAM_TIMEOUT') && rateLimitError()) || error;
      } finally {
        for (const [index, inFlightKey] of joined.entries()) leave(keys[index] ?? '', inFlightKey);
      }
    },
    invalidate: (isMeant) => {
      for (const [key, inFlightKey] of inFlight) {
        if (isMeant(key) && inFlightKey.batch.fetchedAt !== undefined) remove(key, inFlightKey);
      }
    },
  };
};

/** How far stamps may be ahead of their clock, in milliseconds, before they follow it back. */
const MAX_LEAD_MS = 1_000;

/**
 * A clock whose moments are all different and grow, in milliseconds, so that of a change and a question of the same
 * millisecond it is known which came first. Only where `now` is set back do the moments go back with it: they would
 * otherwise stand still until it has caught up.
 */
export const createMonotonicClock = (now: () => number): (() => number) => {
  let last = Number.NEGATIVE_INFINITY;
  return () => {
    const at = now();
    last = last > at + MAX_LEAD_MS ? at : Math.max(at, last + 0.001);
    return last;
  };
};

/** An answer with one key left out of it that was asked for by itself. */
export const singleResult = <Value>(key: string, value: Value | null): Map<string, Value> =>
  new Map(value === null ? [] : [[key, value]]);
