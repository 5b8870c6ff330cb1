import type { ApolloServer } from '@apollo/server';
import KeyvRedis, { createClient } from '@keyv/redis';
import { Keyv } from 'keyv';
import type { Log } from '../runtime/log.ts';

/** What the gateway's replicas share, beside the work. */
export type SharedCache = {
  /** For Apollo Server, which keeps persisted queries in it. */
  readonly cache: ApolloServer['cache'];
  readonly isUp: () => boolean;
  readonly close: () => Promise<void>;
};

/**
 * A cache in Redis. While Redis is away everything is a miss and nothing fails: what is kept here can be made again.
 */
export const createRedisCache = (url: string, log: Log): SharedCache => {
  const client = createClient({
    url,
    // Fails at once while there is no connection, instead of keeping requests waiting for one.
    disableOfflineQueue: true,
    socket: { connectTimeout: 2_000, reconnectStrategy: (tries) => Math.min(50 * 2 ** tries, 2_000) },
  });
  let wasUp = false;
  const noteChange = () => {
    if (client.isReady === wasUp) return;
    wasUp = client.isReady;
    log[wasUp ? 'info' : 'warn']({ redis: wasUp ? 'up' : 'down' }, 'The connection to Redis changed.');
  };
  client.on('ready', noteChange);
  client.on('error', noteChange);
  // Goes on trying by the strategy above, for as long as the process lives.
  client.connect().catch(() => {});

  const keyv = new Keyv({ store: new KeyvRedis(client), namespace: 'tributary' });
  // Without a listener an error event ends the process.
  keyv.on('error', noteChange);

  const orMiss = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch {
      return undefined;
    }
  };

  return {
    cache: {
      get: (key) => orMiss(() => keyv.get<string>(key)),
      set: async (key, value, options) => {
        await orMiss(() => keyv.set(key, value, options?.ttl ? options.ttl * 1000 : undefined));
      },
      delete: async (key) => (await orMiss(() => keyv.delete(key))) ?? false,
    },
    isUp: () => client.isReady,
    close: async () => client.destroy(),
  };
};
