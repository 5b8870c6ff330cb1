import { hash } from 'node:crypto';
import type { ApolloServer } from '@apollo/server';
import type { Redis } from '../../runtime/redis.ts';

const PREFIX = 'tributary:';

// Apollo Server's cache key of a persisted query, with the hash of its text.
const PERSISTED_QUERY = /^apq:([0-9a-f]{64})$/;

/** Maximum size of a persisted query, in bytes. Request bodies are limited to the same size. */
const MAX_TEXT_BYTES = 1024 * 1024;

/** Lifetime of a persisted query, in seconds. After that, clients send the text again. */
const DEFAULT_TTL_S = 86_400;

/**
 * Creates the cache in which all replicas share persisted queries through Redis. While Redis is unavailable, every read is a
 * miss and nothing fails.
 *
 * A text is returned only if it matches the hash in its key, so text written by a third party is never executed.
 */
export const createApqCache = (redis: Redis): ApolloServer['cache'] => ({
  get: async (key) => {
    const expected = PERSISTED_QUERY.exec(key)?.[1];
    if (!expected) return undefined;
    const text: unknown = await redis.attempt((client) => client.getRange(PREFIX + key, 0, MAX_TEXT_BYTES));
    return typeof text === 'string' && hash('sha256', text) === expected ? text : undefined;
  },
  set: async (key, text, options) => {
    if (!PERSISTED_QUERY.test(key) || Buffer.byteLength(text) > MAX_TEXT_BYTES) return;
    await redis.attempt((client) => client.set(PREFIX + key, text, { EX: Math.ceil(options?.ttl || DEFAULT_TTL_S) }));
  },
  delete: async (key) => ((await redis.attempt((client) => client.del(PREFIX + key))) ?? 0) > 0,
});
