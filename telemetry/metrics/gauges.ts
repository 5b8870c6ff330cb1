import type { BreakerState, ProcessState } from '../state.ts';
import { type GaugeDefinition, type GaugeName, METRICS } from './definitions.ts';
import { SeriesSet } from './series.ts';
import type { Gauges, NumberPoint } from './snapshot.ts';

const BREAKER: Readonly<Record<BreakerState['state'], number>> = { closed: 0, half_open: 0.5, open: 1 };

const REDIS = { ok: 1, full: 1, down: 0 } as const;

const one = (value: number | undefined): NumberPoint[] => (value === undefined ? [] : [{ labels: [], value }]);

/** Returns the gauges of a process by its state. */
export const toGauges = ({
  providers,
  cache,
  admission,
  planCache,
  redis,
  inbox,
  polls = [],
  broker,
  subscriptions,
  node,
}: ProcessState): Gauges => {
  const ofProviders = (read: (provider: (typeof providers)[number]) => number): NumberPoint[] =>
    providers.map((provider) => ({ labels: [provider.subgraph], value: read(provider) }));
  const ofLimits = (read: (limit: { readonly used: number; readonly limit: number }) => number): NumberPoint[] =>
    providers.flatMap(({ subgraph, limits }) =>
      limits.map((limit) => ({ labels: [subgraph, limit.name], value: read(limit) })),
    );
  return withoutEmpty({
    'tributary.plan_cache.entries': one(planCache?.entries),
    'tributary.plan_cache.bytes': one(planCache?.bytes),
    'tributary.provider.queued': ofProviders(({ queued }) => queued),
    'tributary.provider.running': ofProviders(({ running }) => running),
    'tributary.provider.concurrency': ofProviders(({ concurrency }) => concurrency),
    'tributary.provider.quota.used': ofLimits(({ used }) => used),
    'tributary.provider.quota.limit': ofLimits(({ limit }) => limit),
    'tributary.provider.breaker.state': providers.flatMap(({ subgraph, breakers }) =>
      breakers.map(({ operation, state }) => ({ labels: [subgraph, operation], value: BREAKER[state] })),
    ),
    'tributary.provider.retry_budget': ofProviders(({ retryBudget }) => retryBudget),
    'tributary.provider.connections.limit': ofProviders(({ connections }) => connections.limit),
    'tributary.provider.connections.busy': ofProviders(({ connections }) => connections.busy),
    'tributary.cache.size': one(cache?.bytes),
    'tributary.cache.limit': one(cache?.limitBytes),
    'tributary.admission.running': one(admission?.running),
    'tributary.admission.queued': one(admission?.queued),
    'tributary.admission.limit': one(admission?.limit),
    'tributary.redis.up': one(redis && REDIS[redis]),
    'tributary.inbox.waiting': one(inbox?.waiting),
    'tributary.inbox.parked': one(inbox?.parked),
    'tributary.inbox.oldest': one(inbox && inbox.oldestWaitingMs / 1_000),
    'tributary.inbox.size': one(inbox?.bytes),
    'tributary.poll.watched': polls.map(({ provider, watched }) => ({ labels: [provider], value: watched })),
    'tributary.poll.oldest': polls.map(({ provider, oldestMs }) => ({ labels: [provider], value: oldestMs / 1_000 })),
    'tributary.broker.up': one(broker && (broker.status === 'up' ? 1 : 0)),
    'tributary.broker.waiting': one(broker?.waiting),
    'tributary.subscription.subscribers': one(subscriptions?.subscribers),
    'tributary.subscription.groups': one(subscriptions?.groups),
    'nodejs.eventloop.delay.p50': one(node?.eventLoop.delayP50S),
    'nodejs.eventloop.delay.p99': one(node?.eventLoop.delayP99S),
    'nodejs.eventloop.delay.max': one(node?.eventLoop.delayMaxS),
    'nodejs.eventloop.utilization': one(node?.eventLoop.utilization),
    'process.memory.usage': one(node?.memory.rssBytes),
    'v8js.memory.heap.used': one(node?.memory.heapUsedBytes),
    'v8js.memory.heap.limit': one(node?.memory.heapLimitBytes),
    'process.uptime': one(node?.uptimeS),
    'tributary.build.info': node ? [{ labels: [node.version], value: 1 }] : [],
  });
};

const withoutEmpty = (gauges: Gauges): Gauges =>
  Object.fromEntries(Object.entries(gauges).filter(([, points]) => points.length > 0));

const MERGE: Readonly<Record<GaugeDefinition['merge'], (one: number, other: number) => number>> = {
  sum: (one, other) => one + other,
  min: Math.min,
  max: Math.max,
};

/** Merges the gauges of several processes, or bounds those of one. */
export const mergeGauges = (all: readonly Gauges[]): Gauges => {
  const merged: Partial<Record<GaugeName, NumberPoint[]>> = {};
  for (const name of new Set(all.flatMap((gauges) => Object.keys(gauges) as GaugeName[]))) {
    const { maxSeries: max, merge } = METRICS[name];
    const series = new SeriesSet<{ value: number | undefined }>({ max, create: () => ({ value: undefined }) });
    for (const gauges of all) {
      for (const { labels, value } of gauges[name] ?? []) {
        const point = series.of(labels);
        point.value = point.value === undefined ? value : MERGE[merge](point.value, value);
      }
    }
    merged[name] = series.entries().map(({ labels, series: { value = 0 } }) => ({ labels, value }));
  }
  return merged;
};
