import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import { auditFile, readRecords } from '../helpers/audit.ts';
import { startHttpServer } from '../helpers/http-server.ts';
import { type Stack, startStack } from '../helpers/stack.ts';
import { type CollectedSpan, type Collector, startCollector, toTree } from '../helpers/trace-collector.ts';

/* Traces as a collector receives them. SpanKind: 1 internal, 2 server, 3 client. Status: 0 unset, 2 error. */

const POLL = { timeout: 60_000, interval: 20 };

let collector: Collector;
let stack: Stack;

beforeAll(async () => {
  collector = await startCollector();
  stack = await startStack({
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, CACHE_MAX_MIB: '16', HUBSPOT_CONCURRENCY: '1' },
  });
});

afterEach(() => stack.reset());

afterAll(async () => {
  await stack?.close();
  await collector?.close();
});

/** A caller's trace. */
const createCaller = (isSampled = true) => {
  const traceId = randomBytes(16).toString('hex');
  const spanId = randomBytes(8).toString('hex');
  return { traceId, spanId, headers: { traceparent: `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}` } };
};

const isRoot = ({ kind }: CollectedSpan): boolean => kind === 2;

/** Waits for the spans of a trace that match. */
const spansOf = async (traceId: string, matches: (span: CollectedSpan) => boolean = isRoot, count = 1) => {
  await expect.poll(() => collector.trace(traceId).filter(matches).length, POLL).toBe(count);
  return collector.trace(traceId);
};

const only = (spans: readonly CollectedSpan[], matches: (span: CollectedSpan) => boolean): CollectedSpan => {
  const found = spans.filter(matches);
  expect(found).toHaveLength(1);
  return found[0] as CollectedSpan;
};

/** Starts another gateway with these variables over the same sandboxes. */
const startWith = async (env: Record<string, string>) => {
  const other = await stack.startAnother(env);
  onTestFinished(other.close);
  return other;
};

const PRODUCT = '{ product(sku: "OABR-S") { stock { quantity } } }';
const STOCK = 'catalogInventoryStockItemList';
const isStockRequest = ({ name }: CollectedSpan): boolean => name === STOCK;

const OVERVIEW = `query Overview {
  customer(email: "ada.lindqvist@customers.example") { firstName company { name } balance { amount } }
}`;

test('one trace leads from the request through plan, fetches and batches to the provider requests', async () => {
  const { traceId, spanId, headers } = createCaller();
  const { errors } = await stack.ask(OVERVIEW, undefined, { headers });
  expect(errors).toBeUndefined();
  const spans = await spansOf(traceId);
  const contacts = 'POST /crm/objects/2026-09/contacts/batch/read';
  const associations = 'POST /crm/associations/2026-09/contacts/companies/batch/read';
  const companies = 'POST /crm/objects/2026-09/companies/batch/read';
  expect(toTree(spans.filter(({ name }) => name !== 'wait for a permit'))).toEqual([
    'gateway: POST /graphql',
    '  gateway: plan',
    '  gateway: fetch crm',
    `    gateway: batch ${contacts}`,
    `      gateway: ${contacts}`,
    `    gateway: batch ${associations}`,
    `      gateway: ${associations}`,
    `    gateway: batch ${companies}`,
    `      gateway: ${companies}`,
    '  gateway: fetch payments',
    '    gateway: batch GET /v1/customers/search',
    '      gateway: GET /v1/customers/search',
  ]);
  const root = only(spans, isRoot);
  expect(root).toMatchObject({
    parentSpanId: spanId,
    status: { code: 0 },
    attributes: {
      'http.request.method': 'POST',
      'http.route': '/graphql',
      'http.response.status_code': 200,
      'graphql.operation.name': 'Overview',
      'graphql.operation.type': 'query',
      'tributary.outcome': 'ok',
    },
  });
  // The parent is in another process: OTLP's flags 0x100 and 0x200 say so.
  expect(root.flags).toBe(0x301);
  expect(only(spans, ({ name }) => name === 'fetch crm')).toMatchObject({
    kind: 1,
    flags: 0x101,
    attributes: { 'tributary.subgraph': 'crm' },
    events: expect.arrayContaining([
      expect.objectContaining({
        name: 'cache.read',
        attributes: expect.objectContaining({ 'tributary.provider.operation': contacts, 'tributary.misses': 1 }),
      }),
    ]),
  });
  expect(only(spans, ({ name }) => name === contacts)).toMatchObject({
    kind: 3,
    attributes: {
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'server.address': '127.0.0.1',
      'server.port': Number(new URL(stack.hubspot.url).port),
    },
  });
});

