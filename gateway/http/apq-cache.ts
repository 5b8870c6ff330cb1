import { hash } from 'node:crypto';
import type { ApolloServer } from '@apollo/server';
import type { Redis } from '../../runtime/redis.ts';

const PREFIX = 'tributary:';

// How Apollo Server names a persisted query: by the hash of its text.
const PERSISTED_QUERY = /^apq:([0-9a-f]{64})$/;

/** No text that came with a request is longer, and none is read from Redis that is. In bytes. */
const MAX_TEXT_BYTES = 1024 * 1024;

/** For how long an operation that nobody asks for is kept, in seconds. Where it is gone, clients send the text again. */
const DEFAULT_TTL_S = 86_400;

/**
 * Where Apollo Server keeps persisted queries so that all replicas know them. While Redis is away everything is a miss
 * and nothing fails: what is kept here can be made again.
 *
 * A text is taken only where it has the hash that it stands under, so nothing that somebody else wrote is ever executed.
 */
export const createSharedCache = (redis: Redis): ApolloServer['cache'] => ({
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
