import { z } from 'zod';
import { createInfrastructure, type Infrastructure } from '../../connectors/infrastructure.ts';
import { type Env, readEnv } from '../../runtime/env.ts';
import type { Log } from '../../runtime/log.ts';
import { createRedis, isRedisUrl, type Redis, type RedisOptions } from '../../runtime/redis.ts';
import { watchSecrets } from '../../runtime/watch-secrets.ts';

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
  const redis = url ? createWatchedRedis(env, { url, timeoutMs, log }) : undefined;
  return {
    infrastructure: createInfrastructure({ redis, cacheBytes: CACHE_MAX_MIB * 1024 * 1024, log }),
    redis,
    health: () => (redis ? { redis: stateOf(redis) } : {}),
  };
};

/** Connects to Redis, and anew when the file with its URL changes. */
const createWatchedRedis = (env: Env, options: RedisOptions): Redis => {
  const redis = createRedis(options);
  const stopWatching = watchSecrets(INFRASTRUCTURE_SECRETS, {
    env,
    log: options.log,
    reload: () => redis.connectTo(readInfrastructureConfig(env).REDIS_URL ?? options.url),
  });
  return {
    ...redis,
    close: () => {
      stopWatching();
      redis.close();
    },
  };
};

const stateOf = (redis: Redis): string => {
  if (!redis.isUp()) return 'down';
  return redis.isFull() ? 'full' : 'ok';
};