test('spans lie within their parents, on the wall clock', async () => {
  const { traceId, headers } = createCaller();
  const before = BigInt(Date.now()) * 1_000_000n;
  await stack.ask(PRODUCT, undefined, { headers });
  const spans = await spansOf(traceId);
  // The clocks of JavaScript are rounded.
  const slack = 2_000_000n;
  const now = BigInt(Date.now()) * 1_000_000n;
  for (const { startTimeUnixNano, endTimeUnixNano, parentSpanId } of spans) {
    const [start, end] = [BigInt(startTimeUnixNano), BigInt(endTimeUnixNano)];
    expect(end).toBeGreaterThanOrEqual(start);
    expect(start).toBeGreaterThanOrEqual(before - slack);
    expect(end).toBeLessThanOrEqual(now + slack);
    const parent = spans.find(({ spanId }) => spanId === parentSpanId);
    if (!parent) continue;
    expect(start).toBeGreaterThanOrEqual(BigInt(parent.startTimeUnixNano) - slack);
    expect(end).toBeLessThanOrEqual(BigInt(parent.endTimeUnixNano) + slack);
  }
});

describe('given a batch that serves several clients', () => {
  const people = createCompany().people.map(({ id }) => id);
  const LIST = 'GET /crm/objects/2026-09/deals';
  const READ = 'POST /crm/objects/2026-09/contacts/batch/read';
  const isRead = ({ name }: CollectedSpan): boolean => name === READ;

  /** Sends requests whose keys are read in one batch: the one connection is taken until all keys are collected. */
  const askTogether = async (callers: readonly ReturnType<typeof createCaller>[], keys: readonly string[]) => {
    const first = Promise.withResolvers<void>();
    stack.hubspot.fail({ on: LIST, until: first.promise });
    const before = stack.ask(`{ deals(first: ${1 + people.indexOf(keys[0] ?? '')}) { edges { cursor } } }`);
    await expect.poll(() => stack.hubspot.calls.length, POLL).toBe(1);
    const answers: Promise<unknown>[] = [];
    for (const [index, caller] of callers.entries()) {
      // A read from another provider shows that the request has got as far as its fetches.
      const query = `{ customer(id: "${keys[index]}") { firstName } payment(id: "pi_${keys[index]}") { id } }`;
      answers.push(stack.ask(query, undefined, caller));
      await expect.poll(() => stack.stripe.calls.length, POLL).toBe(answers.length);
    }
    first.resolve();
    await Promise.all([before, ...answers]);
    expect(stack.hubspot.calls.map(({ keys: read }) => read.length)).toEqual([0, callers.length]);
  };

  test('then its span belongs to one trace, and is linked to all requests; the other trace is linked to it', async () => {
    const callers = [createCaller(), createCaller()] as const;
    await askTogether(callers, people.slice(0, 2));
    const traces = await Promise.all(callers.map(({ traceId }) => spansOf(traceId)));
    const owner = traces.find((spans) => spans.some(isRead)) ?? [];
    const other = traces.find((spans) => !spans.some(isRead)) ?? [];
    const request = only(owner, isRead);
    const idsOf = ({ traceId, spanId }: { readonly traceId: string; readonly spanId: string }) => ({ traceId, spanId });
    const inOrder = (ids: ReturnType<typeof idsOf>[]) => ids.sort((a, b) => a.traceId.localeCompare(b.traceId));
    expect(inOrder(request.links.map(idsOf))).toEqual(inOrder(traces.map((spans) => idsOf(only(spans, isRoot)))));
    for (const spans of [owner, other]) {
      const batch = only(spans, ({ name }) => name === `batch ${READ}`);
      expect(batch.attributes).toMatchObject({ 'tributary.batch.keys': 2, 'tributary.batch.size': 100 });
      expect(batch.parentSpanId).toBe(only(spans, ({ name }) => name === 'fetch crm').spanId);
      const isWait = ({ name, attributes }: CollectedSpan): boolean =>
        name === 'wait for a permit' && attributes['tributary.provider.operation'] === READ;
      expect(only(spans, isWait).parentSpanId).toBe(batch.spanId);
      expect(batch.links.map(idsOf)).toEqual(spans === owner ? [] : [idsOf(request)]);
    }
  });

  test('then it belongs to the one that is exported, if the others are not', async () => {
    const callers = [createCaller(false), createCaller(true), createCaller(false)] as const;
    await askTogether(callers, people.slice(2, 5));
    const spans = await spansOf(callers[1].traceId);
    const { links } = only(spans, isRead);
    expect(links.map(({ traceId }) => traceId).sort()).toEqual(callers.map(({ traceId }) => traceId).sort());
    expect(collector.trace(callers[0].traceId)).toEqual([]);
    expect(collector.trace(callers[2].traceId)).toEqual([]);
  });
});

