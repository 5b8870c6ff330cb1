import { setTimeout as pause } from 'node:timers/promises';
import { monotonicNow } from '../../runtime/clock.ts';
import { type CallStats, recordCall } from '../call-stats.ts';
import { OUTAGE_CODES, outageCodeOf } from '../errors.ts';
import type { RequestOptions } from '../middleware/chain.ts';
import type { RequestScheduler } from '../rate-limits/scheduler.ts';
import { type BatchResult, createBatcher, type Fetched } from './batcher.ts';
import type { Cache, CacheLookup, CachePolicy } from './cache.ts';
import type { Tag } from './tag.ts';

/**
 * How one type of object, or one list, is read from a provider by key. `Operation` and `CachePolicyName` are the names of the
 * provider's operations and lifetimes.
 */
export type ReaderDefinition<Value, Operation extends string = string, CachePolicyName extends string = string> = {
  /** Unique among this provider's readers, e.g. `contacts`. */
  readonly type: string;
  /** The name that its lifetime is configured by. */
  readonly cachePolicy: CachePolicyName;
  /** The operation that `ask` calls: for its place under the limits, and for the ledger. */
  readonly operation: Operation;
  /** Keys that one call may carry. Say where the limit comes from. */
  readonly maxBatch: number;
  /** One call. Leaves out what the provider knows nothing of; one key's failure is an Error. Values are plain data. */
  readonly fetch: (keys: readonly string[], call: RequestOptions) => Promise<BatchResult<Value>>;
  /** The tags of a key: a write that invalidates one of them makes the cached value unusable. Default: none. */
  readonly tagsOf?: ((key: string) => readonly Tag[]) | undefined;
  /** Further tags, which depend on the value. They cost a second read of the cache. */
  readonly tagsOfValue?: (value: Value) => readonly Tag[];
};

/**
 * Why a value is stale: it is being refreshed in the background, or the provider could not be asked; then it is the code
 * that the error would have had. A provider that takes longer than a caller waits for is UPSTREAM_TIMEOUT.
 */
export const STALE_REASONS = ['REFRESHING', ...OUTAGE_CODES] as const;
export type StaleReason = (typeof STALE_REASONS)[number];

/** The age of a stale value, in milliseconds, and why it was served. */
export type Staleness = { readonly ageMs: number; readonly reason: StaleReason };

/** What is known of a key: `null` where the provider has nothing. */
export type ReadResult<Value> = { readonly value: Value | null; readonly stale?: Staleness };

/** Reads by key, from the cache or from the provider, on behalf of all running requests. */
export type Reader<Value> = {
  readonly upstream: string;
  /**
   * In the keys' order; an Error where a key failed. Throws UPSTREAM_TIMEOUT or UPSTREAM_CANCELLED when the caller's
   * signal ends first.
   */
  readonly load: (keys: readonly string[], call: RequestOptions) => Promise<(ReadResult<Value> | Error)[]>;
  /** Something with these tags has changed: no call that is under way is joined by who asks from now on. */
  readonly invalidate: (tags: ReadonlySet<Tag>) => void;
};

export type ReaderOptions = {
  readonly upstream: string;
  readonly callStats: CallStats;
  readonly scheduler: RequestScheduler;
  /** Undefined: nothing is kept. */
  readonly cache: Cache | undefined;
  readonly cachePolicy: CachePolicy;
  /** How long a caller waits for the provider where there is something older to answer with, in milliseconds. Default 1,000. */
  readonly staleFallbackAfterMs?: number;
  /** The clock by which the times in the cache are, and the same as moments that all differ. */
  readonly now: () => number;
  readonly timestamp: () => number;
};

/** How long a refresh may stand in line, in milliseconds. Who joins it has to know soon whether it will have its turn. */
const REFRESH_MS = 5_000;

