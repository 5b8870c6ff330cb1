import { monotonicNow } from '../runtime/clock.ts';
import type { TelemetryEvent } from '../telemetry/events.ts';
import { createStatusRecorder } from '../telemetry/status/recorder.ts';
import { createTelemetry } from '../telemetry/telemetry.ts';

/* Measures what the status recorder takes for each event, in nanoseconds: medians of rounds. Also the size of what it reads. */

const ROUNDS = 9;
const EVENTS = 200_000;
const SUBGRAPHS = ['payments', 'crm', 'inventory'];

const ROW = {
  calls: 2,
  retries: 0,
  failures: 0,
  keys: 10,
  hits: 4,
  stale: 0,
  misses: 2,
  waitMs: 0,
  timeMs: 40,
  bytesSent: 100,
  bytesReceived: 1_000,
};

const CASES: Readonly<Record<string, (index: number) => TelemetryEvent>> = {
  'provider.request': (index) => ({
    type: 'provider.request',
    subgraph: SUBGRAPHS[index % 3] ?? '',
    operation: 'GET /v1/customers',
    batch: undefined,
    method: 'GET',
    host: 'api.example',
    isWrite: false,
    isRepeat: false,
    isBackground: false,
    startedAt: monotonicNow(),
    durationMs: index % 700,
    status: 200,
    code: index % 50 === 0 ? 'UPSTREAM_TIMEOUT' : undefined,
    bytesSent: 10,
    bytesReceived: 1_000,
  }),
  'cache.read': (index) => ({
    type: 'cache.read',
    subgraph: SUBGRAPHS[index % 3] ?? '',
    operation: 'accounts',
    hits: 3,
    stale: 1,
    misses: 1,
    oldestMs: index % 5_000,
  }),
  operation: (index) => operation(`Operation${index % 30}`, `api-key:${index % 10}`),
  'operation, each with another name': (index) => operation(`Operation${index}`, `api-key:${index}`),
  refusal: () => ({ type: 'refusal', code: 'OVERLOADED', network: '', traceId: undefined }),
};

const operation = (operationName: string, name: string): TelemetryEvent => ({
  type: 'operation',
  operationName,
  kind: 'query',
  hash: undefined,
  traceId: undefined,
  client: { name, network: '' },
  outcome: 'ok',
  codes: [],
  stale: 0,
  calls: new Map(SUBGRAPHS.map((subgraph) => [subgraph, 1])),
  callStats: SUBGRAPHS.map((subgraph) => ({ subgraph, operation: 'GET /v1/customers', ...ROW })),
  startedAt: monotonicNow(),
  durationMs: 20,
});

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0;

const timeOf = (events: readonly TelemetryEvent[], emit: (event: TelemetryEvent) => void): number => {
  const before = process.cpuUsage();
  for (const event of events) emit(event);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1_000) / events.length;
};

for (const [name, create] of Object.entries(CASES)) {
  const events = Array.from({ length: EVENTS }, (_, index) => create(index));
  const [without, withRecorder] = [createTelemetry(), createTelemetry()];
  withRecorder.listen(createStatusRecorder());
  const rounds = Array.from({ length: ROUNDS }, () => {
    const none = timeOf(events, without.emit);
    return timeOf(events, withRecorder.emit) - none;
  });
  console.log(`${name.padEnd(36)} ${Math.round(median(rounds))} ns`);
}

const recorder = createStatusRecorder();
for (const create of Object.values(CASES))
  for (let index = 0; index < 20_000; index += 1) recorder.on(create(index), new Set());
const start = performance.now();
const text = JSON.stringify(recorder.read());
console.log(`reading takes ${(performance.now() - start).toFixed(1)} ms, ${(text.length / 1024).toFixed(1)} KiB`);
