import { EventEmitter } from 'node:events';
import { inspect } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { monotonicNow } from '../../runtime/clock.ts';
import { createLog, type Log } from '../../runtime/log.ts';
import type { BatchEvent, OperationEvent, ProviderRequestEvent } from '../../telemetry/events.ts';
import { createRequestLog, MAX_CHEAP } from '../../telemetry/request-log.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';
import { MAX_BATCH, MAX_QUEUED } from '../../telemetry/traces/exporter.ts';
import { MAX_EVENTS, type RequestTrace } from '../../telemetry/traces/request-trace.ts';
import { MAX_NOTABLE } from '../../telemetry/traces/sampling.ts';
import { MAX_LINKS } from '../../telemetry/traces/shared-requests.ts';
import { startTracing } from '../../telemetry/traces/tracing.ts';
import { type CollectedSpan, type Collector, startCollector } from '../helpers/trace-collector.ts';

/* How much memory traces may take: of one request, of one shared provider request, and while the collector is slow. */

let collector: Collector;
beforeAll(async () => {
  collector = await startCollector();
});
afterAll(() => collector.close());

const start = (sampler: 'always_on' | 'always_off' = 'always_on', log: Log = createLog('silent')) => {
  const telemetry = createTelemetry();
  const tracing = startTracing(
    {
      url: `${collector.url}/v1/traces`,
      headers: () => ({}),
      watch: () => () => {},
      resource: {},
      sampler,
      ratio: 1,
      slowMs: 60_000,
    },
    { telemetry, log },
  );
  const begin = (statusCode = 200, headers: Readonly<Record<string, string>> = {}) => {
    const response = Object.assign(new EventEmitter(), { statusCode, writableFinished: true });
    const request = {
      headers,
      method: 'POST',
      route: '/graphql',
      scheme: 'http',
      startedAt: monotonicNow(),
    } as const;
    const trace = tracing.begin(request);
    trace.follow(response);
    return { trace, end: () => response.emit('close') };
  };
  return { telemetry, begin, close: tracing.close };
};

const operation = { subgraph: 'crm', operation: 'GET /contacts' } as const;
const batch = (): BatchEvent => ({ type: 'batch', ...operation, keys: 1, batchSize: 100, startedAt: monotonicNow() });
const providerRequest = (of?: BatchEvent): ProviderRequestEvent => ({
  type: 'provider.request',
  ...operation,
  batch: of,
  method: 'GET',
  host: 'crm.example',
  isWrite: false,
  isRepeat: false,
  isBackground: of === undefined,
  startedAt: monotonicNow(),
  durationMs: 1,
  status: 200,
  code: undefined,
  bytesSent: 0,
  bytesReceived: 0,
});

const spansOf = async (traceId: string): Promise<readonly CollectedSpan[]> => {
  await expect.poll(() => collector.trace(traceId).length, { timeout: 60_000 }).toBeGreaterThan(0);
  return collector.trace(traceId);
};

const isRoot = ({ kind }: CollectedSpan): boolean => kind === 2;

test('a request keeps the first events, and counts the others', async () => {
  const { begin, close } = start();
  onTestFinished(close);
  const { trace, end } = begin();
  for (let count = 0; count < MAX_EVENTS + 500; count += 1) {
    trace.on({ type: 'cache.read', ...operation, hits: 1, stale: 0, misses: 0, oldestMs: 0 });
  }
  end();
  expect((await spansOf(trace.traceId)).find(isRoot)).toMatchObject({ droppedEventsCount: 500 });
  expect(trace.events).toEqual([]);
});

test('a shared provider request is linked to the first requests, and counts the others', async () => {
  const { begin, telemetry, close } = start();
  onTestFinished(close);
  const requests = Array.from({ length: MAX_LINKS + 50 }, () => begin());
  telemetry.emit(providerRequest(batch()), new Set<RequestTrace>(requests.map(({ trace }) => trace)));
  for (const { end } of requests) end();
  const [first] = requests;
  const spans = await spansOf(first?.trace.traceId ?? '');
  expect(spans.find(({ kind }) => kind === 3)).toMatchObject({ droppedLinksCount: 50 });
  expect(spans.find(({ kind }) => kind === 3)?.links).toHaveLength(MAX_LINKS);
});

