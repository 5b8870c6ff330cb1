import { createHash } from 'node:crypto';
import product from '../package.json' with { type: 'json' };
import type { Told } from './batch.ts';
import type { Store } from './store.ts';

/** For how long what a provider has said is used. Ages since it was asked, in milliseconds. */
export type Lifetime = {
  /** Up to this age it is as good as asking. */
  readonly freshMs: number;
  /** Up to this age it is used while the provider is asked anew in the background. */
  readonly refreshMs: number;
  /** Up to this age it is used where the provider cannot be asked or takes long. */
  readonly keepMs: number;
  /** Up to this age it is believed without asking that the provider has nothing of that key. */
  readonly absentMs: number;
};

/** What was said of one thing, and what it is changed by. */
export type CacheItem<Value> = {
  readonly key: string;
  readonly told: Told<Value>;
  readonly keepMs: number;
};

/**
 * Keeps what one account's provider has said.
 *
 * Nothing is ever deleted. A write leaves a mark with its time instead, under a tag, and what was asked before the mark is
 * no longer taken: also not where an answer from before the write arrives after it, in this process or in another.
 */
export type Cache = {
  /** What is known of each key, in their order. `tagsOf` says what a key is changed by. */
  readonly get: <Value>(
    keys: readonly string[],
    tagsOf: (key: string) => readonly string[],
    tagsOfValue?: ((value: Value) => readonly string[]) | undefined,
  ) => Promise<(Told<Value> | undefined)[]>;
  readonly set: (items: readonly CacheItem<unknown>[]) => Promise<void>;
  readonly mark: (tags: readonly string[]) => Promise<void>;
};

export type CacheOptions = {
  readonly store: Store;
  /** Whose data they are: provider and account. Nothing is shared across this. */
  readonly owner: string;
  /** The longest that anything is kept, in milliseconds: a mark has to outlive all that it forbids. */
  readonly maxKeepMs: number;
  readonly stamp: () => number;
};

type Mark = { readonly at: number };

// Another version may read the providers' answers into another shape. Marks are for all of them.
const VALUE = `value ${product.version}`;

/** Keys are stored in full up to this length, and beyond it as a digest. */
const MAX_KEY = 200;

export const createCache = ({ store, owner, maxKeepMs, stamp }: CacheOptions): Cache => {
  const named = (kind: string, name: string) =>
    `${owner}:${kind}:${name.length > MAX_KEY ? createHash('sha256').update(name).digest('base64url') : name}`;

  const readMarks = async (tags: ReadonlySet<string>): Promise<Map<string, number>> => {
    const list = [...tags];
    const marks = (await store.getMany(list.map((tag) => named('mark', tag)))) as (Mark | undefined)[];
    return new Map(list.map((tag, index) => [tag, marks[index]?.at ?? 0]));
  };

  return {
    get: async <Value>(
      keys: readonly string[],
      tagsOf: (key: string) => readonly string[],
      tagsOfValue?: (value: Value) => readonly string[],
    ) => {
      const tags = [...new Set(keys.flatMap(tagsOf))];
      // The marks come after what they are about: where memory is short, the store drops what was read first.
      const found = await store.getMany([
        ...keys.map((key) => named(VALUE, key)),
        ...tags.map((tag) => named('mark', tag)),
      ]);
      const told = found.slice(0, keys.length) as (Told<Value> | undefined)[];
      const marks = new Map(tags.map((tag, index) => [tag, (found[keys.length + index] as Mark | undefined)?.at ?? 0]));
      const ownTags = (one: Told<Value> | undefined) =>
        one && one.value !== null && tagsOfValue ? tagsOfValue(one.value) : [];
      const more = new Set(told.flatMap(ownTags));
      if (more.size > 0) for (const [tag, at] of await readMarks(more)) marks.set(tag, at);
      return told.map((one, index) => {
        if (!one) return undefined;
        const isChanged = [...tagsOf(keys[index] ?? ''), ...ownTags(one)].some(
          (tag) => (marks.get(tag) ?? 0) >= one.askedAt,
        );
        return isChanged ? undefined : one;
      });
    },
    set: (items) =>
      store.setMany(items.map(({ key, told, keepMs }) => ({ key: named(VALUE, key), value: told, ttlMs: keepMs }))),
    mark: (tags) => {
      const at = stamp();
      return store.setSurely(
        tags.map((tag) => ({ key: named('mark', tag), value: { at } satisfies Mark, ttlMs: maxKeepMs })),
      );
    },
  };
};
