import { expect, test } from 'vitest';
import { monotonicNow } from '../../runtime/clock.ts';
import { createLog } from '../../runtime/log.ts';
import { FAILURE_CODES } from '../../telemetry/error-codes.ts';
import type {
  FetchEvent,
  OperationEvent,
  PermitEvent,
  ProviderRequestEvent,
  TelemetryEvent,
} from '../../telemetry/events.ts';
import { startTelemetry } from '../../telemetry/start.ts';
import type { BreakerState, ProviderState } from '../../telemetry/state.ts';
import { describeStatus, findDown } from '../../telemetry/status/describe.ts';
import type { Status } from '../../telemetry/status/format.ts';
import { createReadiness } from '../../telemetry/status/readiness.ts';
import { createStatusRecorder } from '../../telemetry/status/recorder.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';

/* What the status keeps of events, and for how long. */

const NOBODY = new Set<never>();

const START = 1_000_000;

/** Records events at times of its own. */
const startRecording = () => {
  let now = START;
  const recorder = createStatusRecorder(() => now);
  const { state, describeProvider } = createTelemetry();
  const report = () => ({ pid: 1, status: 'ok', record: recorder.read(), state: state() });
  return {
    advance: (ms: number) => {
      now += ms;
    },
    emit: (event: TelemetryEvent) => recorder.on(event, NOBODY),
    request: (event: Partial<ProviderRequestEvent> = {}) =>
      recorder.on({ ...REQUEST, startedAt: now - (event.durationMs ?? REQUEST.durationMs), ...event }, NOBODY),
    operation: (event: Partial<OperationEvent> = {}) =>
      recorder.on({ ...OPERATION, startedAt: now - OPERATION.durationMs, ...event }, NOBODY),
    fetch: (event: Partial<FetchEvent> = {}) =>
      recorder.on({ ...FETCH, startedAt: now - FETCH.durationMs, ...event }, NOBODY),
    permit: (event: Partial<PermitEvent> = {}) => recorder.on({ ...PERMIT, ...event }, NOBODY),
    describe: (provider: Partial<ProviderState>) => describeProvider(() => ({ ...PROVIDER, ...provider })),
    report,
    down: () => findDown(report()),
    read: (): Status =>
      describeStatus([report()], { product: '1', kind: 'gateway', sources: { payments: 'provider' } }),
  };
};

const REQUEST: ProviderRequestEvent = {
  type: 'provider.request',
  subgraph: 'payments',
  operation: 'GET /v1/customers',
  batch: undefined,
  method: 'GET',
  host: 'api.example',
  isWrite: false,
  isRepeat: false,
  isBackground: false,
  startedAt: 0,
  durationMs: 100,
  status: 200,
  code: undefined,
  bytesSent: 0,
  bytesReceived: 0,
};

const PERMIT: PermitEvent = {
  type: 'provider.permit',
  subgraph: 'payments',
  operation: 'GET /v1/customers',
  batch: undefined,
  isBackground: false,
  waitedMs: 0.1,
};

const PROVIDER: ProviderState = {
  subgraph: 'payments',
  queued: 0,
  running: 0,
  concurrency: 10,
  limits: [],
  breakers: [],
  retryBudget: 10,
  connections: { busy: 0, limit: 10 },
};

const FETCH: FetchEvent = {
  type: 'fetch',
  subgraph: 'payments',
  query: '{ customers { id } }',
  isRemote: false,
  spanId: undefined,
  entities: 0,
  errors: 0,
  codes: [],
  isAborted: false,
  startedAt: 0,
  durationMs: 10,
};

const OPERATION: OperationEvent = {
  type: 'operation',
  operationName: 'Customers',
  kind: 'query',
  hash: undefined,
  traceId: undefined,
  client: { name: 'api-key:web', network: '192.0.2.1' },
  outcome: 'ok',
  codes: [],
  stale: 0,
  calls: new Map(),
  callStats: [],
  startedAt: 0,
  durationMs: 10,
};

const callsOf = (calls: number): OperationEvent['calls'] => new Map([['payments', calls]]);

test('figures are those of the last five minutes, in steps of five seconds', () => {
  const { request, advance, read } = startRecording();
  const flow = () => read().subgraphs[0]?.requests;
  request();
  advance(5_000);
  request({ durationMs: 3_000 });
  request({ durationMs: 3_000 });
  expect(flow()).toMatchObject({ count: 3, failed: 0 });
  expect(flow()?.series.count.slice(-3)).toEqual([0, 1, 2]);
  expect(flow()?.p99Ms).toBeGreaterThan(2_700);
  expect(flow()?.p99Ms).toBeLessThan(3_300);
  expect(flow()?.series.p99Ms.at(-3)).toBeNull();
  advance(4 * 60_000 + 55_000);
  expect(flow()).toMatchObject({ count: 2 });
  expect(flow()?.series.count[0]).toBe(2);
  advance(60_000);
  expect(flow()).toMatchObject({ count: 0, p50Ms: null });
  // A pause of any length leaves nothing behind.
  advance(10 * 3_600_000);
  request();
  expect(flow()).toMatchObject({ count: 1 });
});

