import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { monotonicNow } from '../runtime/clock.ts';
import type { ProviderDefinition } from './define-provider.ts';
import type { Infrastructure } from './infrastructure.ts';
import type { Middleware, RequestOptions } from './middleware/chain.ts';
import { withBreaker } from './middleware/circuit-breaker.ts';
import { createRateLimits, withRateLimit } from './middleware/rate-limit.ts';
import { createRetryBudget, withRetry } from './middleware/retry.ts';
import { createRequestScheduler } from './rate-limits/scheduler.ts';
import { createMonotonicClock } from './reads/batcher.ts';
import { type CachePolicy, createCache } from './reads/cache.ts';
import type { Changes, Read, Reads } from './reads/read.ts';
import { createReader, type InvalidatedReader, type Reader } from './reads/reader.ts';
import { createSeal } from './reads/seal.ts';
import { type CommonSettings, type Settings, type SettingsShape, withCredentials } from './settings.ts';
import { createHttpConnector } from './transports/http.ts';

/** The readers of a provider, by the names of its reads. */
export type Readers<Definitions extends Reads> = {
  readonly [Name in keyof Definitions]: Definitions[Name] extends Read<
    infer Key,
    infer Value,
    infer _Scope,
    infer _Policy
  >
    ? Reader<Key, Value>
    : never;
};

/** A provider as one credential reaches it. Nothing is shared with another credential. */
export type Connection<Api, Definitions extends Reads> = {
  readonly api: Api;
  readonly readers: Readers<Definitions>;
  /** Makes unusable what was read before. To be awaited before the write is answered. */
  readonly invalidate: (changes: Changes<Definitions>) => Promise<void>;
};

export type Provider<Api, Definitions extends Reads> = {
  /** The name that errors, logs and call statistics use: that of its subgraph. */
  readonly upstream: string;
  /** The connection of the request's credential; default: the configured one. */
  readonly connect: (options?: Pick<RequestOptions, 'credentials'>) => Connection<Api, Definitions>;
  /** Does ahead what the first request would otherwise wait for. Throws UpstreamError. */
  readonly warmUp: () => Promise<void>;
  /** Lets running requests finish and closes the connections. */
  readonly close: () => Promise<void>;
};

/** Credentials that are connected at once, beside the configured one; the one that was idle for longest is closed. */
const MAX_CREDENTIALS = 100;

/** A credential that is not used for this long is closed, in milliseconds. */
const IDLE_MS = 600_000;

/** How long a client request may go on using a connection that was closed, in milliseconds. */
const GRACE_MS = 60_000;

type Opened<Api, Definitions extends Reads> = Connection<Api, Definitions> & {
  readonly warmUp: () => Promise<unknown>;
  readonly close: () => Promise<void>;
};

/** Opens a provider with its configured settings. Connections to other credentials are opened when first used. */
export const createProvider = <
  Shape extends SettingsShape,
  Policy extends string,
  Client,
  Api,
  Definitions extends Reads<Policy>,
>(
  infrastructure: Infrastructure,
  definition: ProviderDefinition<Shape, Policy, Client, Api, Definitions>,
  { upstream, settings }: { upstream: string; settings: Settings<Shape> & CommonSettings<Policy> },
): Provider<Api, Definitions> => {
  const open = (given: typeof settings) => openConnection(infrastructure, definition, upstream, given);
  const configured = open(settings);
  const others = new LRUCache<string, Opened<Api, Definitions>>({
    max: MAX_CREDENTIALS,
    ttl: IDLE_MS,
    ttlAutopurge: true,
    updateAgeOnGet: true,
    dispose: (connection, _id, reason) => {
      if (reason === 'delete') return;
      setTimeout(() => void connection.close(), GRACE_MS).unref();
    },
  });
  return {
    upstream,
    connect: ({ credentials } = {}) => {
      const own = credentials?.get(definition.name);
      if (!own) return configured;
      const given = withCredentials(definition, settings, own);
      const id = credentialIdOf(definition.identity(given));
      const known = others.get(id) ?? open(given);
      others.set(id, known);
      return known;
    },
    warmUp: async () => {
      await configured.warmUp();
    },
    close: async () => {
      const all = [configured, ...others.values()];
      for (const id of [...others.keys()]) others.delete(id);
      await Promise.all(all.map((connection) => connection.close()));
    },
  };
};

/** Identifies a credential without holding anything of it. */
const credentialIdOf = (identity: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(identity)).digest('base64url').slice(0, 16);

/**
 * Puts together what stands between a subgraph and its provider: a request is counted, retried where that is safe, waits for
 * its permit under the rate limits, is refused while the circuit is open, and has a time limit; see
 * `docs/decisions/0009-the-order-of-the-middleware.md` for the order. Reads by key are batched over all client requests and cached.
 */
const openConnection = <
  Shape extends SettingsShape,
  Policy extends string,
  Client,
  Api,
  Definitions extends Reads<Policy>,
>(
  { openStore, rateLimiter, callStats }: Infrastructure,
  definition: ProviderDefinition<Shape, Policy, Client, Api, Definitions>,
  upstream: string,
  settings: Settings<Shape> & CommonSettings<Policy>,
): Opened<Api, Definitions> => {
  const { transport, parseRateLimit, adjustRateLimits } = definition;
  const { timeoutMs, concurrency, cachePolicies } = settings;
  const identity = definition.identity(settings);
  const credentialId = credentialIdOf(identity);
  const rules = adjustRateLimits?.(settings.rateLimits, settings) ?? settings.rateLimits;
  const limits = createRateLimits(rules, { upstream, credentialId });
  const scheduler = createRequestScheduler({ upstream, rateLimiter, windowsOf: limits.windowsOf, concurrency });
  const http = createHttpConnector({
    upstream,
    timeoutMs,
    connections: concurrency,
    ...(transport.isSuccess && { isSuccess: transport.isSuccess }),
    callStats,
    middleware: [
      noStore,
      withRetry({ upstream, callStats, budget: createRetryBudget() }),
      withRateLimit({ upstream, scheduler, rateLimiter, limits, parseRateLimit, callStats }),
      withBreaker(upstream),
    ],
  });
  const client = transport.connect(http, settings);
  const api = definition.api(client, settings);

  const store = openStore?.(createSeal(identity));
  const now = store?.now ?? monotonicNow;
  const timestamp = createMonotonicClock(now);
  const longestTtlMs = Math.max(
    0,
    ...Object.values<CachePolicy>(cachePolicies).map(({ staleIfErrorMs }) => staleIfErrorMs),
  );
  const cache = store && createCache({ store, owner: `${upstream}:${credentialId}`, longestTtlMs, timestamp });
  const readers = new Map<string, InvalidatedReader<unknown, unknown, unknown>>();
  for (const [name, read] of Object.entries(definition.reads(api))) {
    const cachePolicy = cachePolicies[read.policy as Policy];
    const options = { name, upstream, callStats, scheduler, cache, cachePolicy, timestamp, now };
    readers.set(name, createReader(read, options));
  }
  return {
    api,
    readers: Object.fromEntries(readers) as unknown as Readers<Definitions>,
    invalidate: async (changes) => {
      const tags = Object.entries(changes).flatMap(
        ([name, scopes]) => readers.get(name)?.invalidate(scopes ?? []) ?? [],
      );
      await cache?.invalidate([...new Set(tags)]);
    },
    warmUp: async () => transport.warmUp?.(client),
    close: http.close,
  };
};

/** Direct requests bypass the cache, so their answer is fresh for no time. */
const noStore: Middleware = (next) => (request) => {
  if (request.freshness) request.freshness.leftMs = 0;
  return next(request);
};
