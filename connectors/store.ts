import KeyvRedis from '@keyv/redis';
import { Keyv } from 'keyv';
import { LRUCache } from 'lru-cache';
import type { Redis } from '../runtime/redis.ts';

/** What is kept: plain data. */
export type StoreEntry = { readonly key: string; readonly value: object; readonly ttlMs: number };

/** Keeps plain data by key for a while. Never fails: what cannot be read is undefined. */
export type Store = {
  /** In the keys' order. */
  readonly getMany: (keys: readonly string[]) => Promise<(object | undefined)[]>;
  /** Writes what may get lost. */
  readonly setMany: (entries: readonly StoreEntry[]) => Promise<void>;
  /** Writes what no reader may miss: as soon as it can, and before anybody reads again. */
  readonly setSurely: (entries: readonly StoreEntry[]) => Promise<void>;
};

/** Keeps data in this process, at most `maxBytes` of it: what was not used for longest goes first. */
export const createMemoryStore = ({ maxBytes }: { maxBytes: number }): Store & { readonly clear: () => void } => {
  const lru = new LRUCache<string, { readonly value: object }>({
    maxSize: maxBytes,
    // Its length as text. In memory it is larger, by a factor of about two.
    sizeCalculation: ({ value }, key) => key.length + JSON.stringify(value).length,
  });
  const adapter = {
    get: (key: string) => lru.get(key),
    getMany: async (keys: readonly string[]) => keys.map((key) => lru.get(key)),
    // Keyv's third argument is a time to live, lru-cache's an object of options.
    set: (key: string, entry: { value: object }) => {
      lru.set(key, entry);
    },
    delete: (key: string) => lru.delete(key),
    clear: () => lru.clear(),
  };
  const keyv = new Keyv<object>({ store: adapter, useKeyPrefix: false, throwOnErrors: true });
  // The entries are shared as they are; nobody changes them.
  keyv.serialize = undefined;
  keyv.deserialize = undefined;
  const setMany: Store['setMany'] = async (entries) => {
    await keyv.setMany(entries.map(({ key, value, ttlMs }) => ({ key, value, ttl: ttlMs })));
  };
  return {
    getMany: (keys) => keyv.getMany([...keys]),
    setMany,
    setSurely: setMany,
    clear: () => lru.clear(),
  };
};

/** What Redis still has to be told is kept up to this number; with more of it everything in there is dropped. */
const MAX_OWED = 10_000;

/** Keeps data in a Redis, for all who use it, and in this process while Redis is away. */
export const createRedisStore = (redis: Redis, memory: ReturnType<typeof createMemoryStore>): Store => {
  const adapter = new KeyvRedis<object>(redis.client, { throwOnErrors: true });
  const keyv = new Keyv<object>({
    store: adapter,
    namespace: 'tributary:cache',
    useKeyPrefix: false,
    throwOnErrors: true,
  });
  // Without a listener an error event ends the process.
  keyv.on('error', () => {});
  const owed = new Map<string, StoreEntry>();
  const write = async (entries: readonly StoreEntry[]) => {
    await keyv.setMany(entries.map(({ key, value, ttlMs }) => ({ key, value, ttl: ttlMs })));
    return true;
  };

  redis.onReturn(async () => {
    if (owed.size >= MAX_OWED) await adapter.clear();
    else if (owed.size > 0) await write([...owed.values()]);
    owed.clear();
    memory.clear();
  });

  const setMany: Store['setMany'] = async (entries) => {
    if (!(await redis.attempt(() => write(entries)))) await memory.setMany(entries);
  };

  return {
    getMany: async (keys) => (await redis.attempt(() => keyv.getMany([...keys]))) ?? memory.getMany(keys),
    setMany,
    setSurely: async (entries) => {
      if (await redis.attempt(() => write(entries))) return;
      for (const entry of entries) owed.set(entry.key, entry);
      await memory.setMany(entries);
    },
  };
};
