import { z } from 'zod';
import { createKit, type Kit } from '../../connectors/provider.ts';
import { type Env, readEnv } from '../../runtime/env.ts';
import type { Log } from '../../runtime/log.ts';
import { createRedis, isRedisUrl, type Redis } from '../../runtime/redis.ts';

/** The variables of every process that calls providers. */
export const KitEnv = z.object({
  REDIS_URL: z
    .string()
    .refine(isRedisUrl, 'must be a redis or rediss URL, like redis://user:pass%40word@host:6379/0')
    .optional(),
  CACHE_MAX_MIB: z.coerce.number().int().min(0).max(100_000).default(64),
});

export const KIT_SECRETS = ['REDIS_URL'] as const;

/** What all subgraphs of a process stand on, and the Redis behind it, if there is one. */
export type ProcessKit = {
  readonly kit: Kit;
  readonly redis: Redis | undefined;
  /** For `/health/ready`. */
  readonly health: () => Readonly<Record<string, string>>;
};

/** Reads the variables of the kit. Throws ConfigError. */
export const readKitConfig = (env: Env): z.output<typeof KitEnv> => readEnv(KitEnv, env, KIT_SECRETS);

/** Makes what the environment asks for. Throws ConfigError. */
export const createProcessKit = (env: Env, log: Log): ProcessKit => {
  const { REDIS_URL, CACHE_MAX_MIB } = readKitConfig(env);
  const redis = REDIS_URL ? createRedis(REDIS_URL, log) : undefined;
  return {
    kit: createKit({ redis, cacheBytes: CACHE_MAX_MIB * 1024 * 1024 }),
    redis,
    health: () => (redis ? { redis: redis.isUp() ? 'ok' : 'down' } : {}),
  };
};
