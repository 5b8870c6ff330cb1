import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { startGateway } from '../../gateway/start.ts';
import product from '../../package.json' with { type: 'json' };
import { ConfigError } from '../../runtime/env.ts';
import { startHttpServer } from '../helpers/http-server.ts';
import { startCollector } from '../helpers/otlp-collector.ts';
import { startProcess } from '../helpers/processes.ts';
import { createAsk } from '../helpers/stack.ts';

/* Metrics that are sent to an OpenTelemetry collector, by OTLP over HTTP. */

const REMOTE = {
  PAYMENTS_URL: 'http://127.0.0.1:1/payments',
  CRM_URL: 'http://127.0.0.1:1/crm',
  INVENTORY_URL: 'http://127.0.0.1:1/inventory',
};

const start = async (env: Record<string, string>) => {
  const gateway = await startGateway({
    PORT: '0',
    LOG_LEVEL: 'silent',
    OTEL_METRIC_EXPORT_INTERVAL: '100',
    ...REMOTE,
    ...env,
  });
  let isClosed = false;
  const close = async () => {
    if (!isClosed) await gateway.close();
    isClosed = true;
  };
  onTestFinished(close);
  return { ...gateway, close, ask: createAsk(`${gateway.url}/graphql`) };
};

test('a collector gets all metrics, cumulative, with the attributes of the process', async () => {
  const { url, received } = await startCollector();
  const { ask } = await start({
    OTEL_EXPORTER_OTLP_ENDPOINT: `${url}/`,
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20a%2Cb, x-scope=shop',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test%20one,service.name=other',
    OTEL_SERVICE_NAME: 'graph',
  });
  await ask('query Named { __typename }');
  const operations = () => received.at(-1)?.metrics.get('tributary.operation.duration')?.histogram?.dataPoints[0];
  await expect.poll(operations).toBeDefined();
  await ask('query Named { __typename }');
  await expect.poll(() => operations()?.count).toBe(2);
  const point = operations();
  expect(point).toMatchObject({
    attributes: { 'graphql.operation.name': 'Named', 'graphql.operation.type': 'query', outcome: 'ok' },
    explicitBounds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  });
  expect(point?.bucketCounts.reduce((sum, count) => sum + count)).toBe(2);
  expect(BigInt(point?.startTimeUnixNano ?? 0)).toBeLessThan(BigInt(point?.timeUnixNano ?? 0));
  const last = received.at(-1);
  expect(last).toMatchObject({
    path: '/v1/metrics',
    headers: { authorization: 'Bearer a,b', 'x-scope': 'shop', 'content-type': 'application/json' },
    resource: {
      'service.name': 'graph',
      'service.version': product.version,
      'deployment.environment.name': 'test one',
      'service.instance.id': received[0]?.resource['service.instance.id'],
    },
  });
  expect(last?.metrics.get('tributary.operation.duration')?.unit).toBe('s');
  expect(last?.metrics.get('tributary.client.operations')?.sum?.dataPoints[0]?.asDouble).toBe(2);
  expect(last?.metrics.get('process.memory.usage')?.gauge?.dataPoints[0]?.asDouble).toBeGreaterThan(10_000_000);
});

