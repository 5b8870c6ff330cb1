import { expect, test } from 'vitest';
import { toPrometheusText } from '../../telemetry/metrics/export.ts';
import { mergeGauges } from '../../telemetry/metrics/gauges.ts';
import { recordEvents } from '../../telemetry/metrics/listen.ts';
import { createRegistry } from '../../telemetry/metrics/registry.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';
import { parseExposition } from '../helpers/prometheus.ts';

/* The bounds of metrics, and how those of several processes are added up. */

const NO_GAUGES = { gauges: {} };

test('label sets beyond the maximum count in one series', () => {
  const registry = createRegistry();
  const retries = registry.counter('tributary.provider.retries');
  for (let index = 0; index < 1_000; index += 1) retries.add(1, `subgraph${index}`, 'GET');
  retries.add(5, 'subgraph0', 'GET');
  const metrics = parseExposition(toPrometheusText({ ...registry.read(), ...NO_GAUGES }));
  const series = metrics.all('tributary_provider_retries_total');
  expect(series).toHaveLength(500);
  expect(metrics.value('tributary_provider_retries_total', { otel_metric_overflow: 'true' })).toBe(501);
  expect(metrics.value('tributary_provider_retries_total', { subgraph: 'subgraph0' })).toBe(6);
});

test('codes of errors are counted, whatever names and codes there were before', () => {
  const telemetry = createTelemetry();
  const [worker, primary] = [createRegistry(), createRegistry()];
  recordEvents(telemetry, worker);
  const fail = (operationName: string, codes: readonly string[]) =>
    telemetry.emit({
      type: 'operation',
      operationName,
      kind: 'query',
      hash: undefined,
      traceId: undefined,
      client: { name: 'anonymous', network: '' },
      outcome: 'error',
      codes,
      stale: 0,
      calls: new Map(),
      callStats: [],
      startedAt: 0,
      durationMs: 0,
    });
  const read = () => {
    primary.merge(worker.take());
    return parseExposition(toPrometheusText({ ...primary.read(), ...NO_GAUGES }));
  };
  const failures = (metrics: ReturnType<typeof read>, code: string) =>
    metrics.value('tributary_operation_failures_total', { code });
  expect(failures(read(), 'INTERNAL_SERVER_ERROR')).toBe(0);
  const ofClient = ['BAD_USER_INPUT', 'FORBIDDEN', 'BUDGET_EXCEEDED', 'UPSTREAM_REJECTED', 'UPSTREAM_NOT_FOUND'];
  for (let index = 0; index < 200; index += 1) fail(`Name${index}`, [...ofClient, `SUBGRAPH_${index}`]);
  read();
  fail('Outage', ['INTERNAL_SERVER_ERROR', 'UPSTREAM_UNAVAILABLE']);
  const metrics = read();
  expect(failures(metrics, 'BAD_USER_INPUT')).toBe(200);
  expect(failures(metrics, 'INTERNAL_SERVER_ERROR')).toBe(1);
  expect(failures(metrics, 'UPSTREAM_UNAVAILABLE')).toBe(1);
  // The label sets with names, which clients choose, are full.
  expect(metrics.value('tributary_operation_errors_total', { graphql_operation_name: 'Outage' })).toBeUndefined();
  expect(metrics.value('tributary_operation_errors_total', { otel_metric_overflow: 'true' })).toBeGreaterThan(0);
});

test('a value on a bound is in its bucket, one above the last is in none but +Inf', () => {
  const registry = createRegistry();
  const wait = registry.histogram('tributary.provider.wait');
  for (const value of [0, 0.001, 0.0011, 30, 31]) wait.record(value, 'crm');
  const metrics = parseExposition(toPrometheusText({ ...registry.read(), ...NO_GAUGES }));
  const upTo = (le: string) => metrics.value('tributary_provider_wait_seconds_bucket', { le });
  expect(['0.001', '0.0025', '10', '30', '+Inf'].map(upTo)).toEqual([2, 3, 3, 4, 5]);
  expect(metrics.value('tributary_provider_wait_seconds_sum')).toBeCloseTo(61.0021);
});

test('what processes have recorded adds up, in plain data, within the same bounds', () => {
  const primary = createRegistry();
  for (const worker of [0, 1, 2]) {
    const registry = createRegistry();
    for (let index = 0; index < 150; index += 1) {
      registry.counter('tributary.operation.stale').add(1, `Name${worker * 100 + index}`);
      registry.histogram('tributary.plan.duration').record(0.02, 'ok');
    }
    primary.merge(JSON.parse(JSON.stringify(registry.take())));
    // Nothing is left to be added twice.
    primary.merge(JSON.parse(JSON.stringify(registry.take())));
  }
  const metrics = parseExposition(toPrometheusText({ ...primary.read(), ...NO_GAUGES }));
  const stale = metrics.all('tributary_operation_stale_total');
  expect(stale.reduce((sum, { value }) => sum + value, 0)).toBe(450);
  expect(stale).toHaveLength(201);
  expect(metrics.value('tributary_operation_stale_total', { graphql_operation_name: 'Name120' })).toBe(2);
  expect(metrics.value('tributary_plan_duration_seconds_bucket', { le: '0.01' })).toBe(0);
  expect(metrics.value('tributary_plan_duration_seconds_count', { outcome: 'ok' })).toBe(450);
});

test('gauges of processes are summed, or the worst is kept, as declared', () => {
  const gauges = (value: number) => ({
    'tributary.cache.size': [{ labels: [], value }],
    'process.uptime': [{ labels: [], value }],
    'tributary.redis.up': [{ labels: [], value }],
  });
  const merged = mergeGauges([gauges(2), gauges(0), gauges(3)]);
  expect(Object.entries(merged).map(([name, points]) => [name, points[0]?.value])).toEqual([
    ['tributary.cache.size', 5],
    ['process.uptime', 3],
    ['tributary.redis.up', 0],
  ]);
});