test('a failed provider request and its retry are errors with their codes', async () => {
  stack.openmage.fail({ on: STOCK, status: 503, times: 1 });
  const { traceId, headers } = createCaller();
  const { errors } = await stack.ask('{ product(sku: "ZIWA-XL") { stock { quantity } } }', undefined, { headers });
  expect(errors).toBeUndefined();
  const spans = await spansOf(traceId);
  const [failed, repeated] = spans.filter(isStockRequest);
  expect(failed).toMatchObject({
    status: { code: 2, message: 'UPSTREAM_UNAVAILABLE' },
    attributes: { 'http.response.status_code': 503, 'error.type': 'UPSTREAM_UNAVAILABLE' },
  });
  expect(repeated).toMatchObject({ status: { code: 0 }, attributes: { 'tributary.repeat': true } });
  const batch = only(spans, ({ spanId }) => spanId === failed?.parentSpanId);
  expect(batch.spanId).toBe(repeated?.parentSpanId);
  expect(batch.events).toMatchObject([
    { name: 'provider.retry', attributes: { 'error.type': 'UPSTREAM_UNAVAILABLE' } },
  ]);
  // The client got its answer.
  expect(only(spans, isRoot).status).toEqual({ code: 0 });
});

test('a request with errors is an error with their codes', async () => {
  stack.openmage.fail({ on: STOCK, status: 500 });
  const { traceId, headers } = createCaller();
  await stack.ask('{ product(sku: "OABR-M") { name stock { quantity } } }', undefined, { headers });
  const spans = await spansOf(traceId);
  for (const span of [only(spans, isRoot), only(spans, ({ name }) => name === 'fetch inventory')]) {
    expect(span).toMatchObject({
      status: { code: 2, message: 'UPSTREAM_UNAVAILABLE' },
      attributes: { 'error.type': 'UPSTREAM_UNAVAILABLE' },
    });
  }
  expect(only(spans, isRoot).attributes).toMatchObject({
    'tributary.outcome': 'partial',
    'tributary.error.codes': ['UPSTREAM_UNAVAILABLE'],
  });
});

test('an error that is the client’s fault is none of the server, also in a response with data', async () => {
  const { traceId, headers } = createCaller();
  const { status, errors } = await stack.ask(
    'query Faulty { payments(first: -1) { edges { cursor } } product(sku: "OABR-S") { sku } }',
    undefined,
    { headers },
  );
  expect([status, errors?.[0]?.extensions?.['code']]).toEqual([200, 'BAD_USER_INPUT']);
  expect(only(await spansOf(traceId), isRoot)).toMatchObject({
    status: { code: 0 },
    attributes: { 'http.response.status_code': 200, 'error.type': 'BAD_USER_INPUT' },
  });
  // It takes no place among the traces that are exported for their errors.
  const unsampled = createCaller(false);
  await stack.ask('{ payments(first: -1) { edges { cursor } } }', undefined, { headers: unsampled.headers });
  const next = createCaller();
  await stack.ask('{ __typename }', undefined, { headers: next.headers });
  await spansOf(next.traceId);
  expect(collector.trace(unsampled.traceId)).toEqual([]);
});

