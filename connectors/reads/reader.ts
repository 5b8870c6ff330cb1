import { setTimeout as pause } from 'node:timers/promises';
import { monotonicNow } from '../../runtime/clock.ts';
import type { BatchEvent } from '../../telemetry/events.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { OUTAGE_CODES, outageCodeOf } from '../errors.ts';
import type { RequestOptions } from '../middleware/chain.ts';
import type { RequestScheduler } from '../rate-limits/scheduler.ts';
import { type BatchKey, createBatcher, type Fetched } from './batcher.ts';
import type { Cache, CacheLookup, CachePolicy, Tag } from './cache.ts';
import { toReadTag } from './invalidations.ts';
import { type Read, type ReadKey, serialize } from './read.ts';

/**
 * Reasons for serving a stale value: it is being refreshed in the background, or the code of the provider's failure.
 * UPSTREAM_TIMEOUT also means that the provider took longer than `STALE_FALLBACK_AFTER_MS`.
 */
export const STALE_REASONS = ['REFRESHING', ...OUTAGE_CODES] as const;
export type StaleReason = (typeof STALE_REASONS)[number];

/** The age of a stale value, in milliseconds, and why it was served. */
export type Staleness = { readonly ageMs: number; readonly reason: StaleReason };

/** The value of a key; `null` if the provider has none. */
export type ReadResult<Value> = { readonly value: Value | null; readonly stale?: Staleness };

/** Reads by key from the cache or the provider, batched over all running client requests. */
export type Reader<Key, Value> = {
  readonly subgraph: string;
  /** Identifies a key among this reader's keys. */
  readonly idOf: (key: Key) => string;
  /**
   * Returns the results in the keys' order; an Error for a key that failed. Throws UPSTREAM_TIMEOUT or UPSTREAM_CANCELLED if
   * the caller's signal aborts first.
   */
  readonly load: (keys: readonly Key[], options: RequestOptions) => Promise<(ReadResult<Value> | Error)[]>;
};

/** A reader whose values a write can invalidate. */
export type InvalidatedReader<Key, Value, Scope> = Reader<Key, Value> & {
  /** Detaches requests in flight, so that later callers send a new one, and returns the cache tags to invalidate. */
  readonly invalidate: (scopes: readonly Scope[] | 'all') => readonly Tag[];
};

export type ReaderOptions = {
  /** Unique among this provider's readers. */
  readonly name: string;
  readonly subgraph: string;
  readonly scheduler: RequestScheduler;
  /** Undefined if caching is off. */
  readonly cache: Cache | undefined;
  readonly cachePolicy: CachePolicy;
  /** The cache's clock. */
  readonly now: () => number;
  /** The cache's clock, strictly monotonic. */
  readonly timestamp: () => number;
  readonly telemetry: Telemetry;
};

/** How long a caller waits for the provider before a stale value is served instead, in milliseconds. */
const STALE_FALLBACK_AFTER_MS = 1_000;

/** Deadline of a background refresh, in milliseconds. Short, because callers may join it while it is queued. */
const REFRESH_MS = 5_000;

