import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { createInfrastructure, type Infrastructure } from '../../connectors/infrastructure.ts';
import { ConfigError, type Env, readEnv } from '../../runtime/env.ts';
import type { Log } from '../../runtime/log.ts';
import type { Redis, RedisOptions } from '../../runtime/redis.ts';
import { isRedisUrl } from '../../runtime/redis-url.ts';
import { fileVariables, watchFiles } from '../../runtime/watch-files.ts';
import type { RedisState } from '../../telemetry/state.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';

/** The path of a file with certificates. Read, so that the value is their text. */
const Certificates = z.string().transform((path, { addIssue }) => {
  try {
    const text = readFileSync(path, 'utf8');
    new X509Certificate(text);
    return text;
  } catch {
    addIssue({ code: 'custom', message: 'must be a file with certificates in PEM form' });
    return z.NEVER;
  }
});

/** The variables of every process that calls providers. */
export const InfrastructureEnv = z.object({
  REDIS_URL: z
    .string()
    .refine(isRedisUrl, 'must be a redis or rediss URL, like redis://user:pass%40word@host:6379/0')
    .optional(),
  REDIS_CA: Certificates.optional(),
  REDIS_TIMEOUT_MS: z.coerce.number().int().positive().max(60_000).default(500),
  TENANTS: z.string().optional(),
  CACHE_MAX_MIB: z.coerce.number().int().min(0).max(100_000).default(64),
});

export const INFRASTRUCTURE_SECRETS = ['REDIS_URL'] as const;

/** The variables of a process with Redis that are not secrets. */
export const REDIS_VARIABLES = [
  'REDIS_CA',
  'REDIS_TIMEOUT_MS',
] as const satisfies (keyof typeof InfrastructureEnv.shape)[];

/** The infrastructure that all subgraphs of a process share, and its Redis, if configured. */
export type ProcessInfrastructure = {
  readonly infrastructure: Infrastructure;
  readonly redis: Redis | undefined;
  /** Details for `/health/ready`. */
  readonly health: () => Readonly<Record<string, string>>;
};

/** Reads the infrastructure's variables. Throws ConfigError. */
export const readInfrastructureConfig = (env: Env): z.output<typeof InfrastructureEnv> => {
  const values = readEnv(InfrastructureEnv, env, INFRASTRUCTURE_SECRETS);
  if (values.REDIS_CA && !values.REDIS_URL?.startsWith('rediss:')) {
    throw new ConfigError('REDIS_CA: must be set only with a REDIS_URL of TLS, rediss://');
  }
  return values;
};

/** Creates the infrastructure that the environment configures. Rejects with ConfigError. */
export const createProcessInfrastructure = async (
  env: Env,
  log: Log,
  telemetry?: Telemetry,
): Promise<ProcessInfrastructure> => {
  const { REDIS_URL: url, REDIS_CA: ca, REDIS_TIMEOUT_MS: timeoutMs } = readInfrastructureConfig(env);
  const redis = url ? await createWatchedRedis(env, { url, ca, timeoutMs, log }) : undefined;
  if (redis) telemetry?.describe('redis', () => stateOf(redis));
  return {
    infrastructure: createConfiguredInfrastructure(env, log, telemetry, redis),
    redis,
    health: () => (redis ? { redis: stateOf(redis) } : {}),
  };
};

/** Creates the infrastructure over a connection to Redis, or in the memory of the process alone. Throws ConfigError. */
export const createConfiguredInfrastructure = (
  env: Env,
  log: Log,
  telemetry?: Telemetry,
  redis?: Redis,
): Infrastructure => {
  const { CACHE_MAX_MIB } = readInfrastructureConfig(env);
  return createInfrastructure({ redis, cacheBytes: CACHE_MAX_MIB * 1024 * 1024, log, telemetry });
};

/** Connects to Redis, and anew when the file with its URL or its certificates changes. */
const createWatchedRedis = async (env: Env, options: RedisOptions): Promise<Redis> => {
  // Its client has four hundred files.
  const { createRedis } = await import('../../runtime/redis.ts');
  const redis = createRedis(options);
  const stopWatching = watchFiles([...fileVariables(INFRASTRUCTURE_SECRETS), 'REDIS_CA'], {
    env,
    log: options.log,
    reload: () => {
      const { REDIS_URL: url = options.url, REDIS_CA: ca } = readInfrastructureConfig(env);
      return redis.connectTo({ url, ca });
    },
  });
  return {
    ...redis,
    close: () => {
      stopWatching();
      redis.close();
    },
  };
};

const stateOf = (redis: Redis): RedisState => {
  if (!redis.isUp()) return 'down';
  return redis.isFull() ? 'full' : 'ok';
};