test.each([...FAILURE_CODES])(
  'five requests with %s and no success in 30 seconds are an outage, until a success or 30 seconds without any',
  (code) => {
    const { request, advance, down, read } = startRecording();
    for (let index = 0; index < 4; index += 1) request({ code });
    expect(down()).toEqual([]);
    expect(read().subgraphs[0]).toMatchObject({ health: 'failing', lastFailure: { code } });
    request({ code });
    expect(down()).toEqual(['payments']);
    expect(read().subgraphs[0]).toMatchObject({ health: 'down' });
    // Otherwise a replica without requests would never be asked again.
    advance(35_000);
    expect(down()).toEqual([]);
    for (let index = 0; index < 5; index += 1) request({ code });
    expect(down()).toEqual(['payments']);
    request();
    expect(down()).toEqual([]);
  },
);

test.each([
  'UPSTREAM_REJECTED',
  'UPSTREAM_NOT_FOUND',
  'UPSTREAM_RATE_LIMITED',
  'UPSTREAM_CANCELLED',
  'BUDGET_EXCEEDED',
])('%s is no failure of the provider', (code) => {
  const { request, read } = startRecording();
  for (let index = 0; index < 10; index += 1) request({ code });
  expect(read().subgraphs[0]).toMatchObject({ health: 'ok', requests: { failed: 0 }, lastFailure: null });
});

test.each(['UPSTREAM_OUTCOME_UNKNOWN', 'OVERLOADED', 'INTERNAL_SERVER_ERROR'])(
  'a subgraph in another process fails with %s, whatever else it answers with',
  (code) => {
    const { emit, down } = startRecording();
    const fetched = { type: 'fetch', subgraph: 'payments', query: '', isRemote: true, spanId: undefined } as const;
    for (let index = 0; index < 5; index += 1) {
      emit({
        ...fetched,
        entities: 0,
        errors: 2,
        codes: ['BAD_USER_INPUT', code],
        isAborted: false,
        startedAt: START,
        durationMs: 1,
      });
    }
    expect(down()).toEqual(['payments']);
  },
);

test.each<[string, Partial<FetchEvent>]>([
  ['a deadline of the client’s own', { codes: ['UPSTREAM_TIMEOUT'], isAborted: true }],
  ['a tenant without a credential', { codes: ['UPSTREAM_UNAUTHORIZED'] }],
])('%s says nothing of a subgraph', (_name, event) => {
  const { fetch, down } = startRecording();
  for (let index = 0; index < 20; index += 1) fetch({ errors: 1, ...event });
  expect(down()).toEqual([]);
  for (let index = 0; index < 5; index += 1) fetch({ errors: 1, codes: ['UPSTREAM_TIMEOUT'] });
  expect(down()).toEqual(['payments']);
});

test('requests that an open circuit breaker refuses count as failures', () => {
  const { emit, down } = startRecording();
  for (let index = 0; index < 5; index += 1) {
    emit({ type: 'provider.refusal', subgraph: 'payments', operation: 'x', batch: undefined, reason: 'circuit_open' });
  }
  expect(down()).toEqual(['payments']);
});

test('in an outage with a warm cache, fetches that succeed with stale values are no success of the provider', () => {
  const { request, fetch, advance, read } = startRecording();
  request();
  fetch();
  advance(60_000);
  for (let index = 0; index < 5; index += 1) {
    request({ code: 'UPSTREAM_UNAVAILABLE' });
    fetch();
    advance(1_000);
  }
  expect(read().subgraphs[0]).toMatchObject({
    health: 'down',
    lastSuccessS: 65,
    lastFailure: { code: 'UPSTREAM_UNAVAILABLE', ageS: 1 },
  });
});

test('of a subgraph in another process, the last success and failure are those of fetches', () => {
  const { fetch, advance, read } = startRecording();
  fetch({ subgraph: 'shipping' });
  advance(2_000);
  fetch({ subgraph: 'shipping', errors: 1, codes: ['UPSTREAM_TIMEOUT'] });
  expect(read().subgraphs[1]).toMatchObject({
    source: 'remote',
    lastSuccessS: 2,
    lastFailure: { code: 'UPSTREAM_TIMEOUT', ageS: 0 },
  });
});