export const createReader = <Key extends ReadKey, Value, Scope extends ReadKey>(
  { fetch, operationOf, batchSize, cost, scopesOf, scopesOfValue }: Read<Key, Value, Scope>,
  { name, subgraph, scheduler, cache, cachePolicy, timestamp, now, telemetry }: ReaderOptions,
): InvalidatedReader<Key, Value, Scope> => {
  const { maxAgeMs, staleWhileRevalidateMs, staleIfErrorMs, negativeTtlMs } = cachePolicy;
  const cacheKeyOf = (id: string) => `${name} ${id}`;
  const tagOf = (scope: Scope): Tag => `${name} ${serialize(scope)}`;
  const tagsOf = (key: Key): Tag[] => [name, ...scopesOf(key).map(tagOf)];
  const tagsOfValue = scopesOfValue && ((value: Value): Tag[] => scopesOfValue(value).map(tagOf));

  const store = async (fetched: ReadonlyMap<string, Fetched<Value>>): Promise<void> => {
    await cache?.set([...fetched].map(([id, entry]) => ({ key: cacheKeyOf(id), fetched: entry, staleIfErrorMs })));
  };

  const batcher = createBatcher<Key, Value>({
    subgraph,
    operationOf,
    batchSize,
    cost,
    timestamp,
    scheduler,
    ...(cache && staleIfErrorMs > 0 && { onResult: store }),
    fetch: (keys, options) => {
      const operation = operationOf(keys[0] as Key);
      const startedAt = monotonicNow();
      const batch: BatchEvent = { type: 'batch', subgraph, operation, keys: keys.length, batchSize, startedAt };
      telemetry.emit(batch, options.requestStats);
      return fetch(keys, { ...options, batch });
    },
  });

  const refresh = (keys: readonly BatchKey<Key>[]) => {
    const priority = { deadlineAt: monotonicNow() + REFRESH_MS, isBackground: true, flow: {} };
    void batcher.load(keys, { priority }).catch(() => {});
  };

  /** Whether a value may be served if the provider fails. */
  const isUsableOnError = (fetched: Fetched<Value>): boolean => ageOf(fetched) <= staleIfErrorMs;

  // Another process's clock can be slightly ahead of this one's.
  const ageOf = ({ fetchedAt }: Fetched<Value>): number => Math.max(0, now() - fetchedAt);

  const asStale = (fetched: Fetched<Value>, reason: StaleReason): ReadResult<Value> => ({
    value: fetched.value,
    stale: { ageMs: Math.round(ageOf(fetched)), reason },
  });

  /** Returns how much longer a value is fresh, in milliseconds; 0 if caching is off. */
  const remainingMsOf = (response: Fetched<Value> | ReadResult<Value> | Error | undefined): number => {
    if (!cache || !response || response instanceof Error || !('fetchedAt' in response)) return 0;
    return Math.max(0, (response.value === null ? negativeTtlMs : maxAgeMs) - ageOf(response));
  };

  /** Converts `notBefore` to the cache's clock. */
  const withNotBefore = (options: RequestOptions): RequestOptions =>
    options.notBefore === undefined ? options : { ...options, notBefore: now() - (monotonicNow() - options.notBefore) };

  const loadWithStaleFallback = async (
    keys: readonly BatchKey<Key>[],
    fallbacks: readonly Fetched<Value>[],
    options: RequestOptions,
  ): Promise<(ReadResult<Value> | Error)[]> => {
    const timer = new AbortController();
    const request = batcher.load(keys, options);
    try {
      const responses = await Promise.race([
        request,
        pause(STALE_FALLBACK_AFTER_MS, undefined, { signal: timer.signal }).catch(() => undefined),
      ]);
      if (responses) {
        return responses.map((response, index) => {
          const old = fallbacks[index];
          const outage = outageCodeOf(response);
          return outage && old ? asStale(old, outage) : response;
        }) as (ReadResult<Value> | Error)[];
      }
      // The request continues, for the cache and for callers without a stale value.
      request.catch(() => {});
      return fallbacks.map((old) => asStale(old, 'UPSTREAM_TIMEOUT'));
    } catch (error) {
      // The caller's own deadline has passed.
      const outage = outageCodeOf(error);
      if (outage) return fallbacks.map((old) => asStale(old, outage));
      throw error;
    } finally {
      timer.abort();
    }
  };

  return {
    subgraph,
    idOf: serialize,
    invalidate: (scopes) => {
      const tags = scopes === 'all' ? [name] : scopes.map(tagOf);
      const changed = new Set(tags);
      // Scopes that depend on the value are unknown before it is fetched, so nothing in flight may be joined.
      batcher.invalidate((key) => Boolean(tagsOfValue) || tagsOf(key).some((tag) => changed.has(tag)));
      return tags;
    },
    load: async (keys, requestOptions) => {
      const options = withNotBefore(requestOptions);
      const entries = keys.map((key) => ({ id: serialize(key), key }));
      const results = new Map<string, ReadResult<Value> | Error>();
      const noteFreshness = (response: Fetched<Value> | ReadResult<Value> | Error | undefined): void => {
        if (options.freshness) options.freshness.leftMs = Math.min(options.freshness.leftMs, remainingMsOf(response));
      };
      const missing: BatchKey<Key>[] = [];
      const stale: BatchKey<Key>[] = [];
      const fallbacks: { readonly entry: BatchKey<Key>; readonly fetched: Fetched<Value> }[] = [];
      const { fetched: lookedUp, invalidatedAt } = cache
        ? await cache.get<Value>(
            entries.map(({ id, key }) => ({ key: cacheKeyOf(id), tags: tagsOf(key) })),
            tagsOfValue,
          )
        : NOTHING_CACHED;
      // A request that was sent before a write, in this process or another, is not joined.
      const afterWrites = invalidatedAt < (options.notBefore ?? 0) ? options : { ...options, notBefore: invalidatedAt };
      for (const [index, entry] of entries.entries()) {
        const fetched = lookedUp[index];
        if (!fetched || fetched.fetchedAt < (options.notBefore ?? 0)) {
          missing.push(entry);
          continue;
        }
        const ageMs = ageOf(fetched);
        if (ageMs <= (fetched.value === null ? negativeTtlMs : maxAgeMs)) {
          noteFreshness(fetched);
          results.set(entry.id, { value: fetched.value });
        } else if (fetched.value !== null && ageMs <= staleWhileRevalidateMs) {
          noteFreshness(undefined);
          results.set(entry.id, asStale(fetched, 'REFRESHING'));
          stale.push(entry);
        } else if (isUsableOnError(fetched)) {
          fallbacks.push({ entry, fetched });
        } else {
          missing.push(entry);
        }
      }
      if (stale.length > 0) refresh(stale);
      const fallbackEntries = fallbacks.map(({ entry }) => entry);
      const fallbackValues = fallbacks.map(({ fetched }) => fetched);
      const [responses, fallbackResults] = await Promise.all([
        missing.length > 0 ? batcher.load(missing, afterWrites) : [],
        fallbacks.length > 0 ? loadWithStaleFallback(fallbackEntries, fallbackValues, afterWrites) : [],
      ]);
      for (const [fetchedEntries, values] of [
        [missing, responses],
        [fallbackEntries, fallbackResults],
      ] as const) {
        for (const [index, { id }] of fetchedEntries.entries()) {
          noteFreshness(values[index]);
          results.set(id, toReadResult(values[index]));
        }
      }
      if (cache) {
        const misses = missing.length + fallbacks.length;
        let served = 0;
        let oldestMs = 0;
        for (const result of results.values()) {
          if (result instanceof Error || !result.stale) continue;
          served += 1;
          oldestMs = Math.max(oldestMs, result.stale.ageMs);
        }
        const hits = keys.length - misses - stale.length;
        const [first] = keys;
        if (first !== undefined) {
          telemetry.emit(
            { type: 'cache.read', subgraph, operation: operationOf(first), hits, stale: served, misses, oldestMs },
            options.requestStats,
          );
        }
      }
      options.onRead?.(
        entries.flatMap(({ id, key }) => {
          const result = results.get(id);
          const value = result instanceof Error ? undefined : result?.value;
          const tags = value ? [...tagsOf(key), ...(tagsOfValue?.(value) ?? [])] : tagsOf(key);
          return tags.map((tag) => toReadTag(subgraph, tag));
        }),
      );
      return entries.map(({ id }) => results.get(id) ?? { value: null });
    },
  };
};

const NOTHING_CACHED: CacheLookup<never> = { fetched: [], invalidatedAt: 0 };

const toReadResult = <Value>(
  response: Fetched<Value> | ReadResult<Value> | Error | undefined,
): ReadResult<Value> | Error => {
  if (response === undefined || response instanceof Error) return response ?? { value: null };
  return 'fetchedAt' in response ? { value: response.value } : response;
};