test('a refused request is no failure of the server', async () => {
  const [invalid, refused] = [createCaller(), createCaller()];
  await stack.ask('{ nothing }', undefined, invalid);
  await fetch(`${stack.url}/graphql`, { method: 'POST', headers: { ...refused.headers, 'content-type': 'text/csv' } });
  expect(only(await spansOf(invalid.traceId), isRoot)).toMatchObject({
    status: { code: 0 },
    attributes: { 'http.response.status_code': 400, 'error.type': 'GRAPHQL_VALIDATION_FAILED' },
  });
  expect(only(await spansOf(refused.traceId), isRoot)).toMatchObject({
    status: { code: 0 },
    attributes: { 'http.response.status_code': 415 },
  });
});

test('a mutation is traced as far as its write', async () => {
  const { traceId, headers } = createCaller();
  const { errors } = await stack.ask(
    'mutation Restock { setStock(input: { sku: "OABR-S", quantity: 5 }) { product { stock { quantity } } } }',
    undefined,
    { headers },
  );
  expect(errors).toBeUndefined();
  const spans = await spansOf(traceId);
  expect(only(spans, isRoot).attributes).toMatchObject({
    'graphql.operation.type': 'mutation',
    'graphql.operation.name': 'Restock',
  });
  const write = only(spans, ({ attributes }) => attributes['tributary.write'] === true);
  expect(write.parentSpanId).toBe(only(spans, ({ name }) => name === 'fetch inventory').spanId);
});

test('the audit log names the trace, also if it begins here', async () => {
  const file = auditFile();
  const gateway = await startWith({ AUDIT_LOG: file, OTEL_SERVICE_NAME: 'audited' });
  await gateway.ask('mutation { setStock(input: { sku: "OABR-S", quantity: 6 }) { product { sku } } }');
  const isAudited = (span: CollectedSpan) => span.service === 'audited' && isRoot(span);
  await expect.poll(() => collector.spans().filter(isAudited).length, POLL).toBe(1);
  const records = readRecords(file).filter(({ event }) => event === 'mutation.accepted');
  expect(records).toMatchObject([{ trace: only(collector.spans(), isAudited).traceId }]);
});

test('a request whose client disconnects is traced with what was done for it', async () => {
  const answer = Promise.withResolvers<void>();
  stack.openmage.fail({ on: STOCK, until: answer.promise });
  const { traceId, headers } = createCaller();
  const controller = new AbortController();
  const { signal } = controller;
  const asked = stack.ask('{ product(sku: "OABR-L") { stock { quantity } } }', undefined, { headers, signal });
  await expect.poll(() => stack.openmage.calls.filter(({ operation }) => operation === STOCK).length, POLL).toBe(1);
  controller.abort();
  await expect(asked).rejects.toThrow();
  const spans = await spansOf(traceId);
  answer.resolve();
  expect(only(spans, isRoot).attributes).toMatchObject({ 'tributary.disconnected': true });
  expect(only(spans, ({ name }) => name === 'fetch inventory').attributes).toMatchObject({
    'error.type': 'UPSTREAM_CANCELLED',
  });
});

test('a provider request that goes on after a stale answer is added to its trace', async () => {
  const gateway = await startWith({ OPENMAGE_CACHE: 'stock=0/0/3600' });
  await gateway.ask(PRODUCT);
  const answer = Promise.withResolvers<void>();
  stack.openmage.fail({ on: STOCK, until: answer.promise });
  const { traceId, headers } = createCaller();
  await gateway.ask(PRODUCT, undefined, { headers });
  const spans = await spansOf(traceId);
  expect(spans.filter(isStockRequest)).toEqual([]);
  answer.resolve();
  const late = only(await spansOf(traceId, isStockRequest), isStockRequest);
  expect(late.parentSpanId).toBe(only(spans, isRoot).spanId);
});

