import { LRUCache } from 'lru-cache';
import { monotonicNow } from '../../runtime/clock.ts';
import type { Redis, RedisClient } from '../../runtime/redis.ts';
import type { CacheState } from '../../telemetry/state.ts';
import type { Seal } from './seal.ts';

/** An entry of the store. The value is plain data. */
export type StoreEntry = { readonly key: string; readonly value: object; readonly ttlMs: number };

/** An entry that must not be lost. Its value is created when it is written, which may be later than requested. */
export type ReliableEntry = Omit<StoreEntry, 'value'> & { readonly makeValue: () => object };

/** A key-value store for plain data with a time to live. Never fails. */
export type Store = {
  /** The clock of all processes that share the store, in milliseconds. Stored times refer to it. */
  readonly now: () => number;
  /** Returns values in the keys' order; undefined for a missing entry, null for one that cannot be used. */
  readonly getMany: (keys: readonly string[]) => Promise<(object | null | undefined)[]>;
  /** Writes entries, best effort. */
  readonly setMany: (entries: readonly StoreEntry[]) => Promise<void>;
  /** Writes entries that no reader may miss. If the write fails, it is repeated before anything is read from the store. */
  readonly setReliably: (entries: readonly ReliableEntry[]) => Promise<void>;
};

/** Opens the store for one credential, whose seal signs everything that leaves the process. */
export type OpenStore = (seal: Seal) => Store;

/** A store in this process's memory. */
export type MemoryStore = Store & { readonly clear: () => void; readonly state: () => CacheState };

/** Maximum time to live, in milliseconds. */
const MAX_TTL_MS = 366 * 86_400_000;

const toTtl = (ttlMs: number): number => Math.min(MAX_TTL_MS, Math.ceil(ttlMs));

const toEntry = ({ makeValue, ...entry }: ReliableEntry): StoreEntry => ({ ...entry, value: makeValue() });

/** Creates an LRU store in memory, bounded to `maxBytes`. */
export const createMemoryStore = ({ maxBytes }: { maxBytes: number }): MemoryStore => {
  // Entries are shared without copying, since nothing mutates them. Their times to live use a clock that never steps.
  const lru = new LRUCache<string, object>({
    maxSize: maxBytes,
    // The length as text. Memory use is larger, by a factor of about two.
    sizeCalculation: (value, key) => key.length + JSON.stringify(value).length,
  });
  const setMany: Store['setMany'] = async (entries) => {
    for (const { key, value, ttlMs } of entries) if (ttlMs > 0) lru.set(key, value, { ttl: toTtl(ttlMs) });
  };
  return {
    now: monotonicNow,
    getMany: async (keys) => keys.map((key) => lru.get(key)),
    setMany,
    setReliably: (entries) => setMany(entries.map(toEntry)),
    clear: () => lru.clear(),
    state: () => ({ bytes: lru.calculatedSize, limitBytes: maxBytes }),
  };
};

const PREFIX = 'tributary:cache::';

/** Maximum size of an entry, read or written. The largest in practice, a page of 100 payments, has 250 kB. */
const MAX_ENTRY_BYTES = 2 * 1024 * 1024;

/** Maximum number of bytes that one read requests from Redis. */
const MAX_READ_BYTES = 32 * 1024 * 1024;

// Like MGET, but returns a number instead of a value that is too large or not a string. Loops over KEYS because `unpack`
// would limit their number.
const READ = `
local most, room, found = tonumber(ARGV[1]), tonumber(ARGV[2]), {}
for i, key in ipairs(KEYS) do
  local size = redis.pcall('STRLEN', key)
  if type(size) == 'table' and not string.find(size.err, '^WRONGTYPE') then return size end
  if type(size) ~= 'number' or size > most or size > room then found[i] = 0
  else
    room = room - size
    found[i] = redis.call('GET', key)
  end
end
return found`;

/** Maximum number of pending writes. If there are more, all entries in Redis are deleted on reconnect instead. */
const MAX_PENDING_WRITES = 10_000;

/** Keys written or deleted in one command after a reconnect. */
const WRITE_BATCH = 1_000;

/**
 * Creates a store in Redis, shared by all processes that use it, with this process's memory as the fallback while Redis is down.
 *
 * Foreign or forged data in that Redis is a miss: entries are bound to key and credential by a seal, read only up to a maximum
 * size, and expire by Redis's clock, so no process's own clock can expire them early for the others.
 */