test('only so many spans wait for the collector', { tags: ['long'] }, async () => {
  const { telemetry, close } = start();
  onTestFinished(close);
  const before = collector.spans().length;
  // Nothing is sent before this turn of the event loop has ended.
  for (let count = 0; count < 3 * MAX_QUEUED; count += 1) telemetry.emit(providerRequest());
  await expect.poll(() => collector.spans().length - before, { timeout: 60_000 }).toBeGreaterThanOrEqual(MAX_QUEUED);
  // Spans are sent in order, so that nothing is left when this one has arrived.
  telemetry.emit({ ...providerRequest(), operation: 'last' });
  await expect.poll(() => collector.spans().some(({ name }) => name === 'last'), { timeout: 60_000 }).toBe(true);
  // A batch can be on its way beside those in the queue.
  expect(collector.spans().length - before).toBeLessThan(1.25 * MAX_QUEUED);
});

test('spans that are dropped because too many wait are counted in the log, once a minute', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const log = createLog('silent');
  const entries: unknown[] = [];
  log.warn = (entry: unknown) => void entries.push(entry);
  const { telemetry, close } = start('always_on', log);
  const total = 3 * MAX_QUEUED;
  for (let count = 0; count < total; count += 1) telemetry.emit(providerRequest());
  vi.advanceTimersByTime(60_000);
  vi.useRealTimers();
  // One batch is on its way.
  const dropped = total - MAX_QUEUED - MAX_BATCH;
  expect(entries).toEqual([
    { spans: 1, why: 'queue_full' },
    { spans: dropped - 1, why: 'queue_full' },
  ]);
  await close();
});

test('of requests that cost nothing to send, only so many are logged, and the others counted', () => {
  const log = createLog('silent');
  const lines: Record<string, unknown>[] = [];
  log.info = (line: object) => void lines.push({ ...line });
  const telemetry = createTelemetry();
  onTestFinished(telemetry.listen(createRequestLog({ share: 1, slowMs: 60_000, log })));
  const failed = (name: string): OperationEvent => ({
    type: 'operation',
    operationName: 'Invalid',
    kind: undefined,
    hash: undefined,
    traceId: undefined,
    client: { name, network: '127.0.0.1' },
    outcome: 'error',
    codes: ['GRAPHQL_VALIDATION_FAILED'],
    stale: 0,
    calls: new Map(),
    callStats: [],
    startedAt: monotonicNow(),
    durationMs: 1,
  });
  const total = 20 * MAX_CHEAP.atOnce;
  for (let count = 0; count < total; count += 1) telemetry.emit(failed('anonymous'));
  expect(lines.length).toBeGreaterThanOrEqual(MAX_CHEAP.atOnce);
  expect(lines.length).toBeLessThan(total / 2);
  const before = lines.length;
  for (let count = 0; count < MAX_CHEAP.atOnce; count += 1) telemetry.emit(failed('api-key:web'));
  expect(lines).toHaveLength(before + MAX_CHEAP.atOnce);
});

test('a trace keeps no headers of its request', async () => {
  const { begin, close } = start();
  onTestFinished(close);
  const { trace } = begin(200, { authorization: 'a-secret', traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` });
  expect(trace.parent?.spanId).toBe('b'.repeat(16));
  expect(inspect(trace, { depth: null, showHidden: true })).not.toContain('a-secret');
});

test('of the requests that are not sampled, only so many are exported for their errors', {
  tags: ['long'],
}, async () => {
  const { begin, close } = start('always_off');
  onTestFinished(close);
  const ids = new Set<string>();
  for (let count = 0; count < 3 * MAX_NOTABLE.atOnce; count += 1) {
    const { trace, end } = begin(500);
    ids.add(trace.traceId);
    end();
  }
  const exported = () => collector.spans().filter(({ traceId }) => ids.has(traceId)).length;
  await expect.poll(exported, { timeout: 60_000 }).toBeGreaterThanOrEqual(MAX_NOTABLE.atOnce);
  // More become free while the loop runs.
  expect(exported()).toBeLessThan(2 * MAX_NOTABLE.atOnce);
});