test('a provider is slow if half of its requests take a second', () => {
  const { request, read } = startRecording();
  for (const durationMs of [200, 1_500, 1_600]) request({ durationMs });
  expect(read().subgraphs[0]).toMatchObject({ health: 'slow' });
});

test('an operation that is announced late takes nothing away', () => {
  const { operation, read } = startRecording();
  operation();
  operation({ startedAt: START - 60_000 });
  operation();
  expect(read().operations).toMatchObject([{ name: 'Customers', operations: 3 }]);
});

test('requests are waiting while a quota is used up and some are queued', () => {
  const { request, describe, read, down } = startRecording();
  request();
  const limits = [{ name: 'account', used: 25, limit: 25, windowMs: 1_000, pausedMs: 0 }];
  const stop = describe({ limits });
  expect(read().subgraphs[0]).toMatchObject({ health: 'ok' });
  stop();
  describe({ limits, queued: 3 });
  expect(read().subgraphs[0]).toMatchObject({
    health: 'waiting',
    reason: 'Quota account is used up, 3 requests waiting for it',
  });
  for (let index = 0; index < 5; index += 1) request({ code: 'UPSTREAM_TIMEOUT' });
  // Failures come first, and requests that wait are no outage.
  expect(read().subgraphs[0]).toMatchObject({ health: 'failing' });
  expect(down()).toEqual([]);
});

test('requests are waiting if one in a hundred waits more than a second for its permit, unless no client waits', () => {
  const { request, permit, advance, read, down } = startRecording();
  request();
  const health = () => read().subgraphs[0]?.health;
  for (let index = 0; index < 98; index += 1) permit();
  permit({ waitedMs: 4_000, isBackground: true });
  expect(read().subgraphs[0]).toMatchObject({ health: 'ok', waits: { p50Ms: 0.5, p99Ms: 0.5 } });
  for (let index = 0; index < 2; index += 1) permit({ waitedMs: 4_000 });
  expect(health()).toBe('waiting');
  expect(read().subgraphs[0]?.reason).toMatch(/^Requests waited up to [34]\.\d s \(p99\) for their permits/);
  expect(read().subgraphs[0]?.waits?.p50Ms).toBe(0.5);
  expect(read().subgraphs[0]?.waits?.p99Ms).toBeGreaterThan(3_600);
  expect(down()).toEqual([]);
  // The health is that of the last 30 seconds, the figures those of five minutes.
  advance(60_000);
  expect(health()).toBe('ok');
  expect(read().subgraphs[0]?.waits?.p99Ms).toBeGreaterThan(3_600);
});

test('10,000 names of operations and clients cost no memory, and hide no costly one', () => {
  const { operation, read, report, advance } = startRecording();
  operation({ operationName: 'Costly', client: { ...OPERATION.client, name: 'greedy' }, calls: callsOf(400) });
  for (let index = 0; index < 10_000; index += 1) {
    if (index % 500 === 0) advance(1_000);
    operation({ operationName: `Name${index}`, client: { ...OPERATION.client, name: `c${index}` }, calls: callsOf(1) });
  }
  operation({ operationName: 'Late', calls: callsOf(50) });
  expect(JSON.stringify(report()).length).toBeLessThan(20_000);
  const { operations, clients } = read();
  expect(operations).toHaveLength(21);
  expect(operations.slice(0, 2)).toMatchObject([
    { name: 'Costly', calls: 400 },
    { name: 'Late', calls: 50 },
  ]);
  expect(operations.at(-1)?.name).toBe('(other)');
  expect(operations.reduce((sum, one) => sum + one.operations, 0)).toBe(10_002);
  expect(operations.reduce((sum, one) => sum + one.calls, 0)).toBe(10_450);
  expect(clients[0]).toMatchObject({ name: 'greedy', calls: 400 });
  // They are forgotten, too, in five minutes.
  advance(300_000);
  expect(read().operations).toEqual([]);
});

test('subgraphs and codes are bounded, and names are cut', () => {
  const { request, emit, operation, report, read } = startRecording();
  for (let index = 0; index < 1_000; index += 1) {
    request({ subgraph: `s${index}` });
    emit({ type: 'refusal', code: `C${index}`, network: '', traceId: undefined });
  }
  operation({ operationName: 'x'.repeat(100_000), outcome: 'error', codes: ['y'.repeat(100_000)] });
  expect(report().record.subgraphs).toHaveLength(101);
  expect(report().record.refusals.length).toBeLessThanOrEqual(51);
  expect(JSON.stringify(read()).length).toBeLessThan(200_000);
});

