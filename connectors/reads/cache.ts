import { createHash } from 'node:crypto';
import { z } from 'zod';
import product from '../../package.json' with { type: 'json' };
import type { Fetched } from './batcher.ts';
import type { Store } from './store.ts';

/** How long a value is used, by its age since the request was sent, in milliseconds. See RFC 9111 and RFC 5861. */
export type CachePolicy = {
  /** Up to this age a value is fresh. */
  readonly maxAgeMs: number;
  /** Up to this age a value is served while it is refreshed in the background. */
  readonly staleWhileRevalidateMs: number;
  /** Up to this age a value is served if the provider fails or takes too long. */
  readonly staleIfErrorMs: number;
  /** Up to this age a key that the provider does not know is served as missing. */
  readonly negativeTtlMs: number;
};

/** The name of an object or list that a write can change. */
export type Tag = string;

/** A value's key and the tags that invalidate it. */
export type CacheKey = { readonly key: string; readonly tags: readonly Tag[] };

/** A fetched value to store, and how long it may be used. */
export type CacheItem<Value> = {
  readonly key: string;
  readonly fetched: Fetched<Value>;
  readonly staleIfErrorMs: number;
};

/**
 * Caches the values read with one credential.
 *
 * Nothing is ever deleted. Instead, an invalidation is stored under a tag with its time, and values fetched before it are no
 * longer used. That holds even if a response from before a write arrives after it, in this process or in another.
 */
export type Cache = {
  /** Returns the values in the keys' order; undefined for those invalidated since they were fetched. */
  readonly get: <Value>(
    keys: readonly CacheKey[],
    tagsOfValue?: ((value: Value) => readonly Tag[]) | undefined,
  ) => Promise<CacheLookup<Value>>;
  readonly set: (items: readonly CacheItem<unknown>[]) => Promise<void>;
  readonly invalidate: (tags: readonly Tag[]) => Promise<void>;
};

export type CacheLookup<Value> = {
  readonly fetched: readonly (Fetched<Value> | undefined)[];
  /** The time of the latest invalidation of any of these keys' tags, by the store's clock; 0 without one. */
  readonly invalidatedAt: number;
};

export type CacheOptions = {
  readonly store: Store;
  /** The provider and credential that the data belong to. Nothing is shared between owners. */
  readonly owner: string;
  /** The longest lifetime of any value, in milliseconds: an invalidation must outlive the values it invalidates. */
  readonly longestTtlMs: number;
  /** The store's clock, strictly monotonic. */
  readonly timestamp: () => number;
};

// The seal proves who wrote an entry; these schemas check its shape.
const Invalidation = z.object({ at: z.number() });
type Invalidation = z.output<typeof Invalidation>;
const CachedValue = z.object({ value: z.unknown(), fetchedAt: z.number() });

/** Maximum lead of another process's clock over this one's, in milliseconds. A time beyond it is treated as invalid. */
const MAX_AHEAD_MS = 1_000;

// Values are separate for each version, which may parse responses into another shape. Invalidations apply to all versions.
const VALUE = `value ${product.version}`;

/** Maximum length of a stored key. Longer keys are stored as a digest. */
const MAX_KEY = 200;

export const createCache = ({ store, owner, longestTtlMs, timestamp }: CacheOptions): Cache => {
  const keyFor = (kind: string, name: string) =>
    `${owner}:${kind}:${name.length > MAX_KEY ? createHash('sha256').update(name).digest('base64url') : name}`;

  const isAhead = (at: number): boolean => at > store.now() + MAX_AHEAD_MS;

  const invalidate = (tags: readonly Tag[]): Promise<void> =>
    store.setReliably(
      tags.map((tag) => ({
        key: keyFor('mark', tag),
        makeValue: () => ({ at: timestamp() }) satisfies Invalidation,
        ttlMs: longestTtlMs,
      })),
    );

  const toFetched = <Value>(found: object | null | undefined): Fetched<Value> | undefined => {
    if (!found) return undefined;
    const parsed = CachedValue.safeParse(found);
    // A time in the future is from before a clock was set back, so the value's age is unknown.
    return parsed.success && !isAhead(parsed.data.fetchedAt) ? (found as Fetched<Value>) : undefined;
  };

  /**
   * Returns the time of each tag's latest invalidation. One that cannot be read, or lies in the future, invalidates all current
   * values. It is replaced by a valid one; otherwise nothing could ever be cached under that tag again.
   */
  const toInvalidations = (tags: readonly Tag[], found: readonly (object | null | undefined)[]): Map<Tag, number> => {
    const broken: Tag[] = [];
    const invalidations = new Map(
      tags.map((tag, index) => {
        const entry = found[index];
        if (entry === undefined) return [tag, Number.NEGATIVE_INFINITY];
        const read = Invalidation.safeParse(entry);
        if (read.success && !isAhead(read.data.at)) return [tag, read.data.at];
        broken.push(tag);
        return [tag, Number.POSITIVE_INFINITY];
      }),
    );
    if (broken.length > 0) void invalidate(broken);
    return invalidations;
  };

  return {
    get: async <Value>(keys: readonly CacheKey[], tagsOfValue?: (value: Value) => readonly Tag[]) => {
      const tags = [...new Set(keys.flatMap(({ tags }) => tags))];
      const keysOf = (some: readonly Tag[]) => some.map((tag) => keyFor('mark', tag));
      // Invalidations are read after their values: if memory is short, the store evicts what was read first.
      const found = await store.getMany([...keys.map(({ key }) => keyFor(VALUE, key)), ...keysOf(tags)]);
      const fetched = found.slice(0, keys.length).map((entry) => toFetched<Value>(entry));
      const invalidations = toInvalidations(tags, found.slice(keys.length));
      const valueTags = (entry: Fetched<Value> | undefined) =>
        entry && entry.value !== null && tagsOfValue ? tagsOfValue(entry.value) : [];
      const more = [...new Set(fetched.flatMap(valueTags))];
      if (more.length > 0) {
        for (const [tag, at] of toInvalidations(more, await store.getMany(keysOf(more)))) invalidations.set(tag, at);
      }
      let invalidatedAt = 0;
      for (const at of invalidations.values()) if (Number.isFinite(at) && at > invalidatedAt) invalidatedAt = at;
      const usable = fetched.map((entry, index) => {
        if (!entry) return undefined;
        const isInvalidated = [...(keys[index]?.tags ?? []), ...valueTags(entry)].some((tag) => {
          const at = invalidations.get(tag);
          return at !== undefined && at >= entry.fetchedAt;
        });
        return isInvalidated ? undefined : entry;
      });
      return { fetched: usable, invalidatedAt };
    },
    set: (items) =>
      store.setMany(
        items
          // Drop values whose time lies in the future: the clock was set back during the request.
          .filter(({ fetched }) => !isAhead(fetched.fetchedAt))
          .map(({ key, fetched, staleIfErrorMs }) => ({
            key: keyFor(VALUE, key),
            value: fetched,
            ttlMs: staleIfErrorMs,
          })),
      ),
    invalidate,
  };
};
