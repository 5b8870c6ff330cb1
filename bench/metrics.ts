import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import type { TelemetryEvent } from '../telemetry/events.ts';
import { toPrometheusText } from '../telemetry/metrics/export.ts';
import { createMetrics } from '../telemetry/metrics/metrics.ts';
import { createRegistry } from '../telemetry/metrics/registry.ts';
import { createTelemetry } from '../telemetry/telemetry.ts';

/*
 * The cost of recording an event as metrics, beside that of OpenTelemetry's instruments, and of reading all metrics.
 *
 *   node bench/metrics.ts
 */

const ROUNDS = 300_000;

/** Runs `work` until it is compiled, then returns the median of several runs, in nanoseconds of CPU time each. */
const measure = (work: (index: number) => void): number => {
  const times = Array.from({ length: 7 }, () => {
    const before = process.cpuUsage();
    for (let index = 0; index < ROUNDS; index += 1) work(index);
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1_000) / ROUNDS;
  });
  return Math.round(times.slice(2).sort((one, other) => one - other)[2] ?? 0);
};

const print = (name: string, nanoseconds: number): void =>
  console.log(`${name.padEnd(60)} ${String(nanoseconds).padStart(6)} ns`);

const NAMES = Array.from({ length: 50 }, (_, index) => `Operation${index}`);
const nameAt = (index: number): string => NAMES[index % NAMES.length] ?? '';

const provider = new MeterProvider({
  readers: [
    new PeriodicExportingMetricReader({
      exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
      exportIntervalMillis: 3_600_000,
    }),
  ],
});
const meter = provider.getMeter('bench');
const theirHistogram = meter.createHistogram('duration', {
  advice: { explicitBucketBoundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] },
});
const theirCounter = meter.createCounter('calls');
const registry = createRegistry();
const ourHistogram = registry.histogram('tributary.operation.duration');
const ourCounter = registry.counter('tributary.cache.reads');

print(
  'OpenTelemetry: a histogram with three labels',
  measure((index) =>
    theirHistogram.record((index % 100) / 1_000, {
      'graphql.operation.name': nameAt(index),
      'graphql.operation.type': 'query',
      outcome: 'ok',
    }),
  ),
);
print(
  'Tributary: a histogram with three labels',
  measure((index) => ourHistogram.record((index % 100) / 1_000, nameAt(index), 'query', 'ok')),
);
print(
  'OpenTelemetry: a counter with three labels',
  measure((index) => theirCounter.add(1, { subgraph: 'crm', operation: nameAt(index), result: 'hit' })),
);
print(
  'Tributary: a counter with three labels',
  measure((index) => ourCounter.add(1, 'crm', nameAt(index), 'hit')),
);

const telemetry = createTelemetry();
const metrics = createMetrics(telemetry);
const row = {
  retries: 0,
  failures: 0,
  keys: 4,
  hits: 0,
  stale: 0,
  misses: 4,
  waitMs: 0,
  timeMs: 5,
  bytesSent: 0,
  bytesReceived: 0,
};
const calls = ['payments', 'crm', 'inventory'].map((subgraph) => ({ subgraph, operation: 'GET', calls: 2, ...row }));

/** An event of each kind, with the label that varies. */
const EVENTS: Readonly<Record<string, (index: number) => TelemetryEvent>> = {
  'operation, with calls to three subgraphs': (index) => ({
    type: 'operation',
    operationName: nameAt(index),
    kind: 'query',
    hash: undefined,
    traceId: undefined,
    client: { name: 'api-key:web', network: '127.0.0.1' },
    outcome: 'ok',
    codes: [],
    stale: 0,
    calls: new Map(calls.map((one) => [one.subgraph, one.calls])),
    callStats: calls,
    startedAt: 0,
    durationMs: index % 100,
  }),
  'provider.request': (index) => ({
    type: 'provider.request',
    subgraph: 'crm',
    operation: nameAt(index),
    batch: undefined,
    method: 'GET',
    host: 'api.example',
    isWrite: false,
    isRepeat: false,
    isBackground: false,
    startedAt: 0,
    durationMs: index % 100,
    status: 200,
    code: undefined,
    bytesSent: 0,
    bytesReceived: 100,
  }),
  'cache.read': (index) => ({
    type: 'cache.read',
    subgraph: 'crm',
    operation: nameAt(index),
    hits: 3,
    stale: 0,
    misses: 1,
    oldestMs: 0,
  }),
  'http.request': (index) => ({
    type: 'http.request',
    method: 'POST',
    route: '/graphql',
    status: 200,
    durationMs: index % 100,
  }),
};
for (const [name, createEvent] of Object.entries(EVENTS)) {
  const events = NAMES.map((_, index) => createEvent(index));
  print(
    `Event ${name}`,
    measure((index) => telemetry.emit(events[index % events.length] as TelemetryEvent)),
  );
}

// As many series as the labels that clients choose allow.
const createEvent = EVENTS['operation, with calls to three subgraphs'];
for (let index = 0; createEvent && index < 10_000; index += 1) {
  telemetry.emit({
    ...createEvent(index),
    operationName: `Name${index}`,
    client: { name: `${index}`, network: '' },
  } as TelemetryEvent);
}
const snapshot = metrics.read();
const count = Object.values({ ...snapshot.counters, ...snapshot.histograms }).flat().length;
const texts = Array.from({ length: 10 }, () => {
  const startedAt = performance.now();
  const text = toPrometheusText(metrics.read());
  return { ms: performance.now() - startedAt, bytes: text.length };
}).sort((one, other) => one.ms - other.ms);
console.log(
  `Reading ${count} series: ${texts[5]?.ms.toFixed(1)} ms, ${((texts[5]?.bytes ?? 0) / 1024).toFixed(0)} KiB`,
);
metrics.close();
await provider.shutdown();