test('the refresh of a cached value in the background is a trace of its own', async () => {
  const gateway = await startWith({ OPENMAGE_CACHE: 'stock=0/3600/3600', OTEL_SERVICE_NAME: 'refreshing' });
  await gateway.ask(PRODUCT);
  const { traceId, headers } = createCaller();
  await gateway.ask(PRODUCT, undefined, { headers });
  expect((await spansOf(traceId)).filter(isStockRequest)).toEqual([]);
  const isRefresh = ({ service, attributes }: CollectedSpan) =>
    service === 'refreshing' && attributes['tributary.background'] === true;
  await expect.poll(() => collector.spans().filter(isRefresh).length, POLL).toBe(1);
  const refresh = only(collector.spans(), isRefresh);
  expect(refresh).toMatchObject({ name: STOCK, kind: 3 });
  expect(refresh.parentSpanId).toBeUndefined();
  expect(collector.trace(refresh.traceId)).toHaveLength(1);
});

describe('trace context', () => {
  const STATE = 'vendor=value,other@tenant=x';

  /** Sends a request with these headers under a name of its own. Returns the span of the request. */
  const rootOf = async (headers: Record<string, string>): Promise<CollectedSpan> => {
    const name = `Named_${randomBytes(4).toString('hex')}`;
    await stack.ask(`query ${name} { __typename }`, undefined, { headers });
    const isNamed = ({ attributes }: CollectedSpan) => attributes['graphql.operation.name'] === name;
    await expect.poll(() => collector.spans().filter(isNamed).length, POLL).toBe(1);
    return only(collector.spans(), isNamed);
  };

  const [id, parent] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];

  const INVALID: readonly (readonly [string, string | undefined])[] = [
    ['none', undefined],
    ['too short', `00-${id.slice(1)}-${parent}-01`],
    ['upper case', `00-${id.toUpperCase()}-${parent}-01`],
    ['an invalid version', `ff-${id}-${parent}-01`],
    ['no flags', `00-${id}-${parent}`],
    ['something after the flags', `00-${id}-${parent}-01-x`],
    ['a trace id of zeros', `00-${'0'.repeat(32)}-${parent}-01`],
    ['a parent id of zeros', `00-${id}-${'0'.repeat(16)}-01`],
    ['two of them', `00-${id}-${parent}-01, 00-${id}-${parent}-01`],
  ];
  const expectNewTrace = async (_: string, traceparent: string | undefined): Promise<void> => {
    const root = await rootOf({ ...(traceparent !== undefined && { traceparent }), tracestate: STATE });
    expect(root.traceId).not.toBe(id);
    expect(root.parentSpanId).toBeUndefined();
    expect(root.traceState).toBeUndefined();
  };
  const begins = 'given a traceparent with %s, then a new trace begins';
  test.each(INVALID.slice(0, 3))(begins, expectNewTrace);
  test.each(INVALID.slice(3))(begins, { tags: ['long'] }, expectNewTrace);

  test.each([
    ['a later version', `cc-${id}-${parent}-01-what-the-future-will-be-like`],
    ['unknown flags', `00-${id}-${parent}-ff`],
  ])('given a traceparent with %s, then its trace is continued', async (_, traceparent) => {
    expect(await rootOf({ traceparent, tracestate: STATE })).toMatchObject({
      traceId: id,
      parentSpanId: parent,
      traceState: STATE,
    });
  });

  test.each([
    ['a key without a value', 'vendor'],
    ['an invalid key', 'Vendor=1'],
    ['too many members', Array.from({ length: 33 }, (_, index) => `k${index}=v`).join(',')],
    ['too long a list', `k=${'v'.repeat(600)}`],
  ])('given a tracestate with %s, then it is dropped', async (_, tracestate) => {
    const { headers, traceId } = createCaller();
    const root = await rootOf({ ...headers, tracestate });
    expect(root.traceId).toBe(traceId);
    expect(root.traceState).toBeUndefined();
  });
});

