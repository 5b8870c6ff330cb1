import type { ApolloServer } from '@apollo/server';
import KeyvRedis from '@keyv/redis';
import { Keyv } from 'keyv';
import type { Redis } from '../runtime/redis.ts';

/**
 * Where Apollo Server keeps persisted queries so that all replicas know them. While Redis is away everything is a miss
 * and nothing fails: what is kept here can be made again.
 */
export const createSharedCache = (redis: Redis): ApolloServer['cache'] => {
  const store = new KeyvRedis<string>(redis.client, { throwOnErrors: true });
  const keyv = new Keyv<string>({ store, namespace: 'tributary', useKeyPrefix: false, throwOnErrors: true });
  // Without a listener an error event ends the process.
  keyv.on('error', () => {});
  return {
    get: (key) => redis.attempt(() => keyv.get<string>(key)),
    set: async (key, value, options) => {
      await redis.attempt(() => keyv.set(key, value, options?.ttl ? options.ttl * 1000 : undefined));
    },
    delete: async (key) => (await redis.attempt(() => keyv.delete(key))) ?? false,
  };
};
