import { z } from 'zod';
import { createInfrastructure, type Infrastructure } from '../../connectors/infrastructure.ts';
import { type Env, readEnv } from '../../runtime/env.ts';
import type { Log } from '../../runtime/log.ts';
import { createRedis, isRedisUrl, type Redis } from '../../runtime/redis.ts';

/** The variables of every process that calls providers. */
export const InfrastructureEnv = z.object({
  REDIS_URL: z
    .string()
    .refine(isRedisUrl, 'must be a redis or rediss URL, like redis://user:pass%40word@host:6379/0')
    .optional(),
  REDIS_TIMEOUT_MS: z.coerce.number().int().positive().max(60_000).default(500),
  CACHE_MAX_MIB: z.coerce.number().int().min(0).max(100_000).default(64),
});

export const INFRASTRUCTURE_SECRETS = ['REDIS_URL'] as const;

/** The infrastructure that all subgraphs of a process share, and its Redis, if configured. */
export type ProcessInfrastructure = {
  readonly infrastructure: Infrastructure;
  readonly redis: Redis | undefined;
  /** Details for `/health/ready`. */
  readonly health: () => Readonly<Record<string, string>>;
};

/** Reads the infrastructure's variables. Throws ConfigError. */
export const readInfrastructureConfig = (env: Env): z.output<typeof InfrastructureEnv> =>
  readEnv(InfrastructureEnv, env, INFRASTRUCTURE_SECRETS);

/** Creates the infrastructure that the environment configures. Throws ConfigError. */
export const createProcessInfrastructure = (env: Env, log: Log): ProcessInfrastructure => {
  const { REDIS_URL: url, REDIS_TIMEOUT_MS: timeoutMs, CACHE_MAX_MIB } = readInfrastructureConfig(env);
  const redis = url ? createRedis({ url, timeoutMs, log }) : undefined;
  return {
    infrastructure: createInfrastructure({ redis, cacheBytes: CACHE_MAX_MIB * 1024 * 1024 }),
    redis,
    health: () => (redis ? { redis: stateOf(redis) } : {}),
  };
};

const stateOf = (redis: Redis): string => {
  if (!redis.isUp()) return 'down';
  return redis.isFull() ? 'full' : 'ok';
};
