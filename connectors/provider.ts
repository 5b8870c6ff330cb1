import { createHash } from 'node:crypto';
import { monotonicNow } from '../runtime/clock.ts';
import type { Redis } from '../runtime/redis.ts';
import { type CallStats, createCallStats } from './call-stats.ts';
import type { Middleware, ProviderResponse } from './middleware/chain.ts';
import { type BreakerOptions, withBreaker } from './middleware/circuit-breaker.ts';
import { createRateLimits, type ParseRateLimit, type RateLimitRule, withRateLimit } from './middleware/rate-limit.ts';
import { createRetryBudget, withRetry } from './middleware/retry.ts';
import { createMemoryRateLimiter, type RateLimiter } from './rate-limits/memory.ts';
import { createRedisRateLimiter } from './rate-limits/redis.ts';
import { createRequestScheduler } from './rate-limits/scheduler.ts';
import { createMonotonicClock } from './reads/batcher.ts';
import { type CachePolicy, createCache } from './reads/cache.ts';
import { createReader, type Reader, type ReaderDefinition } from './reads/reader.ts';
import { createSeal } from './reads/seal.ts';
import { createMemoryStore, createRedisStore, type OpenStore } from './reads/store.ts';
import type { Tag } from './reads/tag.ts';
import { createHttpConnector, type HttpConnector } from './transports/http.ts';

/** What all connectors of a process stand on. */
export type Infrastructure = {
  /** Undefined where nothing is to be kept between requests. */
  readonly openStore: OpenStore | undefined;
  readonly rateLimiter: RateLimiter;
  /** What this process has asked of providers since its start. */
  readonly callStats: CallStats;
};

export type InfrastructureOptions = {
  /** Shared with all who use the same one; without it, this process is alone. */
  readonly redis?: Redis | undefined;
  /** How much is kept in this process, in bytes; 0 for nothing, in Redis neither. */
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

export type ProviderOptions<CachePolicyName extends string> = {
  /** The name that errors, logs and the ledger give the provider: its subgraph's. */
  readonly upstream: string;
  /** What makes the account: where it is and by what it is entered. Digested; nothing of it is kept or shown. */
  readonly account: readonly string[];
  /** How long one call may take, in milliseconds, from the request to the answer's last byte. */
  readonly timeoutMs: number;
  /** Calls at once. */
  readonly concurrency: number;
  readonly limits: readonly RateLimitRule[];
  readonly parseRateLimit?: ParseRateLimit;
  /** How long each type that is read is good for. */
  readonly cachePolicies: Readonly<Record<CachePolicyName, CachePolicy>>;
  /** Tells the provider's regular answers from failures. Default: status 200 to 299. */
  readonly isSuccess?: (response: ProviderResponse) => boolean;
  readonly breaker?: BreakerOptions;
};

/** Makes readers of a provider whose calls and lifetimes have these names. */
export type CreateReader<Operation extends string, CachePolicyName extends string> = <Value>(
  definition: ReaderDefinition<Value, Operation, CachePolicyName>,
) => Reader<Value>;

/** The way to one account at one provider: calls over `http`, and what is read by key over readers. */
export type Provider<CachePolicyName extends string = never> = {
  readonly upstream: string;
  readonly http: HttpConnector;
  readonly createReader: CreateReader<string, CachePolicyName>;
  /** Makes everything unusable that was read under these tags before. To be awaited before the write is answered. */
  readonly invalidate: (tags: readonly Tag[]) => Promise<void>;
  readonly close: () => Promise<void>;
};

/**
 * Puts together what stands between a subgraph and its provider: a call is counted, sent again where that is safe, waits
 * for its turn under the quotas, is refused while the provider is known to be down, and has a time limit; see
 * `docs/decisions/0009-the-order-of-the-links.md` for the order. What is read by key is gathered over all requests and kept.
 */
export const createProvider = <CachePolicyName extends string>(
  { openStore, rateLimiter, callStats }: Infrastructure,
  {
    upstream,
    account,
    timeoutMs,
    concurrency,
    limits: rules,
    parseRateLimit,
    cachePolicies,
    isSuccess,
    breaker,
  }: ProviderOptions<CachePolicyName>,
): Provider<CachePolicyName> => {
  const accountId = createHash('sha256').update(JSON.stringify(account)).digest('base64url').slice(0, 16);
  const limits = createRateLimits(rules, { upstream, account: accountId });
  const scheduler = createRequestScheduler({ upstream, rateLimiter, windowsOf: limits.windowsOf, concurrency });
  const http = createHttpConnector({
    upstream,
    timeoutMs,
    connections: concurrency,
    ...(isSuccess && { isSuccess }),
    callStats,
    middleware: [
      noStore,
      withRetry({ upstream, callStats, budget: createRetryBudget() }),
      withRateLimit({ upstream, scheduler, rateLimiter, limits, parseRateLimit, callStats }),
      withBreaker(upstream, breaker),
    ],
  });
  const store = openStore?.(createSeal(account));
  const now = store?.now ?? monotonicNow;
  const timestamp = createMonotonicClock(now);
  const longestTtlMs = Math.max(
    0,
    ...Object.values<CachePolicy>(cachePolicies).map(({ staleIfErrorMs }) => staleIfErrorMs),
  );
  const cache = store && createCache({ store, owner: `${upstream}:${accountId}`, longestTtlMs, timestamp });
  const readers: Reader<unknown>[] = [];
  return {
    upstream,
    http,
    createReader: (definition) => {
      const cachePolicy = cachePolicies[definition.cachePolicy];
      const reader = createReader(definition, { upstream, callStats, scheduler, cache, cachePolicy, timestamp, now });
      readers.push(reader as Reader<unknown>);
      return reader;
    },
    invalidate: async (tags) => {
      for (const reader of readers) reader.invalidate(new Set(tags));
      await cache?.invalidate(tags);
    },
    close: http.close,
  };
};

/** What is called for one request by itself, and not by a reader for all of them, is kept by nobody. */
const noStore: Middleware = (next) => (call) => {
  if (call.freshness) call.freshness.leftMs = 0;
  return next(call);
};