export const createReader = <Value>(
  { type, operation, maxBatch, fetch, tagsOf = () => [], tagsOfValue }: Omit<ReaderDefinition<Value>, 'cachePolicy'>,
  { upstream, callStats, scheduler, cache, cachePolicy, staleFallbackAfterMs = 1_000, timestamp, now }: ReaderOptions,
): Reader<Value> => {
  const { maxAgeMs, staleWhileRevalidateMs, staleIfErrorMs, negativeTtlMs } = cachePolicy;
  const nameOf = (key: string) => `${type} ${key}`;

  const store = async (fetched: ReadonlyMap<string, Fetched<Value>>): Promise<void> => {
    await cache?.set([...fetched].map(([key, one]) => ({ key: nameOf(key), fetched: one, staleIfErrorMs })));
  };

  const batcher = createBatcher<Value>({
    upstream,
    operation,
    maxBatch,
    timestamp,
    acquirePermit: (call) => scheduler.acquire({ ...call, operation }),
    rateLimitError: () => scheduler.rateLimitError(operation),
    ...(cache && staleIfErrorMs > 0 && { onResult: store }),
    fetch: (keys, call) => {
      recordCall({ operation, requestStats: call.requestStats }, callStats, upstream, { keys: keys.length });
      return fetch(keys, call);
    },
  });

  const refresh = (keys: readonly string[]) => {
    const priority = { deadlineAt: monotonicNow() + REFRESH_MS, isBackground: true, flow: {} };
    void batcher.load(keys, { priority }).catch(() => {});
  };

  /** What may be answered with where the provider cannot be asked. */
  const isUsableOnError = (fetched: Fetched<Value>): boolean => ageOf(fetched) <= staleIfErrorMs;

  // Moments of other processes can be ahead of this one's clock by a little.
  const ageOf = ({ fetchedAt }: Fetched<Value>): number => Math.max(0, now() - fetchedAt);

  const asStale = (fetched: Fetched<Value>, reason: StaleReason): ReadResult<Value> => ({
    value: fetched.value,
    stale: { ageMs: Math.round(ageOf(fetched)), reason },
  });

  /** For how much longer it is as good as asking: not at all where nothing is kept, or where it is past its time. */
  const remainingMsOf = (response: Fetched<Value> | ReadResult<Value> | Error | undefined): number => {
    if (!cache || !response || response instanceof Error || !('fetchedAt' in response)) return 0;
    return Math.max(0, (response.value === null ? negativeTtlMs : maxAgeMs) - ageOf(response));
  };

  /** The request's earliest moment in the times that the answers have. */
  const withNotBefore = (call: RequestOptions): RequestOptions =>
    call.notBefore === undefined ? call : { ...call, notBefore: now() - (monotonicNow() - call.notBefore) };

  const loadWithStaleFallback = async (
    keys: readonly string[],
    fallbacks: readonly Fetched<Value>[],
    call: RequestOptions,
  ): Promise<(ReadResult<Value> | Error)[]> => {
    const timer = new AbortController();
    const asked = batcher.load(keys, call);
    try {
      const responses = await Promise.race([
        asked,
        pause(staleFallbackAfterMs, undefined, { signal: timer.signal }).catch(() => undefined),
      ]);
      if (responses) {
        return responses.map((response, index) => {
          const old = fallbacks[index];
          const outage = outageCodeOf(response);
          return outage && old ? asStale(old, outage) : response;
        }) as (ReadResult<Value> | Error)[];
      }
      // The call goes on for the cache's sake, and for whoever has more patience.
      asked.catch(() => {});
      return fallbacks.map((old) => asStale(old, 'UPSTREAM_TIMEOUT'));
    } catch (error) {
      // The caller's own time is up.
      const outage = outageCodeOf(error);
      if (outage) return fallbacks.map((old) => asStale(old, outage));
      throw error;
    } finally {
      timer.abort();
    }
  };

  return {
    upstream,
    // What a value is changed by is not known before it is there, so then none of those under way will do.
    invalidate: (tags) => batcher.invalidate((key) => Boolean(tagsOfValue) || tagsOf(key).some((tag) => tags.has(tag))),
    load: async (keys, given) => {
      const call = withNotBefore(given);
      const found = new Map<string, ReadResult<Value> | Error>();
      const note = (response: Fetched<Value> | ReadResult<Value> | Error | undefined): void => {
        if (call.freshness) call.freshness.leftMs = Math.min(call.freshness.leftMs, remainingMsOf(response));
      };
      const missing: string[] = [];
      const stale: string[] = [];
      const fallbacks = new Map<string, Fetched<Value>>();
      const { fetched: lookedUp, invalidatedAt } = cache
        ? await cache.get<Value>(keys.map(nameOf), (name) => tagsOf(name.slice(type.length + 1)), tagsOfValue)
        : NOTHING_KNOWN;
      // A call that was sent before a write, of this process or another, is not joined.
      const anew = invalidatedAt < (call.notBefore ?? 0) ? call : { ...call, notBefore: invalidatedAt };
      for (const [index, key] of keys.entries()) {
        const fetched = lookedUp[index];
        if (!fetched || fetched.fetchedAt < (call.notBefore ?? 0)) {
          missing.push(key);
          continue;
        }
        const ageMs = ageOf(fetched);
        if (ageMs <= (fetched.value === null ? negativeTtlMs : maxAgeMs)) {
          note(fetched);
          found.set(key, { value: fetched.value });
        } else if (fetched.value !== null && ageMs <= staleWhileRevalidateMs) {
          note(undefined);
          found.set(key, asStale(fetched, 'REFRESHING'));
          stale.push(key);
        } else if (isUsableOnError(fetched)) {
          fallbacks.set(key, fetched);
        } else {
          missing.push(key);
        }
      }
      if (stale.length > 0) refresh(stale);
      const fallbackKeys = [...fallbacks.keys()];
      const [responses, fallbackResults] = await Promise.all([
        missing.length > 0 ? batcher.load(missing, anew) : [],
        fallbackKeys.length > 0 ? loadWithStaleFallback(fallbackKeys, [...fallbacks.values()], anew) : [],
      ]);
      for (const [index, key] of missing.entries()) {
        note(responses[index]);
        found.set(key, toReadResult(responses[index]));
      }
      for (const [index, key] of fallbackKeys.entries()) {
        note(fallbackResults[index]);
        found.set(key, toReadResult(fallbackResults[index]));
      }
      if (cache) {
        const used = [...found.values()].filter((one) => !(one instanceof Error) && one.stale !== undefined).length;
        recordCall({ operation, requestStats: call.requestStats }, callStats, upstream, {
          hits: keys.length - missing.length - fallbackKeys.length - stale.length,
          stale: used,
          misses: missing.length + fallbackKeys.length,
        });
      }
      return keys.map((key) => found.get(key) ?? { value: null });
    },
  };
};

const NOTHING_KNOWN: CacheLookup<never> = { fetched: [], invalidatedAt: 0 };

const toReadResult = <Value>(
  response: Fetched<Value> | ReadResult<Value> | Error | undefined,
): ReadResult<Value> | Error => {
  if (response === undefined || response instanceof Error) return response ?? { value: null };
  return 'fetchedAt' in response ? { value: response.value } : response;
};
