import type { Log } from '../runtime/log.ts';
import type { Redis } from '../runtime/redis.ts';
import { createTelemetry, type Telemetry } from '../telemetry/telemetry.ts';
import { createMemoryRateLimiter, type RateLimiter } from './rate-limits/memory.ts';
import { createRedisRateLimiter } from './rate-limits/redis.ts';
import { createInvalidations, type Invalidations } from './reads/invalidations.ts';
import { createMemoryStore, createRedisStore, type OpenStore } from './reads/store.ts';

/** The cache store and rate limiter that all providers of a process share. */
export type Infrastructure = {
  /** Undefined if caching is off. */
  readonly openStore: OpenStore | undefined;
  readonly rateLimiter: RateLimiter;
  readonly log: Log | undefined;
  readonly telemetry: Telemetry;
  /** Invalidations of this process. */
  readonly invalidations: Invalidations;
};

export type InfrastructureOptions = {
  /** Shares caches and rate limits with all processes that use the same Redis. Without it, this process keeps its own. */
  readonly redis?: Redis | undefined;
  /** Maximum size of this process's cache, in bytes. 0 turns off caching, in Redis too. */
  readonly cacheBytes: number;
  readonly log?: Log | undefined;
  /** Default: a stream of its own, without listeners. */
  readonly telemetry?: Telemetry | undefined;
};

export const createInfrastructure = ({
  redis,
  cacheBytes,
  log,
  telemetry = createTelemetry(),
}: InfrastructureOptions): Infrastructure => {
  const memory = cacheBytes > 0 ? createMemoryStore({ maxBytes: cacheBytes }) : undefined;
  if (memory) telemetry.describe('cache', memory.state);
  return {
    openStore: memory && (redis ? createRedisStore(redis, memory) : () => memory),
    rateLimiter: redis ? createRedisRateLimiter(redis) : createMemoryRateLimiter(),
    log,
    telemetry,
    invalidations: createInvalidations(),
  };
};
