import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type Federation, startFederation } from '../helpers/federation.ts';
import { startCollector } from '../helpers/otlp-collector.ts';
import { type Spawned, startProcess } from '../helpers/processes.ts';
import { readMetrics } from '../helpers/prometheus.ts';
import { createAsk, environmentOf, type Stack, startStack } from '../helpers/stack.ts';

/* Metrics of processes of their own: the workers of a cluster, and subgraphs. */

const urlIn = async (spawned: Spawned, pattern: RegExp): Promise<string> => {
  await expect.poll(() => spawned.output()).toMatch(pattern);
  return pattern.exec(spawned.output())?.[1] ?? '';
};

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test('a cluster has the metrics of all workers at one port, also of those that end or do not answer', {
  tags: ['long'],
}, async () => {
  const subgraph: Federation<'one'> = await startFederation({
    one: { schema: 'type Query { version: String }', fields: { 'Query.version': () => 'first' } },
  });
  onTestFinished(() => subgraph.close());
  const cluster = startProcess(['node', 'gateway/main.ts'], {
    PORT: '0',
    ADMIN_PORT: '0',
    CLUSTER_WORKERS: '2',
    SUPERGRAPH: String(subgraph.gateway.config.supergraphFile),
  });
  onTestFinished(cluster.stop);
  const adminUrl = (await urlIn(cluster, /Prometheus: +(\S+)\/metrics/)) || '';
  const ask = createAsk(await urlIn(cluster, /answers at (\S+)/));
  const read = () => readMetrics(adminUrl);
  const count = async () =>
    (await read()).value('tributary_operation_duration_seconds_count', { graphql_operation_name: 'Version' });

  // A kept connection can end with its worker.
  const askOnce = async (): Promise<unknown> => ask('query Version { version }').catch(askOnce);
  const askMany = (times: number) => Promise.all(Array.from({ length: times }, askOnce));
  await askMany(40);
  expect(await count()).toBe(40);
  const metrics = await read();
  expect(metrics.value('tributary_workers', { state: 'responding' })).toBe(2);
  expect(metrics.value('tributary_workers', { state: 'unresponsive' })).toBe(0);
  // Of both workers.
  expect(metrics.value('tributary_admission_limit')).toBe(2_000);
  expect(metrics.value('tributary_build_info')).toBe(1);
  expect(metrics.value('process_cpu_time_seconds_total')).toBeGreaterThan(0);

  const health = async () =>
    (await (await fetch(`${adminUrl}/health/ready`)).json()) as { workers: { pid: number; status: string }[] };
  const [first] = (await health()).workers;
  const pid = first?.pid ?? 0;
  // A stopped process does not end when its cluster does.
  const resume = () => isRunning(pid) && process.kill(pid, 'SIGCONT');
  onTestFinished(() => void resume());
  process.kill(pid, 'SIGSTOP');
  const without = await read();
  expect(without.value('tributary_workers', { state: 'unresponsive' })).toBe(1);
  expect(without.value('tributary_admission_limit')).toBe(1_000);
  expect(without.value('tributary_operation_duration_seconds_count', { graphql_operation_name: 'Version' })).toBe(40);
  resume();
  await expect.poll(async () => (await read()).value('tributary_workers', { state: 'responding' })).toBe(2);

  // Sums do not shrink when a worker is replaced.
  process.kill(pid, 'SIGKILL');
  await expect.poll(async () => (await health()).workers.some((worker) => worker.pid === pid)).toBe(false);
  expect(await count()).toBe(40);
  await askMany(4);
  expect(await count()).toBe(44);
});

test('a cluster sends the metrics of all workers, also what they counted last', { tags: ['long'] }, async () => {
  const { url, received } = await startCollector();
  const cluster = startProcess(['node', 'gateway/main.ts'], {
    PORT: '0',
    CLUSTER_WORKERS: '2',
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_METRIC_EXPORT_INTERVAL: '3600000',
    NODE_ENV: 'production',
    AUTH: 'none',
    SUBGRAPH_SECRET: 'none',
    PAYMENTS_URL: 'http://127.0.0.1:1/payments',
    CRM_URL: 'http://127.0.0.1:1/crm',
    INVENTORY_URL: 'http://127.0.0.1:1/inventory',
  });
  onTestFinished(cluster.stop);
  const ask = createAsk(await urlIn(cluster, /answers at (\S+)/));
  await Promise.all(Array.from({ length: 30 }, () => ask('query Last { __typename }')));
  await cluster.stop();
  expect(received).toHaveLength(1);
  expect(received[0]?.metrics.get('tributary.operation.duration')?.histogram?.dataPoints).toMatchObject([
    { attributes: { 'graphql.operation.name': 'Last' }, count: 30 },
  ]);
});

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.close());

test('subgraph processes have their own, at the same variables', { tags: ['long'] }, async () => {
  const subgraphs = startProcess(['node', 'subgraphs/main.ts'], {
    ...environmentOf(stack),
    SUBGRAPHS: 'payments,crm',
    PORT: '0',
    ADMIN_PORT: '0',
    ADMIN_HOST: '127.0.0.1',
  });
  onTestFinished(subgraphs.stop);
  const adminUrl = await urlIn(subgraphs, /Prometheus: +(\S+)\/metrics/);
  const ask = createAsk(await urlIn(subgraphs, /payments answers at (\S+)/));
  expect((await ask('{ payment(id: "pi_3x") { id } }')).errors).toBeUndefined();
  await expect
    .poll(async () => {
      const metrics = await readMetrics(adminUrl);
      return [
        metrics.value('http_server_request_duration_seconds_count', { http_route: '/payments' }),
        metrics.value('tributary_provider_request_duration_seconds_count', { subgraph: 'payments' }),
        metrics.value('tributary_provider_queued', { subgraph: 'crm' }),
        metrics.value('tributary_admission_limit'),
      ];
    })
    .toEqual([1, 1, 0, 1_000]);
  const health = await (await fetch(`${adminUrl}/health/ready`)).json();
  expect(health).toEqual({ status: 'ok' });
});
