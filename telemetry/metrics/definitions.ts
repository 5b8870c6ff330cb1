/*
 * All metrics, by their OpenTelemetry names. `docs/metrics.md` explains them to operators.
 *
 * The number of series is bounded for each metric: label sets beyond `maxSeries` count in one series for the rest.
 */

type Common = {
  readonly description: string;
  /** In UCUM, e.g. `s` or `By`; in braces for things that are counted. */
  readonly unit: string;
  readonly labels: readonly string[];
  /** Maximum number of label sets, that of the rest included. */
  readonly maxSeries: number;
};

export type CounterDefinition = Common & { readonly kind: 'counter' };

export type HistogramDefinition = Common & {
  readonly kind: 'histogram';
  /** Upper bounds of the buckets. Values above the last one are in a further bucket. */
  readonly buckets: readonly number[];
};

export type GaugeDefinition = Common & {
  readonly kind: 'gauge';
  /** How the values of a cluster's workers become one. */
  readonly merge: 'sum' | 'min' | 'max';
};

export type MetricDefinition = CounterDefinition | HistogramDefinition | GaugeDefinition;

/** Of durations, in seconds: from 1 ms to 30 s. */
const DURATIONS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Of the ages of stale values, in seconds: from one second to a day. */
const AGES = [1, 5, 15, 60, 300, 900, 3_600, 21_600, 86_400];

/** Of the keys in a batch. */
const SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];

type Options = Pick<Common, 'unit' | 'labels' | 'maxSeries'>;

const counter = (description: string, options: Options): CounterDefinition => ({
  kind: 'counter',
  description,
  ...options,
});

const histogram = (description: string, buckets: readonly number[], options: Options): HistogramDefinition => ({
  kind: 'histogram',
  description,
  buckets,
  ...options,
});

const gauge = (description: string, merge: GaugeDefinition['merge'], options: Options): GaugeDefinition => ({
  kind: 'gauge',
  description,
  merge,
  ...options,
});

/** Of a metric without labels. */
const single = (unit: string): Options => ({ unit, labels: [], maxSeries: 1 });

const OPERATION = 'graphql.operation.name';

