import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGateway } from '../../gateway/start.ts';
import type { StartedGateway } from '../../gateway/started-gateway.ts';
import { METRICS, type MetricName, maxTimeSeriesOf, prometheusNameOf } from '../../telemetry/metrics/definitions.ts';
import { type Exposition, promtool, readMetrics } from '../helpers/prometheus.ts';
import { createAsk } from '../helpers/stack.ts';
import { headersOf, TOKEN_ENV } from '../helpers/tokens.ts';

/* What clients choose does not make the number of series grow without bound, and cannot break the text. */

let gateway: StartedGateway;
beforeAll(async () => {
  gateway = await startGateway({
    PORT: '0',
    ADMIN_PORT: '0',
    LOG_LEVEL: 'silent',
    PAYMENTS_URL: 'http://127.0.0.1:1/payments',
    CRM_URL: 'http://127.0.0.1:1/crm',
    INVENTORY_URL: 'http://127.0.0.1:1/inventory',
    ...TOKEN_ENV,
  });
});
afterAll(() => gateway.close());

const send = (query: string, headers: Record<string, string> = {}) =>
  createAsk(`${gateway.url}/graphql`)(query, {}, { headers });

/** Runs `count` requests, at most 20 at once. */
const sendMany = async (count: number, sendOne: (index: number) => Promise<unknown>): Promise<void> => {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      await sendOne(next - 1);
    }
  };
  await Promise.all(Array.from({ length: 20 }, work));
};

const valuesOf = ({ samples }: Exposition, label: string): Set<string> =>
  new Set(samples.flatMap(({ labels }) => labels.get(label) ?? []));

const HOSTILE = [
  'quote"s',
  'line\nbreak',
  'carriage\rreturn',
  'back\\slash\\',
  '\\n',
  '"} 1\ntributary_forged_total{x="',
  '__proto__',
  'constructor',
  'NaN',
  '\u0000\u0001\u001b[31m',
  '\u2028 line separator',
  'half \ud800 pair',
  'half \udc00 pair',
  'ünïcödé 🧾',
  'x'.repeat(180),
  '(other)',
];

test('hostile names of clients are values like others', async () => {
  for (const subject of HOSTILE) await send('{ __typename }', headersOf({ subject }));
  for (const name of ['__proto__', 'constructor', 'toString', `N${'x'.repeat(10_000)}`])
    await send(`query ${name} { __typename }`);
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  expect(promtool(text)).toBe('');
  const metrics = await readMetrics(gateway.adminUrl);
  expect(metrics.all('tributary_forged_total')).toEqual([]);
  const clients = valuesOf(metrics, 'client');
  for (const subject of HOSTILE) {
    // Cut, and well-formed.
    const name = Buffer.from(`jwt:${subject}`.slice(0, 128)).toString();
    expect(metrics.value('tributary_client_operations_total', { client: name }), JSON.stringify(name)).toBeGreaterThan(
      0,
    );
  }
  expect(Math.max(...[...clients].map((name) => name.length))).toBe(128);
  const operations = valuesOf(metrics, 'graphql_operation_name');
  expect(operations).toEqual(new Set(['__proto__', 'constructor', 'toString', `N${'x'.repeat(127)}`]));
});

test('1,000 names of operations and 300 clients have no more series than documented', { tags: ['long'] }, async () => {
  const headers = Array.from({ length: 300 }, (_, index) => headersOf({ subject: `client${index}` }));
  const before = await readMetrics(gateway.adminUrl);
  const total = (metrics: Exposition): number =>
    metrics.all('tributary_operation_duration_seconds_count').reduce((sum, { value }) => sum + value, 0);
  await sendMany(1_000, (index) => send(`query Name${index} { __typename }`, headers[index % 300]));
  const metrics = await readMetrics(gateway.adminUrl);
  // Nothing is lost.
  expect(total(metrics)).toBe(total(before) + 1_000);
  expect(valuesOf(metrics, 'graphql_operation_name').size).toBe(201);
  expect(valuesOf(metrics, 'client').size).toBe(201);
  expect(
    metrics.value('tributary_operation_duration_seconds_count', { graphql_operation_name: '(other)' }),
  ).toBeGreaterThanOrEqual(800);
  for (const name of Object.keys(METRICS) as MetricName[]) {
    const prefix = prometheusNameOf(name);
    const series = metrics.samples.filter((sample) => sample.name.replace(/_(bucket|sum|count)$/, '') === prefix);
    expect(series.length, name).toBeLessThanOrEqual(maxTimeSeriesOf(METRICS[name]));
  }
});
