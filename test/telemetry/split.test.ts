import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { startHttpServer } from '../helpers/http-server.ts';
import { type Spawned, startProcess } from '../helpers/processes.ts';
import { sandboxEnvironment } from '../helpers/sandboxes.ts';
import { type Stack, startStack } from '../helpers/stack.ts';
import { type CollectedSpan, type Collector, startCollector, toTree } from '../helpers/trace-collector.ts';

/* One trace across the gateway and a subgraph in another process. */

const POLL = { timeout: 60_000, interval: 20 };
const SEARCH = 'GET /v1/customers/search';

let collector: Collector;
let stack: Stack;
let payments: Spawned;
let gateway: Pick<Stack, 'url' | 'ask' | 'close'>;

beforeAll(async () => {
  collector = await startCollector();
  const telemetry = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
  stack = await startStack();
  payments = startProcess(['node', 'subgraphs/main.ts'], {
    SUBGRAPHS: 'payments',
    CACHE_MAX_MIB: '0',
    PORT: '0',
    ...telemetry,
    ...sandboxEnvironment('stripe', stack.stripe),
  });
  const answersAt = () => /payments answers at (\S+)/.exec(payments.output())?.[1];
  await vi.waitFor(() => expect(answersAt()).toBeDefined(), 120_000);
  gateway = await stack.startAnother({ ...telemetry, PAYMENTS_URL: answersAt() ?? '' });
});
afterAll(async () => {
  await gateway?.close();
  await stack?.close();
  await payments?.stop();
  await collector?.close();
});
beforeEach(() => stack.reset());

const createCaller = (isSampled = true) => {
  const traceId = randomBytes(16).toString('hex');
  return { traceId, traceparent: `00-${traceId}-b7ad6b7169203331-${isSampled ? '01' : '00'}` };
};

const QUERY = 'query Balance { customer(email: "ada.lindqvist@customers.example") { balance { amount } } }';

const isServer = ({ kind }: CollectedSpan): boolean => kind === 2;

test('the subgraph continues the trace of the gateway’s fetch', async () => {
  const { traceId, traceparent } = createCaller();
  const { errors } = await gateway.ask(QUERY, undefined, { headers: { traceparent, tracestate: 'vendor=1' } });
  expect(errors).toBeUndefined();
  await expect.poll(() => collector.trace(traceId).filter(isServer).length, POLL).toBe(2);
  const spans = collector.trace(traceId);
  const withoutWaits = spans.filter(({ name }) => name !== 'wait for a permit');
  const tree = toTree(withoutWaits);
  expect(tree.slice(tree.indexOf('  gateway: fetch payments'))).toEqual([
    '  gateway: fetch payments',
    '    payments: POST /payments',
    `      payments: batch ${SEARCH}`,
    `        payments: ${SEARCH}`,
  ]);
  const fetched = spans.find(({ name }) => name === 'fetch payments');
  expect(fetched).toMatchObject({ kind: 3, attributes: { 'http.request.method': 'POST' } });
  const served = spans.find(({ name }) => name === 'POST /payments');
  expect(served).toMatchObject({
    kind: 2,
    // The parent is in another process.
    flags: 0x301,
    parentSpanId: fetched?.spanId,
    traceState: 'vendor=1',
    attributes: { 'http.route': '/payments', 'graphql.operation.type': 'query', 'tributary.outcome': 'ok' },
  });
});

test('a request that is not sampled is exported by the process in which it fails', async () => {
  const { traceId, traceparent } = createCaller(false);
  stack.stripe.fail({ on: SEARCH, status: 500 });
  await gateway.ask(QUERY, undefined, { headers: { traceparent } });
  await expect.poll(() => collector.trace(traceId).filter(isServer).length, POLL).toBe(2);
  expect(collector.trace(traceId).find(({ name }) => name === 'POST /payments')).toMatchObject({
    status: { code: 2, message: 'UPSTREAM_UNAVAILABLE' },
  });
  const failed = collector.trace(traceId).filter(({ name }) => name === SEARCH);
  expect(failed.map(({ service }) => service)).toContain('tributary-payments');
});

test('the subgraph’s log names the trace of an error', async () => {
  const { traceId, traceparent } = createCaller();
  stack.stripe.fail({ on: SEARCH, status: 500 });
  await gateway.ask(QUERY, undefined, { headers: { traceparent } });
  await expect.poll(() => payments.output(), POLL).toContain(traceId);
  const line = payments
    .output()
    .split('\n')
    .find((one) => one.includes(traceId));
  expect(JSON.parse(line ?? '')).toMatchObject({ trace: traceId, code: 'UPSTREAM_UNAVAILABLE', subgraph: 'payments' });
});

test('an invalid trace context does not reach a subgraph, nor does that which came with it', async () => {
  const received: NodeJS.Dict<string | string[]>[] = [];
  const subgraph = await startHttpServer((request, response) => {
    received.push(request.headers);
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"data":{"_entities":[null]}}');
  });
  const headers = { traceparent: 'canary', tracestate: 'vendor=1', 'x-request-id': 'r-1' };
  for (const endpoint of [collector.url, '']) {
    const other = await stack.startAnother({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, PAYMENTS_URL: subgraph.url });
    await other.ask(QUERY, undefined, { headers });
    await other.close();
  }
  await subgraph.close();
  expect(received[0]).toMatchObject({
    traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/),
    'x-request-id': 'r-1',
  });
  expect(received[0]).not.toHaveProperty('tracestate');
  // With tracing off, all are passed on as they are.
  expect(received[1]).toMatchObject(headers);
});

test('providers receive no trace context', async () => {
  const { traceparent } = createCaller();
  const received: string[] = [];
  const provider = await startHttpServer((request, response) => {
    received.push(...request.rawHeaders);
    response.writeHead(500).end();
  });
  const other = await stack.startAnother({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    ...sandboxEnvironment('stripe', provider),
  });
  await other.ask(QUERY, undefined, { headers: { traceparent, tracestate: 'vendor=1' } });
  await other.close();
  await provider.close();
  expect(received.length).toBeGreaterThan(0);
  expect(received.join('\n')).not.toMatch(/traceparent|tracestate/i);
});