export const METRICS = {
  'tributary.operation.duration': histogram('Duration of GraphQL operations, from arrival to response.', DURATIONS, {
    unit: 's',
    labels: [OPERATION, 'graphql.operation.type', 'outcome'],
    maxSeries: 600,
  }),
  'tributary.operation.errors': counter('GraphQL operations with errors, once for each code.', {
    unit: '{operation}',
    labels: [OPERATION, 'code'],
    maxSeries: 1_000,
  }),
  'tributary.operation.failures': counter('GraphQL operations with errors, once for each code, whatever their names.', {
    unit: '{operation}',
    labels: ['code'],
    maxSeries: 101,
  }),
  'tributary.operation.stale': counter('GraphQL operations whose response has stale values.', {
    unit: '{operation}',
    labels: [OPERATION],
    maxSeries: 201,
  }),
  'tributary.operation.calls': counter('Provider calls made for GraphQL operations.', {
    unit: '{call}',
    labels: [OPERATION, 'subgraph'],
    maxSeries: 1_000,
  }),
  'tributary.client.calls': counter('Provider calls made for clients.', {
    unit: '{call}',
    labels: ['client', 'subgraph'],
    maxSeries: 1_000,
  }),
  'tributary.client.operations': counter('GraphQL operations of clients.', {
    unit: '{operation}',
    labels: ['client', 'outcome'],
    maxSeries: 603,
  }),
  'tributary.request.refusals': counter('Requests refused before their operation was read.', {
    unit: '{request}',
    labels: ['code'],
    maxSeries: 101,
  }),
  'http.server.request.duration': histogram('Duration of HTTP requests.', DURATIONS, {
    unit: 's',
    labels: ['http.request.method', 'http.response.status_code', 'http.route'],
    maxSeries: 200,
  }),
  'tributary.plan.duration': histogram('Time to plan and compile an operation.', DURATIONS, {
    unit: 's',
    labels: ['outcome'],
    maxSeries: 2,
  }),
  'tributary.plan_cache.entries': gauge('Compiled operations in the cache.', 'sum', single('{entry}')),
  'tributary.plan_cache.bytes': gauge('Approximate size of the compiled operations.', 'sum', single('By')),
  'tributary.fetch.duration': histogram('Duration of requests to subgraphs.', DURATIONS, {
    unit: 's',
    labels: ['subgraph', 'outcome'],
    maxSeries: 200,
  }),
  'tributary.provider.request.duration': histogram('Duration of requests to providers. Each retry is one.', DURATIONS, {
    unit: 's',
    labels: ['subgraph', 'provider.operation', 'outcome'],
    maxSeries: 500,
  }),
  'tributary.provider.retries': counter('Provider requests that were repeated.', {
    unit: '{request}',
    labels: ['subgraph', 'provider.operation'],
    maxSeries: 500,
  }),
  'tributary.provider.refusals': counter('Provider requests that were not sent.', {
    unit: '{request}',
    labels: ['subgraph', 'reason'],
    maxSeries: 200,
  }),
  'tributary.provider.pauses': counter('Pauses after a provider rejected a request under a rate limit.', {
    unit: '{pause}',
    labels: ['subgraph'],
    maxSeries: 100,
  }),
  'tributary.provider.wait': histogram('Time that provider requests waited for their permit.', DURATIONS, {
    unit: 's',
    labels: ['subgraph'],
    maxSeries: 100,
  }),
  'tributary.provider.queued': gauge('Provider requests that wait for their permit.', 'sum', {
    unit: '{request}',
    labels: ['subgraph'],
    maxSeries: 100,
  }),
  'tributary.provider.running': gauge('Provider requests that hold a permit.', 'sum', {
    unit: '{request}',
    labels: ['subgraph'],
    maxSeries: 100,
  }),
  'tributary.provider.concurrency': gauge('Maximum number of running provider requests.', 'sum', {
    unit: '{request}',
    labels: ['subgraph'],
    maxSeries: 100,
  }),
  'tributary.provider.quota.used': gauge('Use of a provider rate limit.', 'sum', {
    unit: '{call}',
    labels: ['subgraph', 'limit'],
    maxSeries: 200,
  }),
  'tributary.provider.quota.limit': gauge('Calls that a provider rate limit allows in its window.', 'max', {
    unit: '{call}',
    labels: ['subgraph', 'limit'],
    maxSeries: 200,
  }),
  'tributary.provider.breaker.state': gauge('Circuit breakers: 0 closed, 0.5 half open, 1 open.', 'max', {
    unit: '',
    labels: ['subgraph', 'provider.operation'],
    maxSeries: 500,
  }),
  'tributary.provider.retry_budget': gauge('Retries that the retry budget grants now.', 'min', {
    unit: '{retry}',
    labels: ['subgraph'],
    maxSeries: 100,
  }),
  'tributary.provider.connections.limit': gauge('Maximum number of connections to a provider.', 'sum', {
    unit: '{connection}',
    labels: ['subgraph'],
    maxSeries: 100,
  }),
  'tributary.provider.connections.busy': gauge('Connections to a provider with a request.', 'sum', {
    unit: '{connection}',
    labels: ['subgraph'],
    maxSeries: 100,
  }),
  'tributary.cache.reads': counter('Keys that were looked up in the cache.', {
    unit: '{key}',
    labels: ['subgraph', 'provider.operation', 'result'],
    maxSeries: 1_000,
  }),
  'tributary.cache.stale.age': histogram('Keys served stale, by the age of the oldest in their read.', AGES, {
    unit: 's',
    labels: ['subgraph'],
    maxSeries: 100,
  }),
  'tributary.cache.invalidations': counter('Tags that writes and events invalidated.', {
    unit: '{tag}',
    labels: ['subgraph'],
    maxSeries: 100,
  }),
  'tributary.cache.size': gauge('Size of the cache in memory.', 'sum', single('By')),
  'tributary.cache.limit': gauge('Maximum size of the cache in memory.', 'sum', single('By')),
  'tributary.batch.keys': histogram('Keys in a batch.', SIZES, {
    unit: '{key}',
    labels: ['subgraph', 'provider.operation'],
    maxSeries: 500,
  }),
  'tributary.admission.running': gauge('Requests that run.', 'sum', single('{request}')),
  'tributary.admission.queued': gauge('Requests that wait to run.', 'sum', single('{request}')),
  'tributary.admission.limit': gauge('Maximum number of running requests.', 'sum', single('{request}')),
  'tributary.redis.up': gauge('Whether Redis is available.', 'min', single('')),
  'tributary.webhook.events': counter('Events that webhooks delivered.', {
    unit: '{event}',
    labels: ['provider', 'result'],
    maxSeries: 200,
  }),
  'tributary.webhook.refusals': counter('Deliveries to webhooks that were refused.', {
    unit: '{delivery}',
    labels: ['provider', 'reason'],
    maxSeries: 600,
  }),
  'tributary.events.lag': histogram('Time from the arrival of an event to its effect.', DURATIONS, {
    unit: 's',
    labels: ['provider'],
    maxSeries: 100,
  }),
  'tributary.events.parked': counter('Events that could not be applied.', {
    unit: '{event}',
    labels: ['provider'],
    maxSeries: 100,
  }),
  'tributary.inbox.failures': counter('Attempts to use the inbox of events that failed.', single('{attempt}')),
  'tributary.inbox.waiting': gauge('Events that wait to be applied.', 'max', single('{event}')),
  'tributary.inbox.parked': gauge('Events that are parked.', 'max', single('{event}')),
  'tributary.inbox.oldest': gauge('Age of the oldest event that waits to be applied.', 'max', single('s')),
  'tributary.inbox.size': gauge('Size of the inbox of events.', 'max', single('By')),
  'tributary.poll.runs': counter('Polls of providers without webhooks.', {
    unit: '{poll}',
    labels: ['provider', 'result'],
    maxSeries: 200,
  }),
  'tributary.poll.changes': counter('Changed values that were found by comparison.', {
    unit: '{value}',
    labels: ['provider'],
    maxSeries: 100,
  }),
  'tributary.poll.watched': gauge('Watched keys of a polled provider.', 'max', {
    unit: '{key}',
    labels: ['provider'],
    maxSeries: 100,
  }),
  'tributary.poll.oldest': gauge('Time since the least recently compared value was read.', 'max', {
    unit: 's',
    labels: ['provider'],
    maxSeries: 100,
  }),
  'tributary.broker.up': gauge('Whether the message broker can be used.', 'min', single('')),
  'tributary.broker.waiting': gauge('Events that the message broker has not taken yet.', 'max', single('{event}')),
  'tributary.broker.published': counter('Messages that were published to the broker.', single('{message}')),
  'tributary.broker.received': counter('Messages that the broker delivered.', {
    unit: '{message}',
    labels: ['result'],
    maxSeries: 4,
  }),
  'tributary.broker.lag': histogram(
    'Time from the arrival of an event until the broker has it.',
    DURATIONS,
    single('s'),
  ),
  'tributary.broker.failures': counter('Attempts to publish or to store messages that failed.', {
    unit: '{attempt}',
    labels: ['direction'],
    maxSeries: 3,
  }),
  'tributary.broker.lost': counter('Events that were forgotten before the broker has taken them.', single('{event}')),
  'tributary.subscription.subscribers': gauge('Open subscriptions of clients.', 'sum', single('{subscription}')),
  'tributary.subscription.groups': gauge('Groups of subscriptions with equal responses.', 'sum', single('{group}')),
  'tributary.subscription.messages': counter('Messages that were sent to subscribers.', single('{message}')),
  'tributary.subscription.lag': histogram(
    'Time from the arrival of a provider’s event to the messages to subscribers.',
    DURATIONS,
    single('s'),
  ),
  'tributary.workers': gauge('Workers of a cluster, by whether they answered when metrics were read.', 'sum', {
    unit: '{worker}',
    labels: ['state'],
    maxSeries: 2,
  }),
  'nodejs.eventloop.delay.p50': gauge('Delay of the event loop: median of 10 seconds.', 'max', single('s')),
  'nodejs.eventloop.delay.p99': gauge('Delay of the event loop: 99th percentile of 10 seconds.', 'max', single('s')),
  'nodejs.eventloop.delay.max': gauge('Delay of the event loop: maximum of 10 seconds.', 'max', single('s')),
  'nodejs.eventloop.utilization': gauge('Part of 10 seconds that the event loop was busy.', 'max', single('1')),
  'process.memory.usage': gauge('Resident memory of the process.', 'sum', single('By')),
  'v8js.memory.heap.used': gauge('Used memory of the JavaScript heap.', 'sum', single('By')),
  'v8js.memory.heap.limit': gauge('Maximum memory of the JavaScript heap.', 'sum', single('By')),
  'process.cpu.time': counter('CPU time that the process has used.', single('s')),
  'process.uptime': gauge('Time since the process started.', 'max', single('s')),
  'tributary.build.info': gauge('1, with the version as a label.', 'max', {
    unit: '',
    labels: ['version'],
    maxSeries: 2,
  }),
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof METRICS;

/** The names of the metrics of one kind. */
export type NameOf<Kind> = {
  [Name in MetricName]: (typeof METRICS)[Name] extends { readonly kind: Kind } ? Name : never;
}[MetricName];

export type CounterName = NameOf<'counter'>;
export type HistogramName = NameOf<'histogram'>;
export type GaugeName = NameOf<'gauge'>;

/** Maximum numbers of values of a label; further ones count as `(other)`. Clients choose the first two. */
export const MAX_VALUES: Readonly<Record<string, number>> = { [OPERATION]: 200, client: 200, code: 100, outcome: 100 };

/** Returns the maximum number of Prometheus time series that a metric has. */
export const maxTimeSeriesOf = (definition: MetricDefinition): number =>
  // A histogram has one for each bucket, the last bucket, the sum and the count.
  definition.maxSeries * (definition.kind === 'histogram' ? definition.buckets.length + 3 : 1);

const SUFFIXES: Readonly<Record<string, string>> = { s: 'seconds', By: 'bytes', '1': 'ratio' };

/** Returns the name in Prometheus, by OpenTelemetry's rules: with its unit, and `_total` for counters. */
export const prometheusNameOf = (name: MetricName): string => {
  const { unit, kind } = METRICS[name];
  const base = name.replaceAll('.', '_');
  const suffix = SUFFIXES[unit];
  const withUnit = suffix && !base.endsWith(`_${suffix}`) ? `${base}_${suffix}` : base;
  return kind === 'counter' ? `${withUnit}_total` : withUnit;
};
