import type { Redis } from '../runtime/redis.ts';
import { type CallStats, createCallStats } from './call-stats.ts';
import { createMemoryRateLimiter, type RateLimiter } from './rate-limits/memory.ts';
import { createRedisRateLimiter } from './rate-limits/redis.ts';
import { createMemoryStore, createRedisStore, type OpenStore } from './reads/store.ts';

/** What all providers of a process share. */
export type Infrastructure = {
  /** Undefined where nothing is cached. */
  readonly openStore: OpenStore | undefined;
  readonly rateLimiter: RateLimiter;
  /** Counts the provider requests of this process since its start. */
  readonly callStats: CallStats;
};

export type InfrastructureOptions = {
  /** Shared by all processes that use the same one. Without it, this process is alone. */
  readonly redis?: Redis | undefined;
  /** The most that this process caches, in bytes; 0 caches nothing, in Redis neither. */
  readonly cacheBytes: number;
};

export const createInfrastructure = ({ redis, cacheBytes }: InfrastructureOptions): Infrastructure => {
  const memory = cacheBytes > 0 ? createMemoryStore({ maxBytes: cacheBytes }) : undefined;
  return {
    openStore: memory && (redis ? createRedisStore(redis, memory) : () => memory),
    rateLimiter: redis ? createRedisRateLimiter(redis) : createMemoryRateLimiter(),
    callStats: createCallStats(),
  };
};