export const createRedisStore = (redis: Redis, memory: MemoryStore): OpenStore => {
  type PendingWrite = { readonly ttlMs: number; readonly write: () => string };
  const pendingWrites = new Map<string, PendingWrite>();

  type Text = { readonly key: string; readonly ttlMs: number; readonly text: string };

  const write = async (client: RedisClient, texts: readonly Text[]): Promise<true> => {
    const transaction = client.multi();
    for (const { key, ttlMs, text } of texts) transaction.set(PREFIX + key, text, { PX: toTtl(ttlMs) });
    const replies: readonly unknown[] = await transaction.exec();
    if (!replies.every((reply) => reply === 'OK')) throw new Error('Redis did not acknowledge all writes.');
    return true;
  };

  const clear = async (client: RedisClient) => {
    for await (const keys of client.scanIterator({ MATCH: `${PREFIX}*`, COUNT: WRITE_BATCH })) {
      if (keys.length > 0) await client.unlink(keys);
    }
  };

  redis.onReconnect(async ({ client, isClockSetBack }) => {
    // After the clock was set back, times can no longer be ordered; after too many lost invalidations, no value can be trusted.
    if (isClockSetBack || pendingWrites.size >= MAX_PENDING_WRITES) await clear(client);
    // More writes can become pending meanwhile.
    while (pendingWrites.size > 0) {
      const batch = [...pendingWrites].slice(0, WRITE_BATCH);
      await write(
        client,
        batch.map(([key, { ttlMs, write }]) => ({ key, ttlMs, text: write() })),
      );
      for (const [key, pending] of batch) if (pendingWrites.get(key) === pending) pendingWrites.delete(key);
    }
    memory.clear();
  });

  /** Suspends a Redis that responds but rejects writes (it is full, or a replica) until the pending writes succeed. */
  const suspendWhilePending = () => {
    if (pendingWrites.size > 0 && redis.isUp()) redis.suspend();
  };

  return (seal) => {
    const read = async (keys: readonly string[]): Promise<(object | null | undefined)[] | undefined> => {
      const found = await redis.attempt((client) =>
        client.eval(READ, {
          keys: keys.map((key) => PREFIX + key),
          arguments: [String(MAX_ENTRY_BYTES), String(MAX_READ_BYTES)],
        }),
      );
      if (!Array.isArray(found) || found.length !== keys.length) return undefined;
      return keys.map((key, index) => {
        const text: unknown = found[index];
        if (text === null || text === undefined) return undefined;
        return (typeof text === 'string' && seal.read(key, text)) || null;
      });
    };

    return {
      now: redis.now,
      getMany: async (keys) => (keys.length === 0 ? [] : ((await read(keys)) ?? memory.getMany(keys))),
      setMany: async (entries) => {
        const texts = entries
          .filter(({ ttlMs }) => ttlMs > 0)
          .map(({ key, value, ttlMs }) => ({ key, ttlMs, text: seal.write(key, value) }))
          .filter(({ text }) => Buffer.byteLength(text) <= MAX_ENTRY_BYTES);
        if (texts.length === 0 || (await redis.attempt((client) => write(client, texts)))) return;
        // If Redis is up and only this write failed, a copy in memory would miss the invalidations that go to Redis.
        if (!redis.isUp()) await memory.setMany(entries);
      },
      setReliably: async (entries) => {
        const texts = entries
          .filter(({ ttlMs }) => ttlMs > 0)
          .map(({ key, ttlMs, makeValue }) => ({ key, ttlMs, write: () => seal.write(key, makeValue()) }));
        if (texts.length === 0) return;
        const isWritten = await redis.attempt((client) =>
          write(
            client,
            texts.map(({ key, ttlMs, write }) => ({ key, ttlMs, text: write() })),
          ),
        );
        if (isWritten) return;
        for (const { key, ttlMs, write } of texts) {
          if (pendingWrites.size < MAX_PENDING_WRITES || pendingWrites.has(key))
            pendingWrites.set(key, { ttlMs, write });
        }
        suspendWhilePending();
        // Redis may have reconnected meanwhile and have received all pending writes but these.
        setImmediate(suspendWhilePending);
        await memory.setReliably(entries);
      },
    };
  };
};
