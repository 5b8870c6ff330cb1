import { createHash } from 'node:crypto';
import { monotonicNow } from '../runtime/clock.ts';
import type { Redis } from '../runtime/redis.ts';
import { createLedger, type Ledger } from './call-stats.ts';
import type { Answer, Link } from './middleware/chain.ts';
import { type BreakerOptions, withBreaker } from './middleware/circuit-breaker.ts';
import { createLimits, type LimitRule, type ReadLessons, withTurns } from './middleware/rate-limit.ts';
import { createRetryBudget, withRetry } from './middleware/retry.ts';
import { createMemoryLimiter, type Limiter } from './rate-limits/memory.ts';
import { createSharedLimiter } from './rate-limits/redis.ts';
import { createTurns } from './rate-limits/scheduler.ts';
import { createStamps } from './reads/batcher.ts';
import { createCache, type Lifetime } from './reads/cache.ts';
import { createReader, type Reader, type ReaderDefinition } from './reads/reader.ts';
import { createSeal } from './reads/seal.ts';
import { createMemoryStore, createRedisStore, type OpenStore } from './reads/store.ts';
import type { Tag } from './reads/tag.ts';
import { createHttpConnector, type HttpConnector } from './transports/http.ts';

/** What all connectors of a process stand on. */
export type Kit = {
  /** Undefined where nothing is to be kept between requests. */
  readonly openStore: OpenStore | undefined;
  readonly limiter: Limiter;
  /** What this process has asked of providers since its start. */
  readonly ledger: Ledger;
};

export type KitOptions = {
  /** Shared with all who use the same one; without it, this process is alone. */
  readonly redis?: Redis | undefined;
  /** How much is kept in this process, in bytes; 0 for nothing, in Redis neither. */
  readonly cacheBytes: number;
};

export const createKit = ({ redis, cacheBytes }: KitOptions): Kit => {
  const memory = cacheBytes > 0 ? createMemoryStore({ maxBytes: cacheBytes }) : undefined;
  return {
    openStore: memory && (redis ? createRedisStore(redis, memory) : () => memory),
    limiter: redis ? createSharedLimiter(redis) : createMemoryLimiter(),
    ledger: createLedger(),
  };
};

export type ProviderOptions<LifetimeName extends string> = {
  /** The name that errors, logs and the ledger give the provider: its subgraph's. */
  readonly upstream: string;
  /** What makes the account: where it is and by what it is entered. Digested; nothing of it is kept or shown. */
  readonly account: readonly string[];
  /** How long one call may take, in milliseconds, from the request to the answer's last byte. */
  readonly timeoutMs: number;
  /** Calls at once. */
  readonly concurrency: number;
  readonly limits: readonly LimitRule[];
  readonly readLessons?: ReadLessons;
  /** How long each type that is read is good for. */
  readonly lifetimes: Readonly<Record<LifetimeName, Lifetime>>;
  /** Tells the provider's regular answers from failures. Default: status 200 to 299. */
  readonly isAnswer?: (answer: Answer) => boolean;
  readonly breaker?: BreakerOptions;
};

/** Makes readers of a provider whose calls and lifetimes have these names. */
export type CreateReader<Operation extends string, LifetimeName extends string> = <Value>(
  definition: ReaderDefinition<Value, Operation, LifetimeName>,
) => Reader<Value>;

/** The way to one account at one provider: calls over `http`, and what is read by key over readers. */
export type Provider<LifetimeName extends string = never> = {
  readonly upstream: string;
  readonly http: HttpConnector;
  readonly createReader: CreateReader<string, LifetimeName>;
  /** Makes everything unusable that was read under these tags before. To be awaited before the write is answered. */
  readonly invalidate: (tags: readonly Tag[]) => Promise<void>;
  readonly close: () => Promise<void>;
};

/**
 * Puts together what stands between a subgraph and its provider: a call is counted, sent again where that is safe, waits
 * for its turn under the quotas, is refused while the provider is known to be down, and has a time limit; see
 * `docs/decisions/0009-the-order-of-the-links.md` for the order. What is read by key is gathered over all requests and kept.
 */
export const createProvider = <LifetimeName extends string>(
  { openStore, limiter, ledger }: Kit,
  {
    upstream,
    account,
    timeoutMs,
    concurrency,
    limits: rules,
    readLessons,
    lifetimes,
    isAnswer,
    breaker,
  }: ProviderOptions<LifetimeName>,
): Provider<LifetimeName> => {
  const accountId = createHash('sha256').update(JSON.stringify(account)).digest('base64url').slice(0, 16);
  const limits = createLimits(rules, { upstream, account: accountId });
  const turns = createTurns({ upstream, limiter, bucketsOf: limits.bucketsOf, concurrency });
  const http = createHttpConnector({
    upstream,
    timeoutMs,
    connections: concurrency,
    ...(isAnswer && { isAnswer }),
    ledger,
    guards: [
      leaveNoFreshness,
      withRetry({ upstream, ledger, budget: createRetryBudget() }),
      withTurns({ upstream, turns, limiter, limits, readLessons, ledger }),
      withBreaker(upstream, breaker),
    ],
  });
  const store = openStore?.(createSeal(account));
  const now = store?.now ?? monotonicNow;
  const stamp = createStamps(now);
  const maxKeepMs = Math.max(0, ...Object.values<Lifetime>(lifetimes).map(({ keepMs }) => keepMs));
  const cache = store && createCache({ store, owner: `${upstream}:${accountId}`, maxKeepMs, stamp });
  const readers: Reader<unknown>[] = [];
  return {
    upstream,
    http,
    createReader: (definition) => {
      const lifetime = lifetimes[definition.lifetime];
      const reader = createReader(definition, { upstream, ledger, turns, cache, lifetime, stamp, now });
      readers.push(reader as Reader<unknown>);
      return reader;
    },
    invalidate: async (tags) => {
      for (const reader of readers) reader.forget(new Set(tags));
      await cache?.mark(tags);
    },
    close: http.close,
  };
};

/** What is called for one request by itself, and not by a reader for all of them, is kept by nobody. */
const leaveNoFreshness: Link = (next) => (call) => {
  if (call.freshness) call.freshness.leftMs = 0;
  return next(call);
};
