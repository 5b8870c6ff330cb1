import { LRUCache } from 'lru-cache';
import { monotonicNow } from '../../runtime/clock.ts';
import type { Redis, RedisClient } from '../../runtime/redis.ts';
import { type ApiKey, type ApiKeyReader, ApiKeyRecord, type ApiKeyRegistry, toApiKey } from './api-key.ts';
import { AuthenticationUnavailableError } from './unavailable.ts';

/*
 * API keys in Redis, for replicas without a common file. They are fields of one hash that does not expire, by their IDs.
 */

const HASH = 'tributary:api-keys';

const parse = (text: string): ApiKeyRecord | undefined => {
  try {
    return ApiKeyRecord.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
};

/** Time for which a key is not read again, in milliseconds. */
const READ_EVERY_MS = 500;
const MAX_CACHED = 10_000;

type Cached = { readonly readAt: number; readonly found: Promise<ApiKey | undefined> };

/** Reads API keys from Redis. */
export const createApiKeyRedisReader = (redis: Redis): ApiKeyReader => {
  const cache = new LRUCache<string, Cached>({ max: MAX_CACHED });

  const read = async (id: string): Promise<ApiKey | undefined> => {
    const text = await redis.attempt((client) => client.hGet(HASH, id));
    // Null is a key that does not exist.
    if (text === undefined) throw new AuthenticationUnavailableError();
    const record = text === null ? undefined : parse(text);
    return record?.id === id ? toApiKey(record) : undefined;
  };

  return {
    find: (id) => {
      const cached = cache.get(id);
      if (cached && monotonicNow() - cached.readAt <= READ_EVERY_MS) return cached.found;
      const found = read(id);
      cache.set(id, { readAt: monotonicNow(), found });
      found.catch(() => cache.delete(id));
      return found;
    },
  };
};

/** Creates and revokes API keys in Redis. */
export const createApiKeyRedisRegistry = (client: RedisClient): ApiKeyRegistry => {
  const list = async (): Promise<readonly ApiKeyRecord[]> =>
    Object.values(await client.hGetAll(HASH)).flatMap((text) => parse(text) ?? []);
  return {
    list,
    add: async (record) => {
      if ((await list()).some(({ name }) => name === record.name)) return false;
      await client.hSet(HASH, record.id, JSON.stringify(record));
      return true;
    },
    remove: async (wanted) => {
      const ids = (await list()).flatMap(({ id, name }) => (name === wanted ? [id] : []));
      return ids.length > 0 && (await client.hDel(HASH, ids)) > 0;
    },
  };
};
