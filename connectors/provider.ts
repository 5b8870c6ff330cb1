import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { PolledValues } from '../events/poller/polled-values.ts';
import { monotonicNow } from '../runtime/clock.ts';
import type { ProviderDefinition } from './define-provider.ts';
import { UpstreamError } from './errors.ts';
import type { Infrastructure } from './infrastructure.ts';
import type { Middleware, RequestOptions } from './middleware/chain.ts';
import { createCircuits, withBreaker } from './middleware/circuit-breaker.ts';
import { createRateLimits, withRateLimit } from './middleware/rate-limit.ts';
import { createRetryBudget, withRetry } from './middleware/retry.ts';
import { createPolledValues, type PollHook } from './polled-values.ts';
import { createRequestScheduler, type RequestScheduler } from './rate-limits/scheduler.ts';
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

/** A provider accessed with one credential. Shares nothing with other credentials. */
export type Connection<Api, Definitions extends Reads> = {
  readonly api: Api;
  readonly readers: Readers<Definitions>;
  /** Invalidates cached values and in-flight reads. Await it before responding to the write. */
  readonly invalidate: (changes: Changes<Definitions>) => Promise<void>;
  /** Tells the poller, if there is one, that a write may have changed values. */
  readonly reportWrite: (changes: Changes<Definitions>) => void;
  /** Estimates how long requests of these operations would wait for their permits now, in milliseconds. */
  readonly forecast: RequestScheduler['forecast'];
};

export type Provider<Api, Definitions extends Reads, ProviderSettings = never> = {
  /** The name that errors, logs and call statistics use: that of its subgraph. */
  readonly subgraph: string;
  /** Returns the connection for the request's credential; by default the configured one. Throws UpstreamError if there is neither. */
  readonly connect: (options?: Pick<RequestOptions, 'credentials'>) => Connection<Api, Definitions>;
  /**
   * Uses other settings for new client requests. Returns whether they are for another credential. Requests that have begun
   * keep their connection.
   */
  readonly configure: (settings: ProviderSettings) => boolean;
  /** The values by which changes are found, of the configured credential. Undefined if the provider is not polled. */
  readonly polled: PolledValues | undefined;
  /** Does the one-time work of the first request ahead of it. Throws UpstreamError. */
  readonly warmUp: () => Promise<void>;
  /** Waits for running requests to finish, then closes the connections. */
  readonly close: () => Promise<void>;
};

/** Maximum number of connections beside the configured one. The least recently used one is evicted. */
const MAX_CREDENTIALS = 100;

/** Idle time after which a credential's connection is evicted, in milliseconds. */
const IDLE_MS = 600_000;

/** Delay before a replaced or evicted connection is closed, for client requests that still use it, in milliseconds. */
const GRACE_MS = 60_000;

/** Maximum number of evicted connections that are still open. If there are more, the oldest is closed early. */
const MAX_EVICTED = 100;

type ManagedConnection<Api, Definitions extends Reads> = Connection<Api, Definitions> & {
  readonly warmUp: () => Promise<unknown>;
  /** Also invalidates the connection that replaces this one: a write may have begun before it was replaced. */
  readonly forwardInvalidations: (to: Connection<Api, Definitions>) => void;
  readonly close: () => Promise<void>;
};

/**
 * Opens a provider with its configured settings, if there are any. Connections for other credentials are opened on first use.
 */
export const createProvider = <
  Shape extends SettingsShape,
  Policy extends string,
  Client,
  Api,
  Definitions extends Reads<Policy>,
>(
  infrastructure: Infrastructure,
  definition: ProviderDefinition<Shape, Policy, Client, Api, Definitions>,
  { subgraph, settings: first }: { subgraph: string; settings: (Settings<Shape> & CommonSettings<Policy>) | undefined },
): Provider<Api, Definitions, Settings<Shape> & CommonSettings<Policy>> => {
  const open = (options: NonNullable<typeof first>, hook?: PollHook) =>
    openConnection(infrastructure, definition, subgraph, options, hook);
  let settings = first;
  const polled = settings && createPolledValues(definition, settings);
  let configured = settings && open(settings, polled?.hook);
  let configuredId = settings && credentialIdOf(definition.identity(settings));
  const others = new LRUCache<string, ManagedConnection<Api, Definitions>>({
    max: MAX_CREDENTIALS,
    ttl: IDLE_MS,
    ttlAutopurge: true,
    updateAgeOnGet: true,
    dispose: (connection, _id, reason) => {
      if (reason !== 'delete') evicted.set(connection, true);
    },
  });
  const evicted = new LRUCache<ManagedConnection<Api, Definitions>, true>({
    max: MAX_EVICTED,
    ttl: GRACE_MS,
    ttlAutopurge: true,
    dispose: (_, connection, reason) => {
      if (reason !== 'delete') void connection.close();
    },
  });
  return {
    subgraph,
    polled: polled?.values,
    connect: ({ credentials } = {}) => {
      const own = credentials?.get(definition.name);
      if (!own) return configured ?? noCredential(subgraph, 'none is configured');
      const ownSettings = withCredentials(definition, settings, own);
      const id = credentialIdOf(definition.identity(ownSettings));
      if (configured && id === configuredId) return configured;
      const connection = others.get(id) ?? open(ownSettings);
      others.set(id, connection);
      return connection;
    },
    configure: (next) => {
      const id = credentialIdOf(definition.identity(next));
      if (id === configuredId) return false;
      const previous = configured;
      // A tenant's connection is not polled.
      configured = (polled ? undefined : others.get(id)) ?? open(next, polled?.hook);
      others.delete(id);
      settings = next;
      configuredId = id;
      previous?.forwardInvalidations(configured);
      if (previous) evicted.set(previous, true);
      return true;
    },
    warmUp: async () => {
      await configured?.warmUp();
    },
    close: async () => {
      const all = [...(configured ? [configured] : []), ...others.values(), ...evicted.keys()];
      others.clear();
      evicted.clear();
      await Promise.all(all.map((connection) => connection.close()));
    },
  };
};

