/*
 * The state of a process, as metrics and the status page show it: plain data, read when somebody asks for it. Parts of the process
 * describe themselves by a source, a function that returns their state now.
 */

/** The use of a rate limit. */
export type LimitState = {
  /** As in the provider's definition, e.g. `account`. */
  readonly name: string;
  /** Requests or units of cost in the window, as far as this process knows. */
  readonly used: number;
  /** Requests or units of cost that the window holds. */
  readonly limit: number;
  /** Length of the window, in milliseconds. */
  readonly windowMs: number;
  /** How much longer no request is sent under this limit, in milliseconds; 0 if it is not paused. */
  readonly pausedMs: number;
};

/** The circuit breaker of an operation. */
export type BreakerState = { readonly operation: string; readonly state: 'closed' | 'half_open' | 'open' };

/** A provider with one credential, or with all credentials of a subgraph together. */
export type ProviderState = {
  readonly subgraph: string;
  /** Requests that wait for a permit. */
  readonly queued: number;
  /** Requests that hold a permit. */
  readonly running: number;
  /** Maximum number of running requests. */
  readonly concurrency: number;
  readonly limits: readonly LimitState[];
  /** The circuit breakers that have ever opened. All others are closed. */
  readonly breakers: readonly BreakerState[];
  /** The retries that the budget grants now. */
  readonly retryBudget: number;
  /** Connections that send a request or wait for its response, and their maximum. */
  readonly connections: { readonly busy: number; readonly limit: number };
};

/** The state of all connections to a provider. */
export type SubgraphProviderState = ProviderState & {
  /** The number of credentials that are in use, summed over processes. */
  readonly credentials: number;
};

/** The cache of reads in the memory of this process. */
export type CacheState = { readonly bytes: number; readonly limitBytes: number };

/** The requests that a process runs and those that wait for it. */
export type AdmissionState = { readonly running: number; readonly queued: number; readonly limit: number };

/** The compiled operations. */
export type PlanCacheState = { readonly entries: number; readonly bytes: number };

/** `full`: it may be read, and refuses writes. */
export type RedisState = 'ok' | 'full' | 'down';

/** The inbox of events, which processes may share. */
export type InboxState = {
  /** Events that wait to be applied, and those that cannot be. */
  readonly waiting: number;
  readonly parked: number;
  /** Size of the store. */
  readonly bytes: number;
  /** How long the oldest event waits, in milliseconds; 0 if none does. */
  readonly oldestWaitingMs: number;
};

/** A provider that this process polls for changes. */
export type PollState = {
  readonly provider: string;
  /** Keys whose values are compared. */
  readonly watched: number;
  /** Time since the least recently compared value was read, in milliseconds. */
  readonly oldestMs: number;
};
/** The message broker, and the events that it has not taken yet. */
export type BrokerState = { readonly status: 'up' | 'down'; readonly waiting: number };

/** Open subscriptions of clients, and the groups of those with equal responses. */
export type SubscriptionsState = { readonly subscribers: number; readonly groups: number };

/** The Node.js process. */
export type NodeState = {
  readonly version: string;
  readonly uptimeS: number;
  /** CPU time that the process has used. */
  readonly cpuS: number;
  /** How late the event loop was, and the part of the time that it was busy, in the last 10 seconds. */
  readonly eventLoop: {
    readonly delayP50S: number;
    readonly delayP99S: number;
    readonly delayMaxS: number;
    readonly utilization: number;
  };
  readonly memory: {
    readonly rssBytes: number;
    readonly heapUsedBytes: number;
    readonly heapLimitBytes: number;
  };
};

/** Parts of which a process has one. A new source replaces the one before it. */
type Parts = {
  readonly cache: CacheState;
  readonly admission: AdmissionState;
  readonly planCache: PlanCacheState;
  readonly redis: RedisState;
  readonly inbox: InboxState;
  readonly polls: readonly PollState[];
  readonly broker: BrokerState;
  readonly subscriptions: SubscriptionsState;
  readonly node: NodeState;
};

/** The state of a process. A part that it does not have is undefined. */
export type ProcessState = { readonly [Part in keyof Parts]: Parts[Part] | undefined } & {
  readonly providers: readonly SubgraphProviderState[];
};

