import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startGateway } from '../../gateway/start.ts';
import product from '../../package.json' with { type: 'json' };
import { createCompany } from '../../sandbox/company.ts';
import { ERROR_CODES } from '../../telemetry/error-codes.ts';
import { METRICS, type MetricName, prometheusNameOf } from '../../telemetry/metrics/definitions.ts';
import { connectTo, dealChanged, hasBroker, startBroker } from '../helpers/brokers.ts';
import { openEventStream } from '../helpers/event-stream.ts';
import { freePort, startProcess } from '../helpers/processes.ts';
import { type Exposition, promtool, readMetrics } from '../helpers/prometheus.ts';
import { changeStock } from '../helpers/shop.ts';
import { type Ask, createAsk, type Stack, startStack } from '../helpers/stack.ts';
import { headersOf, TOKEN_ENV } from '../helpers/tokens.ts';
import { hasTool } from '../helpers/tools.ts';
import { postStripe, stripeEvent, WEBHOOKS } from '../helpers/webhooks.ts';

/* The metrics of a gateway, read over HTTP after requests over HTTP. */

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.close());
afterEach(() => stack.reset());

type Gateway = {
  readonly ask: Ask;
  readonly url: string;
  readonly read: () => Promise<Exposition>;
  readonly text: () => Promise<string>;
};

/** The metrics that a gateway of this file has had. */
const seen = new Set<string>();

/** Starts a gateway with an admin port over the stack's sandboxes, without rate limits. */
const start = async (env: Record<string, string> = {}): Promise<Gateway> => {
  const { url, adminUrl, close } = await startGateway({ ...stack.env, ADMIN_PORT: '0', ...env });
  onTestFinished(close);
  return {
    url,
    ask: createAsk(`${url}/graphql`),
    read: async () => {
      const metrics = await readMetrics(adminUrl);
      for (const name of metrics.types.keys()) seen.add(name);
      return metrics;
    },
    text: async () => (await fetch(`${adminUrl}/metrics`)).text(),
  };
};

/** The numbers of operations with errors, by code. */
const failuresIn = (metrics: Exposition): Record<string, number> =>
  Object.fromEntries(
    metrics
      .all('tributary_operation_failures_total')
      .flatMap(({ labels, value }) => (value > 0 ? [[labels.get('code') ?? '', value]] : [])),
  );

const PAYMENT = 'query Payment { payment(id: "pi_3x") { id } }';
const CUSTOMERS =
  'query Customers { customers(first: 3) { edges { node { firstName payments(first: 1) { edges { cursor } } } } } }';

test('operations are counted by name, kind and outcome, with their provider calls, for each client', async () => {
  const { ask, read } = await start();
  const since = performance.now();
  expect((await ask(CUSTOMERS)).errors).toBeUndefined();
  expect((await ask(CUSTOMERS)).errors).toBeUndefined();
  await ask('{ nope }');
  const metrics = await read();
  const named = { graphql_operation_name: 'Customers' };
  const labels = { ...named, graphql_operation_type: 'query', outcome: 'ok' };
  expect(metrics.value('tributary_operation_duration_seconds_count', labels)).toBe(2);
  expect(metrics.value('tributary_operation_duration_seconds_sum', labels)).toBeGreaterThan(0);
  // One after the other, so that they took no longer together than the test.
  const elapsedS = (performance.now() - since) / 1_000;
  expect(metrics.value('tributary_operation_duration_seconds_sum', labels)).toBeLessThan(elapsedS);
  expect(metrics.value('tributary_operation_duration_seconds_bucket', { ...labels, le: '30' })).toBe(2);
  expect(metrics.value('tributary_operation_duration_seconds_count', { outcome: 'error' })).toBe(1);
  expect(metrics.value('tributary_operation_errors_total', { code: 'GRAPHQL_VALIDATION_FAILED' })).toBe(1);
  // Without a cache, each operation calls the providers.
  const calls = (subgraph: string) => metrics.value('tributary_operation_calls_total', { ...named, subgraph });
  expect(calls('crm')).toBe(stack.hubspot.calls.length);
  expect(calls('payments')).toBe(stack.stripe.calls.length);
  expect(metrics.value('tributary_client_calls_total', { client: 'anonymous', subgraph: 'payments' })).toBe(
    stack.stripe.calls.length,
  );
  expect(metrics.value('tributary_client_operations_total', { client: 'anonymous', outcome: 'ok' })).toBe(2);
  expect(metrics.value('tributary_client_operations_total', { client: 'anonymous', outcome: 'error' })).toBe(1);
  // The second operation had its plan.
  expect(metrics.value('tributary_plan_duration_seconds_count', { outcome: 'ok' })).toBe(1);
  expect(metrics.value('tributary_plan_cache_entries')).toBe(1);
  expect(metrics.value('tributary_plan_cache_bytes')).toBeGreaterThan(0);
  expect(metrics.value('tributary_fetch_duration_seconds_count', { subgraph: 'crm', outcome: 'ok' })).toBe(2);
  expect(metrics.value('tributary_fetch_duration_seconds_count', { subgraph: 'payments', outcome: 'ok' })).toBe(2);
  const requests = metrics.all('tributary_provider_request_duration_seconds_count');
  const sum = (subgraph: string) =>
    requests.filter(({ labels }) => labels.get('subgraph') === subgraph).reduce((total, { value }) => total + value, 0);
  expect(sum('payments')).toBe(stack.stripe.calls.length);
  expect(new Set(requests.map(({ labels }) => labels.get('outcome')))).toEqual(new Set(['ok']));
  expect(metrics.value('tributary_batch_keys_sum', { provider_operation: 'GET /v1/customers/search' })).toBe(6);
});

