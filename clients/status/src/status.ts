/* What the page reads of `/status.json`; docs/status.md describes all of it. */

export const VERSION = 1;

export const HEALTH_WORDS = {
  ok: 'OK',
  idle: 'No requests',
  slow: 'Slow',
  waiting: 'Waiting',
  failing: 'Failing',
  paused: 'Paused',
  quota_exhausted: 'Quota exhausted',
  down: 'Down',
} as const;

export type Health = keyof typeof HEALTH_WORDS;

export type Flow = {
  readonly count: number;
  readonly failed: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly series: {
    readonly count: readonly number[];
    readonly failed: readonly number[];
    readonly p99Ms: readonly (number | null)[];
  };
};

export type Subgraph = {
  readonly subgraph: string;
  readonly source: 'provider' | 'sandbox' | 'remote';
  readonly health: Health;
  readonly reason: string;
  readonly requests: Flow | null;
  readonly operations: readonly {
    readonly name: string;
    readonly count: number;
    readonly failed: number;
    readonly p50Ms: number | null;
  }[];
  readonly fetches: Flow | null;
  readonly reported: { readonly calls: number; readonly failed: number } | null;
  readonly lastSuccessS: number | null;
  readonly lastFailure: { readonly code: string; readonly ageS: number } | null;
  readonly retries: number;
  readonly refused: { readonly rateLimit: number; readonly circuitBreaker: number; readonly budget: number };
  readonly limits: readonly {
    readonly name: string;
    readonly used: number;
    readonly limit: number;
    readonly windowS: number;
    readonly pausedS: number;
  }[];
  readonly breakers: readonly { readonly operation: string; readonly state: 'half_open' | 'open' }[];
  readonly cache: {
    readonly hitRatio: number | null;
    readonly oldestStaleS: number | null;
  };
  readonly queue: { readonly queued: number; readonly running: number; readonly concurrency: number } | null;
  readonly waits: { readonly p50Ms: number | null; readonly p99Ms: number | null } | null;
};

export type Cost = {
  readonly name: string;
  readonly operations: number;
  readonly errors: number;
  readonly calls: number;
  readonly timeMs: number;
};

export type Count = { readonly code: string; readonly count: number };

export type Process = {
  readonly pid: number;
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
  readonly version: number;
  readonly product: string;
  readonly kind: 'gateway' | 'subgraphs';
  readonly at: string;
  readonly subgraphs: readonly Subgraph[];
  readonly operations: readonly Cost[];
  readonly clients: readonly Cost[];
  readonly refusals: readonly Count[];
  readonly errors: readonly Count[];
  readonly inbox: { readonly waiting: number; readonly oldestWaitingS: number; readonly parked: number } | null;
  readonly subscriptions: { readonly subscribers: number; readonly groups: number } | null;
  readonly processes: readonly Process[];
};