test('the last values are sent when the process ends', async () => {
  const { url, received } = await startCollector();
  const { ask, close } = await start({
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${url}/own/path`,
    OTEL_METRIC_EXPORT_INTERVAL: '3600000',
  });
  await ask('query Last { __typename }');
  await close();
  expect(received).toHaveLength(1);
  expect(received[0]).toMatchObject({ path: '/own/path', resource: { 'service.name': 'tributary-gateway' } });
  expect(received[0]?.metrics.get('tributary.operation.duration')?.histogram?.dataPoints[0]?.count).toBe(1);
});

test('the last traces and metrics are sent at once: a collector that does not answer holds up the end only once', async () => {
  const open = new Map<string | undefined, ServerResponse>();
  const { url, close: closeCollector } = await startHttpServer((request, response) => {
    request.resume();
    open.set(request.url, response);
    // Neither gets a response before both have arrived.
    if (open.size === 2) for (const one of open.values()) one.end('{}');
  });
  onTestFinished(closeCollector);
  const { ask, close } = await start({
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_METRIC_EXPORT_INTERVAL: '3600000',
  });
  await ask('query Last { __typename }');
  // Without timeouts, so that it ends only if neither waits for the other.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  await close().finally(() => vi.useRealTimers());
  expect([...open.keys()].sort()).toEqual(['/v1/metrics', '/v1/traces']);
  expect([...open.values()].map(({ writableFinished }) => writableFinished)).toEqual([true, true]);
});

test('a changed file of headers is used without a restart', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'otlp-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'headers');
  writeFileSync(file, 'x-key=old\n');
  const { url, received } = await startCollector();
  await start({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_EXPORTER_OTLP_HEADERS_FILE: file });
  const key = () => received.at(-1)?.headers['x-key'];
  await expect.poll(key).toBe('old');
  writeFileSync(file, 'x-key=new\n');
  await expect.poll(key).toBe('new');
});

describe('a collector that fails', () => {
  const PROCESS = {
    PORT: '0',
    LOG_LEVEL: 'info',
    OTEL_METRIC_EXPORT_INTERVAL: '100',
    NODE_ENV: 'production',
    AUTH: 'none',
    SUBGRAPH_SECRET: 'none',
    ...REMOTE,
  };
  const WHY = /"why":"[^"]*","msg":"Metrics cannot be sent/g;

  test('refuses: that is logged once, without the secret, and requests are answered', async () => {
    let requests = 0;
    const { url } = await startCollector((response) => {
      requests += 1;
      response.writeHead(401).end('no');
      return true;
    });
    const spawned = startProcess(['node', 'gateway/main.ts'], {
      ...PROCESS,
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=a-secret',
    });
    onTestFinished(spawned.stop);
    // Metrics are sent before it listens.
    await expect.poll(spawned.output).toContain('answers at');
    await expect.poll(() => requests).toBeGreaterThan(5);
    const gateway = /answers at (\S+)/.exec(spawned.output())?.[1] ?? '';
    expect((await createAsk(gateway)('{ __typename }')).data).toEqual({ __typename: 'Query' });
    expect(spawned.output().match(WHY)).toEqual(['"why":"401","msg":"Metrics cannot be sent']);
    expect(spawned.output()).not.toContain('a-secret');
  });

  test('does not answer: it has one request at a time, and the process still ends', async () => {
    let requests = 0;
    const { url } = await startCollector(() => {
      requests += 1;
      return true;
    });
    const { ask, close } = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: url, ADMIN_PORT: '0' });
    await expect.poll(() => requests).toBe(1);
    // Ten intervals, by the gateway's own clock.
    const uptime = () => process.uptime();
    const since = uptime();
    await expect.poll(async () => (await ask('{ __typename }')) && uptime() - since).toBeGreaterThan(1);
    expect(requests).toBe(1);
    await close();
    expect(requests).toBe(1);
  });
});

test('variables of OpenTelemetry that are not documented have no effect', { tags: ['long'] }, async () => {
  const received = new Map<string | undefined, IncomingHttpHeaders>();
  const { url, close } = await startHttpServer((request, response) => {
    request.resume();
    received.set(request.url, request.headers);
    response.end('{}');
  });
  onTestFinished(close);
  const spawned = startProcess(['node', 'gateway/main.ts'], {
    PORT: '0',
    ...REMOTE,
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-scope=shop',
    OTEL_EXPORTER_OTLP_METRICS_HEADERS: 'x-other=yes',
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-other=yes',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
  });
  onTestFinished(spawned.stop);
  const gateway = () => /answers at (\S+)/.exec(spawned.output())?.[1];
  await expect.poll(gateway, { timeout: 60_000 }).toBeDefined();
  await createAsk(gateway() ?? '')('{ __typename }');
  await spawned.stop();
  expect([...received.keys()].sort()).toEqual(['/v1/metrics', '/v1/traces']);
  for (const headers of received.values()) {
    expect(headers).toMatchObject({ 'x-scope': 'shop', 'content-type': 'application/json' });
    expect(headers).not.toHaveProperty('x-other');
    expect(headers).not.toHaveProperty('content-encoding');
  }
});

test('traces and metrics are sent independently of each other', async () => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' };
  const traces = await start({ ...endpoint, OTEL_METRICS_EXPORTER: 'none' });
  expect(traces.config.traces?.url).toBe('http://127.0.0.1:1/v1/traces');
  expect(traces.config.metrics).toBeUndefined();
  expect(traces.metrics).toBeUndefined();
  const metrics = await start({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' });
  expect(metrics.config.traces).toBeUndefined();
  expect(metrics.config.metrics?.url).toBe('http://127.0.0.1:1/v1/metrics');
});

test('nothing is sent unless an endpoint is set', async () => {
  const gateway = await start({ OTEL_SERVICE_NAME: 'graph', OTEL_EXPORTER_OTLP_HEADERS: 'x-scope=shop' });
  expect(gateway.config.metrics).toBeUndefined();
  expect(gateway.metrics).toBeUndefined();
});

test.each([
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, 'OTEL_EXPORTER_OTLP_ENDPOINT: must be an http or https URL'],
  [
    { OTEL_EXPORTER_OTLP_HEADERS: 'a-secret' },
    'OTEL_EXPORTER_OTLP_HEADERS: must have the form name=value,name=value, percent-encoded',
  ],
  [
    { OTEL_EXPORTER_OTLP_HEADERS: 'authorization=a%0Asecret' },
    'OTEL_EXPORTER_OTLP_HEADERS: must be headers, e.g. authorization=Bearer%20secret',
  ],
  [
    { OTEL_RESOURCE_ATTRIBUTES: 'name=%E0%A4%A' },
    'OTEL_RESOURCE_ATTRIBUTES: must have the form name=value,name=value, percent-encoded',
  ],
  [{ OTEL_METRIC_EXPORT_INTERVAL: '1' }, 'OTEL_METRIC_EXPORT_INTERVAL: must be at least 100'],
])('%j stops the start', async (env, message) => {
  const thrown = await start(env).catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(ConfigError);
  expect((thrown as ConfigError).message).toBe(message);
});