describe('sampling', () => {
  /** Sends requests, and then one that is exported. Returns which of them were exported: spans arrive in order. */
  const exportedOf = async (
    env: Record<string, string>,
    asks: readonly (readonly [query: string, caller?: ReturnType<typeof createCaller>])[],
  ): Promise<boolean[]> => {
    const service = `sampling-${randomBytes(4).toString('hex')}`;
    const gateway = await stack.startAnother({ OTEL_SERVICE_NAME: service, ...env });
    const names = asks.map((_, index) => `Query${index}`);
    for (const [index, [query, caller]] of asks.entries()) {
      await gateway.ask(`query ${names[index]} ${query}`, undefined, caller);
    }
    await gateway.close();
    const exported = new Set(
      collector
        .spans()
        .filter((span) => span.service === service)
        .map(({ attributes }) => attributes['graphql.operation.name']),
    );
    return names.map((name) => exported.has(name));
  };

  const ratio = (share: string) => ({ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: share });

  test('all requests by default', async () => {
    expect(await exportedOf({}, [[PRODUCT], [PRODUCT]])).toEqual([true, true]);
  });

  test('none with a share of 0', async () => {
    expect(await exportedOf(ratio('0'), [[PRODUCT], [PRODUCT]])).toEqual([false, false]);
  });

  test('by the id of the trace, as OpenTelemetry does, whatever the caller does', async () => {
    // The sum of the four parts without carry, 1 and 0xffffffff, decides.
    const withId = (last: string, isSampled: boolean) => {
      const traceId = `${'0'.repeat(24)}${last}`;
      const flags = isSampled ? '01' : '00';
      return { traceId, spanId: '', headers: { traceparent: `00-${traceId}-b7ad6b7169203331-${flags}` } };
    };
    expect(
      await exportedOf(ratio('0.5'), [
        [PRODUCT, withId('00000001', false)],
        [PRODUCT, withId('ffffffff', true)],
      ]),
    ).toEqual([true, false]);
  });

  test.each([
    ['parentbased_always_on', [true, false, true]],
    ['parentbased_always_off', [true, false, false]],
    ['always_on', [true, true, true]],
    ['always_off', [false, false, false]],
  ])('%s, given a sampled caller, one that is not, and none', async (sampler, expected) => {
    const asks = [[PRODUCT, createCaller(true)], [PRODUCT, createCaller(false)], [PRODUCT]] as const;
    expect(await exportedOf({ OTEL_TRACES_SAMPLER: sampler }, asks)).toEqual(expected);
  });

  test('those with errors and the slow ones always', async () => {
    const never = { OTEL_TRACES_SAMPLER: 'always_off' };
    stack.openmage.fail({ on: STOCK, status: 500 });
    expect(await exportedOf({ ...never, CACHE_MAX_MIB: '0' }, [[PRODUCT]])).toEqual([true]);
    stack.reset();
    expect(await exportedOf({ ...never, SLOW_REQUEST_MS: '1' }, [[OVERVIEW.replace('query Overview', '')]])).toEqual([
      true,
    ]);
  });
});

describe('where traces are sent', () => {
  test('to the endpoint of traces, with the headers, under the name of the service', async () => {
    const gateway = await startWith({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces`,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-collector=secret%20value',
      OTEL_SERVICE_NAME: 'orders',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    });
    const { traceId, headers } = createCaller();
    await gateway.ask(PRODUCT, undefined, { headers });
    const [span] = await spansOf(traceId);
    expect(span?.service).toBe('orders');
    expect(collector.headers.at(-1)).toMatchObject({ 'x-collector': 'secret value' });
    expect(collector.bodies.at(-1)).toContain('deployment.environment.name');
  });

  test.each([
    ['without an endpoint', { OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
    ['with OTEL_TRACES_EXPORTER=none', { OTEL_TRACES_EXPORTER: 'none' }],
  ])('nowhere %s', async (_, env: Record<string, string>) => {
    const { traceId, headers } = createCaller();
    const gateway = await stack.startAnother(env);
    await gateway.ask(PRODUCT, undefined, { headers });
    await gateway.close();
    expect(collector.trace(traceId)).toEqual([]);
  });

  test.each([
    ['does not listen', () => Promise.resolve({ url: 'http://127.0.0.1:1', close: async () => {} })],
    ['never answers', () => startHttpServer(() => {})],
    ['refuses', () => startHttpServer((_, response) => void response.writeHead(400).end('canary'))],
  ])('given a collector that %s, then clients notice nothing', async (_, start) => {
    const dead = await start();
    onTestFinished(dead.close);
    const gateway = await stack.startAnother({ OTEL_EXPORTER_OTLP_ENDPOINT: dead.url });
    for (let count = 0; count < 20; count += 1) {
      expect((await gateway.ask(PRODUCT)).errors).toBeUndefined();
    }
    await gateway.close();
  });
});