/** The sources of a process's state. */
export type StateSources = {
  /** Adds the source of a part. Returns a function that removes it. */
  readonly describe: <Part extends keyof Parts>(part: Part, read: () => Parts[Part]) => () => void;
  /** Adds a source for each credential of a provider. Returns a function that removes it. */
  readonly describeProvider: (read: () => ProviderState) => () => void;
  readonly state: () => ProcessState;
};

export const createStateSources = (): StateSources => {
  const parts: { readonly [Part in keyof Parts]: Slot<Parts[Part]> } = {
    cache: createSlot(),
    admission: createSlot(),
    planCache: createSlot(),
    redis: createSlot(),
    inbox: createSlot(),
    polls: createSlot(),
    broker: createSlot(),
    subscriptions: createSlot(),
    node: createSlot(),
  };
  const providers = new Set<() => ProviderState>();
  return {
    describe: (part, read) => parts[part].fill(read),
    describeProvider: (read) => {
      providers.add(read);
      return () => void providers.delete(read);
    },
    state: () => ({
      providers: bySubgraph([...providers].map((read) => read())),
      cache: parts.cache.read(),
      admission: parts.admission.read(),
      planCache: parts.planCache.read(),
      redis: parts.redis.read(),
      inbox: parts.inbox.read(),
      polls: parts.polls.read(),
      broker: parts.broker.read(),
      subscriptions: parts.subscriptions.read(),
      node: parts.node.read(),
    }),
  };
};

/** The place of a source. */
type Slot<Value> = {
  readonly fill: (read: () => Value) => () => void;
  readonly read: () => Value | undefined;
};

const createSlot = <Value>(): Slot<Value> => {
  let current: (() => Value) | undefined;
  return {
    fill: (read) => {
      current = read;
      return () => {
        if (current === read) current = undefined;
      };
    },
    read: () => current?.(),
  };
};

/** Joins the states of the credentials of each subgraph's provider. */
const bySubgraph = (states: readonly ProviderState[]): SubgraphProviderState[] =>
  [...Map.groupBy(states, ({ subgraph }) => subgraph).values()].flatMap(
    (same) =>
      joinProviders(
        same.map((state) => ({ ...state, credentials: 1 })),
        mostUsed,
      ) ?? [],
  );

/**
 * Joins the states of one provider, each of other credentials or of another process. `joinLimits` joins limits of the same name.
 * Returns undefined if there are none.
 */
export const joinProviders = (
  states: readonly SubgraphProviderState[],
  joinLimits: (same: readonly LimitState[]) => Pick<LimitState, 'used' | 'limit'>,
): SubgraphProviderState | undefined => {
  const [first] = states;
  if (!first) return undefined;
  const sum = (read: (state: SubgraphProviderState) => number) =>
    states.reduce((total, state) => total + read(state), 0);
  const limits = Map.groupBy(
    states.flatMap((state) => state.limits),
    ({ name }) => name,
  );
  return {
    subgraph: first.subgraph,
    queued: sum(({ queued }) => queued),
    running: sum(({ running }) => running),
    concurrency: sum(({ concurrency }) => concurrency),
    limits: [...limits].map(([name, same]) => {
      const { used, limit } = joinLimits(same);
      const windowMs = Math.max(...same.map((one) => one.windowMs));
      return { name, used, limit, windowMs, pausedMs: Math.max(...same.map(({ pausedMs }) => pausedMs)) };
    }),
    breakers: furthestOpen(states.flatMap(({ breakers }) => breakers)),
    retryBudget: Math.min(...states.map(({ retryBudget }) => retryBudget)),
    connections: {
      busy: sum(({ connections }) => connections.busy),
      limit: sum(({ connections }) => connections.limit),
    },
    credentials: sum(({ credentials }) => credentials),
  };
};

const mostUsed = (same: readonly LimitState[]): LimitState =>
  same.reduce((most, limit) => (share(limit) > share(most) ? limit : most));

const share = ({ used, limit }: LimitState): number => used / limit;

const SEVERITY: Readonly<Record<BreakerState['state'], number>> = { closed: 0, half_open: 1, open: 2 };

/** Keeps, by operation, the breaker that is furthest open. */
const furthestOpen = (breakers: readonly BreakerState[]): BreakerState[] => {
  const byOperation = new Map<string, BreakerState>();
  for (const breaker of breakers) {
    const known = byOperation.get(breaker.operation);
    if (!known || SEVERITY[breaker.state] > SEVERITY[known.state]) byOperation.set(breaker.operation, breaker);
  }
  return [...byOperation.values()];
};