test('the operations of a provider with the most requests are named, and with the others they are all requests', () => {
  const { request, report, read, advance } = startRecording();
  for (let index = 0; index < 8; index += 1) {
    for (let times = 0; times <= index; times += 1) request({ operation: `GET /${index}`, durationMs: 50 });
  }
  request({ operation: 'GET /7', code: 'UPSTREAM_TIMEOUT', durationMs: 50 });
  const { operations, requests } = read().subgraphs[0] ?? {};
  expect(operations?.map(({ name, count, failed }) => [name, count, failed])).toEqual([
    ['GET /7', 9, 1],
    ['GET /6', 7, 0],
    ['GET /5', 6, 0],
    ['GET /4', 5, 0],
    ['GET /3', 4, 0],
    ['(other)', 6, 0],
  ]);
  expect(requests?.count).toBe(37);
  for (const { p50Ms } of operations ?? []) expect(Math.abs((p50Ms ?? 0) - 50)).toBeLessThan(5);
  for (let index = 0; index < 1_000; index += 1) request({ operation: `GET /${index}` });
  expect(report().record.subgraphs[0]?.operations).toHaveLength(21);
  expect(read().subgraphs[0]?.operations.reduce((sum, { count }) => sum + count, 0)).toBe(1_037);
  advance(300_000);
  expect(read().subgraphs[0]?.operations).toEqual([]);
});

test('several processes are added up, and the oldest stale value is the oldest of all', () => {
  const [one, other] = [startRecording(), startRecording()];
  for (const { request, emit, operation } of [one, other]) {
    request();
    operation({ calls: callsOf(2) });
    const oldestMs = emit === one.emit ? 4_000 : 9_000;
    emit({ type: 'cache.read', subgraph: 'payments', operation: 'x', hits: 2, stale: 1, misses: 1, oldestMs });
  }
  const reports = [one.report(), other.report(), { pid: 3, status: 'unresponsive' }];
  const status = describeStatus(reports, { product: '1', kind: 'gateway', sources: { payments: 'provider' } });
  expect(status.subgraphs).toMatchObject([
    {
      requests: { count: 2 },
      operations: [{ name: 'GET /v1/customers', count: 2, failed: 0 }],
      cache: { hits: 4, stale: 2, misses: 2, hitRatio: 0.75, oldestStaleS: 9 },
    },
  ]);
  expect(status.operations).toEqual([{ name: 'Customers', operations: 2, errors: 0, calls: 4, timeMs: 20 }]);
  expect(status.processes.map(({ status: state }) => state)).toEqual(['ok', 'ok', 'unresponsive']);
});

test('the use of a quota is the sum of what processes have used of it, and a breaker is as open as the furthest', () => {
  const reportOf = (used: number, state: BreakerState['state']) => ({
    ...startRecording().report(),
    state: {
      ...createTelemetry().state(),
      providers: [
        {
          subgraph: 'payments',
          queued: 1,
          running: 2,
          concurrency: 3,
          limits: [{ name: 'account', used, limit: 100, windowMs: 1_000, pausedMs: used * 100 }],
          breakers: [{ operation: 'GET /v1/customers', state }],
          retryBudget: 10,
          connections: { busy: 0, limit: 3 },
          credentials: 1,
        },
      ],
    },
  });
  const reports = [reportOf(30, 'half_open'), reportOf(50, 'open'), reportOf(0, 'closed')];
  const status = describeStatus(reports, { product: '1', kind: 'gateway', sources: { payments: 'provider' } });
  expect(status.subgraphs).toMatchObject([
    {
      limits: [{ name: 'account', used: 80, limit: 100, pausedS: 5 }],
      breakers: [{ operation: 'GET /v1/customers', state: 'open' }],
      queue: { queued: 3, running: 6, concurrency: 9 },
    },
  ]);
});

test('readiness reads the report at most once a second', () => {
  let reads = 0;
  const { report } = startRecording();
  const assess = createReadiness('providers', () => {
    reads += 1;
    return report();
  });
  for (let count = 0; count < 1_000; count += 1) expect(assess()).toEqual({});
  expect(reads).toBeLessThan(100);
});

test('nothing is recorded where nobody can see it', async () => {
  const off = { admin: undefined, metrics: undefined, traces: undefined };
  const log = createLog('silent');
  expect((await startTelemetry({ ...off, readiness: 'process' }, log)).report).toBeUndefined();
  const { telemetry, report, close } = await startTelemetry({ ...off, readiness: 'providers' }, log);
  telemetry.emit({ ...REQUEST, startedAt: monotonicNow() });
  expect(report?.().record.subgraphs).toMatchObject([{ subgraph: 'payments' }]);
  await close();
});