test('what can be known in advance is at 0 before the first event, so that the first is an increase', async () => {
  const { ask, read } = await start({ CACHE_MAX_MIB: '8' });
  const fresh = await read();
  for (const code of ERROR_CODES) {
    expect([code, fresh.value('tributary_operation_failures_total', { code })]).toEqual([code, 0]);
    expect([code, fresh.value('tributary_request_refusals_total', { code })]).toEqual([code, 0]);
  }
  for (const subgraph of ['payments', 'crm', 'inventory']) {
    for (const reason of ['rate_limit', 'circuit_open', 'budget']) {
      expect(fresh.value('tributary_provider_refusals_total', { subgraph, reason })).toBe(0);
    }
    expect(fresh.value('tributary_provider_pauses_total', { subgraph })).toBe(0);
    expect(fresh.value('tributary_cache_stale_age_seconds_count', { subgraph })).toBe(0);
    expect(fresh.value('tributary_cache_stale_age_seconds_bucket', { subgraph, le: '300' })).toBe(0);
  }
  await ask(PAYMENT);
  const keys = { subgraph: 'payments', provider_operation: 'GET /v1/payment_intents/{id}' };
  const after = await read();
  const results = ['hit', 'stale', 'miss'].map((result) =>
    after.value('tributary_cache_reads_total', { ...keys, result }),
  );
  expect(results).toEqual([0, 0, 1]);
});

test('refusals are counted by code, and HTTP requests by method, status and route', async () => {
  const { url, ask, read } = await start({ ...TOKEN_ENV, AUTH: 'required' });
  await ask(PAYMENT);
  await fetch(`${url}/nowhere`);
  await fetch(`${url}/graphql`, { method: 'DELETE' });
  const metrics = await read();
  expect(metrics.value('tributary_request_refusals_total', { code: 'UNAUTHENTICATED' })).toBe(1);
  expect(metrics.value('tributary_request_refusals_total', { code: 'NOT_FOUND' })).toBe(1);
  expect(metrics.value('tributary_request_refusals_total', { code: 'METHOD_NOT_ALLOWED' })).toBe(1);
  // Announced when the last byte was sent, which its client may read earlier.
  await expect
    .poll(async () =>
      (await read())
        .all('http_server_request_duration_seconds_count')
        .map(({ labels, value }) => [
          ...['http_request_method', 'http_response_status_code', 'http_route'].map((label) => labels.get(label)),
          value,
        ])
        .toSorted(),
    )
    .toEqual([
      ['DELETE', '405', undefined, 1],
      ['GET', '404', undefined, 1],
      ['POST', '401', '/graphql', 1],
    ]);
});

