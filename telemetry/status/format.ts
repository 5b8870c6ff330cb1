/* The format of `/status.json`, which `docs/status.md` describes. Fields may be added; any other change raises the version. */

export const STATUS_VERSION = 1;

/** The state of a provider, as `provider-health.ts` defines it. */
export type ProviderHealth = 'ok' | 'idle' | 'slow' | 'waiting' | 'failing' | 'paused' | 'quota_exhausted' | 'down';

/** Requests, with a figure for each step, the oldest first. */
export type FlowStatus = {
  readonly count: number;
  readonly failed: number;
  /** In milliseconds; null without requests. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly series: {
    readonly count: readonly number[];
    readonly failed: readonly number[];
    readonly p99Ms: readonly (number | null)[];
  };
};

export type LimitStatus = {
  readonly name: string;
  readonly used: number;
  readonly limit: number;
  /** Length of the window that `limit` is for, in seconds. */
  readonly windowS: number;
  /** How much longer no request is sent under this limit, in seconds. */
  readonly pausedS: number;
};

/** The requests of one of a provider's operations. */
export type ProviderOperationStatus = {
  readonly name: string;
  readonly count: number;
  readonly failed: number;
  /** In milliseconds; null if unknown. */
  readonly p50Ms: number | null;
};

export type SubgraphStatus = {
  readonly subgraph: string;
  readonly source: 'provider' | 'sandbox' | 'remote';
  readonly health: ProviderHealth;
  /** The health in words, for people. */
  readonly reason: string;
  /** Requests to the provider; null if they are another process's. */
  readonly requests: FlowStatus | null;
  /** Requests to the provider by its operation: those with the most, then `(other)`. Empty if they are another process's. */
  readonly operations: readonly ProviderOperationStatus[];
  /** The gateway's fetches from the subgraph; null in a process that serves subgraphs. */
  readonly fetches: FlowStatus | null;
  /** Provider calls that a subgraph in another process has reported; null for one in this process. */
  readonly reported: { readonly calls: number; readonly failed: number } | null;
  readonly lastSuccessS: number | null;
  readonly lastFailure: { readonly code: string; readonly ageS: number } | null;
  readonly retries: number;
  /** Requests that were not sent. */
  readonly refused: { readonly rateLimit: number; readonly circuitBreaker: number; readonly budget: number };
  readonly limits: readonly LimitStatus[];
  /** Circuit breakers that are not closed. */
  readonly breakers: readonly { readonly operation: string; readonly state: 'half_open' | 'open' }[];
  readonly cache: {
    readonly hits: number;
    readonly stale: number;
    readonly misses: number;
    /** The part of the keys that were found in the cache, fresh or stale; null without reads. */
    readonly hitRatio: number | null;
    /** The age of the oldest stale value that was served; null if none was. */
    readonly oldestStaleS: number | null;
  };
  /** Requests that wait for a permit, and that hold one; null if they are another process's. */
  readonly queue: { readonly queued: number; readonly running: number; readonly concurrency: number } | null;
  /** How long requests that clients wait for waited for their permits. Null if they are another process's. */
  readonly waits: { readonly p50Ms: number | null; readonly p99Ms: number | null } | null;
};

export type CostStatus = {
  readonly name: string;
  readonly operations: number;
  readonly errors: number;
  readonly calls: number;
  readonly timeMs: number;
};

export type CountStatus = { readonly code: string; readonly count: number };

/** The events of providers. The inbox is one for all processes. */
export type InboxStatus = {
  /** Events that wait to be applied, and the age of the oldest in seconds; 0 if none waits. */
  readonly waiting: number;
  readonly oldestWaitingS: number;
  /** Events that cannot be applied. */
  readonly parked: number;
};

/** Open subscriptions of clients, and the groups of those with equal responses, in all processes. */
export type SubscriptionsStatus = { readonly subscribers: number; readonly groups: number };

export type ProcessStatus = {
  readonly pid: number;
  /** `ok`, `stopping`, `unavailable`, or `unresponsive` for a worker that does not answer. */
  readonly status: string;
  readonly uptimeS: number | null;
  readonly eventLoop: { readonly delayP99Ms: number; readonly utilization: number } | null;
  readonly memory: {
    readonly rssBytes: number;
    readonly heapUsedBytes: number;
    readonly heapLimitBytes: number;
  } | null;
  readonly cache: { readonly bytes: number; readonly limitBytes: number } | null;
  readonly admission: { readonly running: number; readonly queued: number; readonly limit: number } | null;
  readonly redis: string | null;
};

export type Status = {
  readonly version: typeof STATUS_VERSION;
  /** The version of Tributary. */
  readonly product: string;
  /** A process that serves `subgraphs` knows neither operations nor clients. */
  readonly kind: 'gateway' | 'subgraphs';
  /** When it was read, in ISO 8601. */
  readonly at: string;
  readonly stepS: number;
  readonly steps: number;
  readonly subgraphs: readonly SubgraphStatus[];
  /** The costliest, first by provider calls. The last may be `(other)`. */
  readonly operations: readonly CostStatus[];
  readonly clients: readonly CostStatus[];
  /** Requests refused before their operation was read, by code, the most frequent first. */
  readonly refusals: readonly CountStatus[];
  /** Operations with errors, by the codes of these. */
  readonly errors: readonly CountStatus[];
  /** Null if no changes are received. */
  readonly inbox: InboxStatus | null;
  /** Null in a process that serves `subgraphs`. */
  readonly subscriptions: SubscriptionsStatus | null;
  readonly processes: readonly ProcessStatus[];
};
