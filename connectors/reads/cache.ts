import { createHash } from 'node:crypto';
import { z } from 'zod';
import product from '../../package.json' with { type: 'json' };
import type { Fetched } from './batcher.ts';
import type { Store } from './store.ts';

/** How long a provider's answer is used, by its age since the request was sent, in milliseconds. See RFC 9111 and RFC 5861. */
export type CachePolicy = {
  /** Up to this age a value is fresh. */
  readonly maxAgeMs: number;
  /** Up to this age a value is used while it is refreshed in the background. */
  readonly staleWhileRevalidateMs: number;
  /** Up to this age a value is used where the provider fails or takes too long. */
  readonly staleIfErrorMs: number;
  /** Up to this age the provider is believed to have nothing under a key. */
  readonly negativeTtlMs: number;
};

/** The name of something that a write can change. */
export type Tag = string;

/** A value's key, and the tags that a write invalidates it by. */
export type CacheKey = { readonly key: string; readonly tags: readonly Tag[] };

/** A fetched value to be stored, and for how long it may be of use. */
export type CacheItem<Value> = {
  readonly key: string;
  readonly fetched: Fetched<Value>;
  readonly staleIfErrorMs: number;
};

/**
 * Stores what one credential's provider has answered.
 *
 * Nothing is ever deleted. An invalidation is stored with its time instead, under a tag, and values fetched before it are no
 * longer used: also where an answer from before a write arrives after it, in this process or in another.
 */
export type Cache = {
  /** Reads values in the keys' order, leaving out those that were invalidated since they were fetched. */
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
  /** Whose data they are: provider and account. Nothing is shared across this. */
  readonly owner: string;
  /** The longest that anything is kept, in milliseconds: a mark has to outlive all that it forbids. */
  readonly longestTtlMs: number;
  /** The store's clock, as moments that all differ. */
  readonly timestamp: () => number;
};

// The seal says who wrote it; these, that it is what is written today.
const Invalidation = z.object({ at: z.number() });
type Invalidation = z.output<typeof Invalidation>;
const CachedValue = z.object({ value: z.unknown(), fetchedAt: z.number() });

/** How far a moment of another process may be ahead of this one's clock, in milliseconds; further, it is no moment. */
const MAX_AHEAD_MS = 1_000;

// Another version may read the providers' answers into another shape. Marks are for all of them.
const VALUE = `value ${product.version}`;

/** Keys are stored in full up to this length, and beyond it as a digest. */
const MAX_KEY = 200;

export const createCache = ({ store, owner, longestTtlMs, timestamp }: CacheOptions): Cache => {
  const named = (kind: string, name: string) =>
    `${owner}:${kind}:${name.length > MAX_KEY ? createHash('sha256').update(name).digest('base64url') : name}`;

  const isAhead = (at: number): boolean => at > store.now() + MAX_AHEAD_MS;

  const invalidate = (tags: readonly Tag[]): Promise<void> =>
    store.setReliably(
      tags.map((tag) => ({
        key: named('mark', tag),
        makeValue: () => ({ at: timestamp() }) satisfies Invalidation,
        ttlMs: longestTtlMs,
      })),
    );

  const toFetched = <Value>(found: object | null | undefined): Fetched<Value> | undefined => {
    if (!found) return undefined;
    const fallbacks = CachedValue.safeParse(found);
    // One of the future is from before a clock was set back, and its age is not known.
    return fallbacks.success && !isAhead(fallbacks.data.fetchedAt) ? (found as Fetched<Value>) : undefined;
  };

  /**
   * Up to when something under each tag may have changed. A mark that cannot be read, or is of the future, forbids all that
   * there is now; it is replaced by one that says so, or nothing would ever be kept again.
   */
  const toInvalidations = (tags: readonly Tag[], found: readonly (object | null | undefined)[]): Map<Tag, number> => {
    const broken: Tag[] = [];
    const invalidations = new Map(
      tags.map((tag, index) => {
        const one = found[index];
        if (one === undefined) return [tag, Number.NEGATIVE_INFINITY];
        const read = Invalidation.safeParse(one);
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
      const tags = [...new Set(keys.flatMap((one) => one.tags))];
      const namesOf = (some: readonly Tag[]) => some.map((tag) => named('mark', tag));
      // Invalidations are read after what they are about: where memory is short, the store drops what was read first.
      const found = await store.getMany([...keys.map(({ key }) => named(VALUE, key)), ...namesOf(tags)]);
      const fetched = found.slice(0, keys.length).map((one) => toFetched<Value>(one));
      const invalidations = toInvalidations(tags, found.slice(keys.length));
      const valueTags = (one: Fetched<Value> | undefined) =>
        one && one.value !== null && tagsOfValue ? tagsOfValue(one.value) : [];
      const more = [...new Set(fetched.flatMap(valueTags))];
      if (more.length > 0) {
        for (const [tag, at] of toInvalidations(more, await store.getMany(namesOf(more)))) invalidations.set(tag, at);
      }
      let invalidatedAt = 0;
      for (const at of invalidations.values()) if (Number.isFinite(at) && at > invalidatedAt) invalidatedAt = at;
      const usable = fetched.map((one, index) => {
        if (!one) return undefined;
        const isInvalidated = [...(keys[index]?.tags ?? []), ...valueTags(one)].some((tag) => {
          const at = invalidations.get(tag);
          return at !== undefined && at >= one.fetchedAt;
        });
        return isInvalidated ? undefined : one;
      });
      return { fetched: usable, invalidatedAt };
    },
    set: (items) =>
      store.setMany(
        items
          // The clock has been set back while it was asked for.
          .filter(({ fetched }) => !isAhead(fetched.fetchedAt))
          .map(({ key, fetched, staleIfErrorMs }) => ({
            key: named(VALUE, key),
            value: fetched,
            ttlMs: staleIfErrorMs,
          })),
      ),
    invalidate,
  };
};