test('the cache: hits, misses, stale values with their age, invalidations and size', async () => {
  const { ask, read } = await start({ CACHE_MAX_MIB: '8', OPENMAGE_CACHE: 'stock=0/0/3600' });
  const query = 'query Shelf { product(sku: "OABR-S") { name stock { quantity } } }';
  await ask(query);
  await ask(query);
  stack.openmage.fail({ status: 503 });
  expect((await ask(query)).errors).toBeUndefined();
  const metrics = await read();
  const reads = (result: string) =>
    metrics
      .all('tributary_cache_reads_total')
      .filter(({ labels }) => labels.get('result') === result)
      .reduce((sum, { value }) => sum + value, 0);
  // The catalogue is missing once and then fresh. The stock is never fresh, and in the outage stale.
  expect([reads('miss'), reads('hit'), reads('stale')]).toEqual([4, 2, 1]);
  expect(metrics.value('tributary_cache_stale_age_seconds_count', { subgraph: 'inventory' })).toBe(1);
  expect(metrics.value('tributary_operation_stale_total', { graphql_operation_name: 'Shelf' })).toBe(1);
  expect(metrics.value('tributary_cache_size_bytes')).toBeGreaterThan(0);
  expect(metrics.value('tributary_cache_limit_bytes')).toBe(8 * 1024 * 1024);
  expect(metrics.value('tributary_cache_invalidations_total', { subgraph: 'inventory' })).toBeUndefined();
  stack.reset();
  expect((await ask('mutation { setStock(input: { sku: "OABR-S", quantity: 5 }) { product { sku } } }')).errors).toBe(
    undefined,
  );
  expect((await read()).value('tributary_cache_invalidations_total', { subgraph: 'inventory' })).toBeGreaterThan(0);
});

test('an exhausted quota: its use, queue, waits and refusals', async () => {
  const { ask, read } = await start({
    STRIPE_QUOTA: 'account=2/60,endpoint=1000/1,search=1000/1',
    REQUEST_TIMEOUT_MS: '3000',
  });
  for (const id of ['pi_a', 'pi_b', 'pi_c']) await ask(`query Payment { payment(id: "${id}") { id } }`);
  const metrics = await read();
  const account = { subgraph: 'payments', limit: 'account' };
  expect(metrics.value('tributary_provider_quota_used', account)).toBe(2);
  expect(metrics.value('tributary_provider_quota_limit', account)).toBe(2);
  expect(metrics.value('tributary_provider_refusals_total', { subgraph: 'payments', reason: 'rate_limit' })).toBe(1);
  expect(metrics.value('tributary_operation_errors_total', { code: 'UPSTREAM_RATE_LIMITED' })).toBe(1);
  expect(metrics.value('tributary_provider_wait_seconds_count', { subgraph: 'payments' })).toBe(2);
  expect(metrics.value('tributary_provider_queued', { subgraph: 'payments' })).toBe(0);
});

test('the calls of clients that leave count, and their operations are no failures of the gateway', async () => {
  const { url, read } = await start();
  stack.stripe.fail({ hang: true });
  const client = new AbortController();
  const asked = createAsk(`${url}/graphql`)(PAYMENT, {}, { signal: client.signal });
  await expect.poll(() => stack.stripe.calls.length).toBe(1);
  client.abort();
  await expect(asked).rejects.toThrow();
  const calls = { client: 'anonymous', subgraph: 'payments' };
  await expect
    .poll(async () => (await read()).value('tributary_client_operations_total', { outcome: 'partial' }))
    .toBe(1);
  const metrics = await read();
  expect(metrics.value('tributary_client_calls_total', calls)).toBe(1);
  expect(failuresIn(metrics)).toEqual({ UPSTREAM_CANCELLED: 1 });
});

test('a provider that answers 429 pauses', async () => {
  const { ask, read } = await start();
  stack.stripe.fail({ status: 429, times: 1, headers: { 'retry-after': '1' } });
  expect((await ask(PAYMENT)).data).toBeDefined();
  const metrics = await read();
  expect(metrics.value('tributary_provider_pauses_total', { subgraph: 'payments' })).toBeGreaterThan(0);
  expect(metrics.value('tributary_provider_retries_total', { subgraph: 'payments' })).toBe(1);
  expect(
    metrics.value('tributary_provider_request_duration_seconds_count', {
      subgraph: 'payments',
      outcome: 'UPSTREAM_RATE_LIMITED',
    }),
  ).toBe(1);
});