/** Refuses a request for which there is no credential. */
export const noCredential = (subgraph: string, why: string): never => {
  throw new UpstreamError('UPSTREAM_UNAUTHORIZED', subgraph, `there is no credential: ${why}`, {
    isWithoutCredential: true,
  });
};

/** Returns a digest that identifies a credential without revealing it. */
const credentialIdOf = (identity: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(identity)).digest('base64url').slice(0, 16);

/**
 * Assembles the middleware between a subgraph and its provider: unknown outcomes, retries, rate limits, circuit breaker, call
 * statistics and timeout; `docs/decisions/0009-the-order-of-the-middleware.md` explains the order. Reads by key are batched over all
 * client requests and cached.
 */
const openConnection = <
  Shape extends SettingsShape,
  Policy extends string,
  Client,
  Api,
  Definitions extends Reads<Policy>,
>(
  { openStore, rateLimiter, telemetry, invalidations }: Infrastructure,
  definition: ProviderDefinition<Shape, Policy, Client, Api, Definitions>,
  subgraph: string,
  settings: Settings<Shape> & CommonSettings<Policy>,
  pollHook: PollHook | undefined,
): ManagedConnection<Api, Definitions> => {
  const { transport, parseRateLimit, adjustRateLimits } = definition;
  const { timeoutMs, concurrency, cachePolicies } = settings;
  const identity = definition.identity(settings);
  const credentialId = credentialIdOf(identity);
  const rules = adjustRateLimits?.(settings.rateLimits, settings) ?? settings.rateLimits;
  const limits = createRateLimits(rules, { subgraph, credentialId });
  const scheduler = createRequestScheduler({
    subgraph,
    rateLimiter,
    windowsOf: limits.windowsOf,
    concurrency,
    telemetry,
  });
  const retryBudget = createRetryBudget();
  const circuits = createCircuits();
  const http = createHttpConnector({
    subgraph,
    timeoutMs,
    connections: concurrency,
    telemetry,
    ...(transport.isSuccess && { isSuccess: transport.isSuccess }),
    middleware: [
      noStore,
      withRetry({ subgraph, budget: retryBudget, telemetry }),
      withRateLimit({ subgraph, scheduler, rateLimiter, limits, parseRateLimit, telemetry }),
      withBreaker(subgraph, telemetry, circuits),
    ],
  });
  const stopDescribing = telemetry.describeProvider(() => ({
    subgraph,
    ...scheduler.state(),
    limits: limits.all().map(([name, window]) => ({ name, windowMs: window.windowMs, ...rateLimiter.useOf(window) })),
    breakers: circuits.states(),
    retryBudget: retryBudget.left(),
    connections: http.connections(),
  }));
  const client = transport.connect(http, settings);
  const api = definition.api(client, settings);

  const store = openStore?.(createSeal(identity));
  const now = store?.now ?? monotonicNow;
  const timestamp = createMonotonicClock(now);
  const longestTtlMs = Math.max(
    0,
    ...Object.values<CachePolicy>(cachePolicies).map(({ staleIfErrorMs }) => staleIfErrorMs),
  );
  const cache = store && createCache({ store, owner: `${subgraph}:${credentialId}`, longestTtlMs, timestamp });
  let successor: Connection<Api, Definitions> | undefined;
  const readers = new Map<string, InvalidatedReader<unknown, unknown, unknown>>();
  const reads = definition.reads(api);
  pollHook?.open(api, reads);
  for (const [name, defined] of Object.entries(reads)) {
    const read = pollHook?.listenTo(name, defined) ?? defined;
    const cachePolicy = cachePolicies[read.policy as Policy];
    const options = { name, subgraph, scheduler, cache, cachePolicy, timestamp, now, telemetry };
    readers.set(name, createReader(read, options));
  }
  return {
    api,
    readers: Object.fromEntries(readers) as unknown as Readers<Definitions>,
    invalidate: async (changes) => {
      const tags = Object.entries(changes).flatMap(
        ([name, scopes]) => readers.get(name)?.invalidate(scopes ?? []) ?? [],
      );
      if (cache) telemetry.emit({ type: 'cache.invalidation', subgraph, tags: tags.length });
      await cache?.invalidate([...new Set(tags)]);
      invalidations.announce(subgraph, tags);
      await successor?.invalidate(changes);
    },
    reportWrite: (changes) => pollHook?.onWrite(changes),
    forwardInvalidations: (to) => {
      successor = to;
    },
    forecast: scheduler.forecast,
    warmUp: async () => transport.warmUp?.(client),
    close: () => http.close().finally(stopDescribing),
  };
};

/** Reports a max age of 0 for direct requests, which bypass the cache. */
const noStore: Middleware = (next) => (request) => {
  if (request.freshness) request.freshness.leftMs = 0;
  return next(request);
};
