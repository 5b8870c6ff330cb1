import { LRUCache } from 'lru-cache';
import { monotonicNow } from '../../runtime/clock.ts';
import type { Redis, RedisClient } from '../../runtime/redis.ts';
import type { Seal } from './seal.ts';

/** What is kept: plain data. */
export type StoreEntry = { readonly key: string; readonly value: object; readonly ttlMs: number };

/** What is kept and must not get lost. The value is made when it is written, which may be later than it should be. */
export type ReliableEntry = Omit<StoreEntry, 'value'> & { readonly makeValue: () => object };

/** Keeps plain data by key for a while. Never fails. */
export type Store = {
  /** The clock of all who share the store, in milliseconds; the times in what is kept are by it. */
  readonly now: () => number;
  /** In the keys' order: undefined where there is nothing, null where there is something that cannot be used. */
  readonly getMany: (keys: readonly string[]) => Promise<(object | null | undefined)[]>;
  /** Writes what may get lost. */
  readonly setMany: (entries: readonly StoreEntry[]) => Promise<void>;
  /** Writes what no reader may miss: as soon as it can, and before anybody reads again. */
  readonly setReliably: (entries: readonly ReliableEntry[]) => Promise<void>;
};

/** Opens the store for one account, whose seal is on all that leaves the process. */
export type OpenStore = (seal: Seal) => Store;

/** What is kept in this process alone. */
export type MemoryStore = Store & { readonly clear: () => void };

/** The longest that anything is kept, in milliseconds. */
const MAX_TTL_MS = 366 * 86_400_000;

const toTtl = (ttlMs: number): number => Math.min(MAX_TTL_MS, Math.ceil(ttlMs));

const made = ({ makeValue, ...entry }: ReliableEntry): StoreEntry => ({ ...entry, value: makeValue() });

/** Keeps data in this process, at most `maxBytes` of it: what was not used for longest goes first. */
export const createMemoryStore = ({
  maxBytes,
  now = monotonicNow,
}: {
  maxBytes: number;
  now?: () => number;
}): MemoryStore => {
  // The entries are shared as they are; nobody changes them. Their times to live go by a clock that never steps.
  const lru = new LRUCache<string, object>({
    maxSize: maxBytes,
    // Its length as text. In memory it is larger, by a factor of about two.
    sizeCalculation: (value, key) => key.length + JSON.stringify(value).length,
  });
  const setMany: Store['setMany'] = async (entries) => {
    for (const { key, value, ttlMs } of entries) if (ttlMs > 0) lru.set(key, value, { ttl: toTtl(ttlMs) });
  };
  return {
    now,
    getMany: async (keys) => keys.map((key) => lru.get(key)),
    setMany,
    setReliably: (entries) => setMany(entries.map(made)),
    clear: () => lru.clear(),
  };
};

const PREFIX = 'tributary:cache::';

/** An entry with more bytes is neither written nor read. The largest there is, a page of 100 payments, has 250 kB. */
const MAX_ENTRY_BYTES = 2 * 1024 * 1024;

/** Redis is asked for so many bytes at once, whatever the keys hold. */
const MAX_READ_BYTES = 32 * 1024 * 1024;

// Like MGET, but for what is too large or no text: a number, and not the value. KEYS are not bounded by `unpack` here.
const READ = `
local most, room, found = tonumber(ARGV[1]), tonumber(ARGV[2]), {}
for i, key in ipairs(KEYS) do
  local size = redis.pcall('STRLEN', key)
  if type(size) ~= 'number' or size > most or size > room then found[i] = 0
  else
    room = room - size
    found[i] = redis.call('GET', key)
  end
end
return found`;

/** What Redis still has to be told is kept up to this number; with more of it everything in there is dropped. */
const MAX_PENDING_WRITES = 10_000;

/** Keys that are written or deleted at once when Redis is there again. */
const WRITE_BATCH = 1_000;

/**
 * Keeps data in a Redis, for all who use it, and in this process while Redis is away.
 *
 * Whatever else stands in that Redis is no more than a miss: entries are bound to key and account by a seal, read up to a
 * size, and expire by Redis's clock, which no process's own clock can end early for the others.
 */
export const createRedisStore = (redis: Redis, memory: MemoryStore): OpenStore => {
  type PendingWrite = { readonly ttlMs: number; readonly write: () => string };
  const pendingWrites = new Map<string, PendingWrite>();

  type Text = { readonly key: string; readonly ttlMs: number; readonly text: string };

  const write = async (client: RedisClient, texts: readonly Text[]): Promise<true> => {
    const transaction = client.multi();
    for (const { key, ttlMs, text } of texts) transaction.set(PREFIX + key, text, { PX: toTtl(ttlMs) });
    const replies: readonly unknown[] = await transaction.exec();
    if (!replies.every((reply) => reply === 'OK')) throw new Error('Redis has not kept what it was told.');
    return true;
  };

  const clear = async (client: RedisClient) => {
    for await (const keys of client.scanIterator({ MATCH: `${PREFIX}*`, COUNT: WRITE_BATCH })) {
      if (keys.length > 0) await client.unlink(keys);
    }
  };

  redis.onReconnect(async ({ client, isClockSetBack }) => {
    // Of two times it is no longer known which came first, and with too many changes missing nothing is known at all.
    if (isClockSetBack || pendingWrites.size >= MAX_PENDING_WRITES) await clear(client);
    // More of it can come while it is written.
    while (pendingWrites.size > 0) {
      const batch = [...pendingWrites].slice(0, WRITE_BATCH);
      await write(
        client,
        batch.map(([key, one]) => ({ key, ttlMs: one.ttlMs, text: one.write() })),
      );
      for (const [key, one] of batch) if (pendingWrites.get(key) === one) pendingWrites.delete(key);
    }
    memory.clear();
  });

  /** A Redis that answers and has not taken a change (it is full, or a replica) must not be read from before it does. */
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
        // Where Redis is there and only this failed, what is kept here would outlive the changes that it is told of.
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
            texts.map((one) => ({ ...one, text: one.write() })),
          ),
        );
        if (isWritten) return;
        for (const { key, ttlMs, write } of texts) {
          if (pendingWrites.size < MAX_PENDING_WRITES || pendingWrites.has(key))
            pendingWrites.set(key, { ttlMs, write });
        }
        suspendWhilePending();
        // Redis may be there again by now, and have been told all but this.
        setImmediate(suspendWhilePending);
        await memory.setReliably(entries);
      },
    };
  };
};