test('an outage: failures by code, an open circuit breaker, refusals and the retry budget', async () => {
  const { ask, read } = await start();
  expect((await read()).all('tributary_provider_breaker_state')).toEqual([]);
  stack.stripe.fail({ status: 503 });
  for (let index = 0; index < 4; index += 1) await ask(PAYMENT);
  const operation = { subgraph: 'payments', provider_operation: 'GET /v1/payment_intents/{id}' };
  const metrics = await read();
  // Half open if a probe is due.
  expect(metrics.value('tributary_provider_breaker_state', operation)).toBeGreaterThanOrEqual(0.5);
  expect(
    metrics.value('tributary_provider_request_duration_seconds_count', {
      ...operation,
      outcome: 'UPSTREAM_UNAVAILABLE',
    }),
  ).toBe(stack.stripe.calls.length);
  expect(
    metrics.value('tributary_provider_refusals_total', { subgraph: 'payments', reason: 'circuit_open' }),
  ).toBeGreaterThan(0);
  expect(metrics.value('tributary_provider_retry_budget', { subgraph: 'payments' })).toBeLessThan(10);
  expect(metrics.value('tributary_operation_errors_total', { code: 'UPSTREAM_UNAVAILABLE' })).toBe(4);
  stack.reset();
  await expect
    .poll(async () => {
      await ask(PAYMENT);
      return (await read()).value('tributary_provider_breaker_state', operation);
    })
    .toBe(0);
});

test('requests that run and wait, while a provider does not answer', async () => {
  const { ask, read } = await start({ OPENMAGE_CONCURRENCY: '1', MAX_REQUESTS: '2' });
  const gate = Promise.withResolvers<void>();
  stack.openmage.fail({ until: gate.promise });
  const skus = ['OABR-S', 'OABR-M', 'OABR-L'];
  const answers = skus.map((sku, index) => ask(`query Q${index} { product(sku: "${sku}") { name } }`));
  await expect
    .poll(async () => {
      const metrics = await read();
      return [
        metrics.value('tributary_admission_running'),
        metrics.value('tributary_admission_queued'),
        metrics.value('tributary_admission_limit'),
        metrics.value('tributary_provider_running', { subgraph: 'inventory' }),
        metrics.value('tributary_provider_connections_busy', { subgraph: 'inventory' }),
        metrics.value('tributary_provider_connections_limit', { subgraph: 'inventory' }),
        metrics.value('tributary_provider_concurrency', { subgraph: 'inventory' }),
      ];
    })
    .toEqual([2, 1, 2, 1, 1, 1, 1]);
  gate.resolve();
  await Promise.all(answers);
  expect((await read()).value('tributary_admission_running')).toBe(0);
});

test('a client that leaves the queue is not refused', async () => {
  const { url, ask, read } = await start({ MAX_REQUESTS: '1' });
  const gate = Promise.withResolvers<void>();
  stack.openmage.fail({ until: gate.promise });
  const running = ask('{ product(sku: "OABR-S") { name } }');
  const queued = async () => (await read()).value('tributary_admission_queued');
  await expect.poll(() => stack.openmage.calls.length).toBeGreaterThan(0);
  const client = new AbortController();
  const left = createAsk(`${url}/graphql`)('{ __typename }', {}, { signal: client.signal });
  await expect.poll(queued).toBe(1);
  client.abort();
  await expect(left).rejects.toThrow();
  await expect.poll(queued).toBe(0);
  const ofStatus = { http_response_status_code: '499' };
  await expect.poll(async () => (await read()).value('http_server_request_duration_seconds_count', ofStatus)).toBe(1);
  expect((await read()).all('tributary_request_refusals_total').filter(({ value }) => value > 0)).toEqual([]);
  gate.resolve();
  await running;
});

test('requests that are no single operation are refused, each once', async () => {
  const { url, read } = await start();
  const send = (body: string, headers: Record<string, string> = {}) =>
    fetch(`${url}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });
  const bodies = ['[{"query":"{ __typename }"}]', '{"query":"{ __typename }","variables":"{}"}', '{"query":7}', '{}'];
  for (const body of bodies) expect((await send(body)).status).toBe(400);
  const repeated = `${url}/graphql?query={__typename}&query={version}`;
  const headers = { 'apollo-require-preflight': '1' };
  expect((await fetch(repeated, { headers })).status).toBe(400);
  expect((await fetch(`${url}/graphql?query={__typename}`)).status).toBe(400);
  expect((await fetch(`${url}/nowhere`)).status).toBe(404);
  // Has an operation, and is only explained.
  await send('{"query":"{ nope }"}', { 'x-tributary-explain': '1', accept: 'application/graphql-response+json' });
  const metrics = await read();
  expect(metrics.value('tributary_request_refusals_total', { code: 'BAD_REQUEST' })).toBe(bodies.length + 2);
  expect(metrics.value('tributary_request_refusals_total', { code: 'NOT_FOUND' })).toBe(1);
  expect(metrics.all('tributary_operation_duration_seconds_count')).toEqual([]);
});

test('a greedy client is seen by name', async () => {
  const { ask, read } = await start(TOKEN_ENV);
  const greedy = headersOf({ subject: 'greedy', scopes: ['payments:read'] });
  for (let index = 0; index < 5; index += 1) await ask(PAYMENT, {}, { headers: greedy });
  await ask(PAYMENT, {}, { headers: headersOf({ subject: 'modest', scopes: ['payments:read'] }) });
  const metrics = await read();
  const callsOf = (client: string) => metrics.value('tributary_client_calls_total', { client, subgraph: 'payments' });
  expect([callsOf('jwt:greedy'), callsOf('jwt:modest')]).toEqual([5, 1]);
});

test('with several issuers, clients are seen by the issuers of their tokens', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'issuers-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const AUTH_CONFIG = join(folder, 'auth.yaml');
  const secretFile = join(folder, 'secret');
  await writeFile(secretFile, 'another-secret-of-more-than-32-characters');
  const other = { issuer: 'https://other.example', audience: 'graph', secretFile };
  await writeFile(AUTH_CONFIG, JSON.stringify({ issuers: [other] }));
  const { ask, read } = await start({ ...TOKEN_ENV, AUTH_CONFIG });
  await ask('{ __typename }', {}, { headers: headersOf({ subject: 'ada' }) });
  const name = `jwt:${TOKEN_ENV.JWT_ISSUER}#ada`;
  expect((await read()).value('tributary_client_operations_total', { client: name })).toBe(1);
});

test('the process: event loop, memory, CPU time and version', async () => {
  const { read, text } = await start();
  const metrics = await read();
  for (const name of [
    'nodejs_eventloop_delay_p50_seconds',
    'nodejs_eventloop_delay_p99_seconds',
    'nodejs_eventloop_delay_max_seconds',
  ]) {
    expect(metrics.value(name)).toBeGreaterThanOrEqual(0);
  }
  const utilization = metrics.value('nodejs_eventloop_utilization_ratio');
  expect(utilization).toBeGreaterThanOrEqual(0);
  expect(utilization).toBeLessThanOrEqual(1);
  expect(metrics.value('process_memory_usage_bytes')).toBeGreaterThan(10_000_000);
  expect(metrics.value('v8js_memory_heap_used_bytes')).toBeLessThan(metrics.value('v8js_memory_heap_limit_bytes') ?? 0);
  expect(metrics.value('process_cpu_time_seconds_total')).toBeGreaterThan(0);
  expect(metrics.value('process_uptime_seconds')).toBeGreaterThan(0);
  expect(metrics.value('tributary_build_info', { version: product.version })).toBe(1);
  expect(metrics.value('tributary_redis_up')).toBeUndefined();
  expect(promtool(await text())).toBe('');
});

test('the type is Prometheus’s, and nothing is cached', async () => {
  const { adminUrl, close } = await startGateway({ ...stack.env, ADMIN_PORT: '0' });
  onTestFinished(close);
  const { headers } = await fetch(`${adminUrl}/metrics`);
  expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(headers.get('cache-control')).toBe('no-store');
});

describe.skipIf(!hasTool('redis-server'))('with Redis', () => {
  test('its availability', async () => {
    const port = await freePort();
    const { read } = await start({ REDIS_URL: `redis://127.0.0.1:${port}` });
    expect((await read()).value('tributary_redis_up')).toBe(0);
    const redis = startProcess(['redis-server', '--port', String(port), '--save', '', '--appendonly', 'no'], {});
    onTestFinished(redis.stop);
    await expect.poll(async () => (await read()).value('tributary_redis_up')).toBe(1);
  });
});

test('webhooks: events by result, refusals by reason, what waits, is parked and is applied', async () => {
  const { url, read } = await start(WEBHOOKS);
  const strange = { ...stripeEvent('evt_2'), data: { object: { object: 'customer' } } };
  for (const event of [stripeEvent('evt_1'), stripeEvent('evt_1'), strange]) await postStripe(url, event);
  await postStripe(url, stripeEvent('evt_3'), 'whsec_of_somebody_else');
  const provider = 'stripe';
  await expect.poll(async () => (await read()).value('tributary_inbox_parked')).toBe(1);
  const metrics = await read();
  expect(metrics.value('tributary_webhook_events_total', { provider, result: 'new' })).toBe(2);
  expect(metrics.value('tributary_webhook_events_total', { provider, result: 'duplicate' })).toBe(1);
  expect(metrics.value('tributary_webhook_refusals_total', { provider, reason: 'signature' })).toBe(1);
  expect(metrics.value('tributary_events_parked_total', { provider })).toBe(1);
  expect(metrics.value('tributary_events_lag_seconds_count', { provider })).toBe(1);
  expect(metrics.value('tributary_inbox_failures_total')).toBe(0);
  expect(metrics.value('tributary_inbox_waiting')).toBe(0);
  expect(metrics.value('tributary_inbox_oldest_seconds')).toBe(0);
  expect(metrics.value('tributary_inbox_size_bytes')).toBeGreaterThan(0);
});

test('polling: runs by result, changes, what is watched, and the age of what was read; messages to subscribers', async () => {
  const { openmage } = stack;
  const { ask, read, url } = await start({ OPENMAGE_POLL_S: '1', EVENTS_FILE: ':memory:' });
  const [sku = ''] = createCompany().products.map((product) => product.sku);
  await ask(`{ product(sku: "${sku}") { stock { quantity } } }`);
  const stream = await openEventStream(url, { query: `subscription { stockChanged(skus: ["${sku}"]) { sku } }` });
  onTestFinished(stream.close);
  await changeStock(openmage, { [sku]: 4321 });
  const provider = 'openmage';
  await expect.poll(async () => (await read()).value('tributary_poll_changes_total', { provider })).toBe(1);
  await expect.poll(async () => (await read()).value('tributary_subscription_messages_total')).toBe(1);
  openmage.fail({ status: 500 });
  await expect
    .poll(async () => (await read()).value('tributary_poll_runs_total', { provider, result: 'error' }))
    .toBeGreaterThan(0);
  const metrics = await read();
  expect(metrics.value('tributary_poll_runs_total', { provider, result: 'ok' })).toBeGreaterThan(0);
  expect(metrics.value('tributary_poll_watched', { provider })).toBe(1);
  expect(metrics.value('tributary_poll_oldest_seconds', { provider })).toBeGreaterThanOrEqual(0);
});

describe.skipIf(!hasBroker('redis'))('with a message broker', () => {
  test('its availability, what was published, received and lost, and what waits', async () => {
    const server = await startBroker('redis');
    onTestFinished(server.close);
    const { url, read } = await start({ ...WEBHOOKS, BROKER_URL: server.url, BROKER_EVENTS: 'both' });
    await expect.poll(async () => (await read()).value('tributary_broker_up')).toBe(1);
    const other = await connectTo(server.url, { publishTo: 'tributary.events.in', receiveFrom: 'any' });
    onTestFinished(other.close);
    await expect.poll(other.status).toBe('up');
    const message = dealChanged('7');
    await other.publish([message, message]);
    await expect.poll(async () => (await read()).value('tributary_broker_published_total')).toBe(1);
    const metrics = await read();
    expect(metrics.value('tributary_broker_received_total', { result: 'new' })).toBe(1);
    expect(metrics.value('tributary_broker_received_total', { result: 'duplicate' })).toBe(1);
    expect(metrics.value('tributary_broker_lag_seconds_count')).toBe(1);
    expect(metrics.value('tributary_broker_waiting')).toBe(0);
    expect(metrics.value('tributary_broker_failures_total', { direction: 'in' })).toBe(0);
    expect(metrics.value('tributary_broker_lost_total')).toBe(0);
    await server.kill();
    await postStripe(url, stripeEvent('evt_1'));
    await expect.poll(async () => (await read()).value('tributary_broker_up')).toBe(0);
    await expect.poll(async () => (await read()).value('tributary_broker_waiting')).toBe(1);
  });
});

test('every metric of the table has appeared above', () => {
  const names = (Object.keys(METRICS) as MetricName[]).map(prometheusNameOf);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
  // Clusters are tested apart.
  const needRedis = names.filter((name) => /^tributary_(redis|broker)_/.test(name));
  const elsewhere = ['tributary_workers', ...(hasTool('redis-server') ? [] : needRedis)];
  expect([...seen, ...elsewhere].toSorted()).toEqual(names.toSorted());
});
