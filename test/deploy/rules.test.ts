import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ERROR_CODES, FAILURE_CODES } from '../../telemetry/error-codes.ts';
import { ROOT, startProcess } from '../helpers/processes.ts';
import { alerts, recordings } from '../helpers/rules.ts';
import { hasTool } from '../helpers/tools.ts';

/* The rules of deploy/prometheus, on series that are made up: also for what takes days. */

const FOLDER = join(ROOT, 'test/deploy/rules');
const files = readdirSync(FOLDER);

const promtool = async (...args: string[]) => {
  const { ended, output } = startProcess(['promtool', ...args], {});
  return { code: await ended, output: output() };
};

describe.skipIf(!hasTool('prometheus and promtool'))('promtool accepts', () => {
  test('the configuration', async () => {
    const file = 'deploy/prometheus/prometheus.yml';
    expect(await promtool('check', 'config', '--syntax-only', file)).toMatchObject({ code: 0 });
  });

  test.each(['recording', 'alerts'])('the rules in %s.yml', async (name) => {
    const file = `deploy/prometheus/rules/${name}.yml`;
    const { code, output } = await promtool('check', 'rules', '--lint=all', '--lint-fatal', file);
    expect([code, code === 0 ? '' : output]).toEqual([0, '']);
  });

  test.each(files)('the unit tests in %s', { tags: ['long'] }, async (file) => {
    const { code, output } = await promtool('test', 'rules', join(FOLDER, file));
    expect([code, code === 0 ? '' : output]).toEqual([0, '']);
  });
});

test('provider failures are those of the status page', () => {
  const rule = recordings.find(({ record }) => record === 'subgraph:tributary_provider_failures:ratio_rate5m');
  const [, pattern = ''] = /outcome=~"([^"]+)"/.exec(rule?.expr ?? '') ?? [];
  const counted = [...ERROR_CODES, 'ok'].filter((code) => new RegExp(`^(?:${pattern})$`).test(code));
  expect(new Set(counted)).toEqual(FAILURE_CODES);
});

test('each alert is expected to fire in a unit test', () => {
  const text = files.map((file) => readFileSync(join(FOLDER, file), 'utf8')).join('\n');
  const firing = new Set([
    ...[...text.matchAll(/labels: ALERTS\{alertname="(\w+)", alertstate="firing"/g)].map(([, name]) => name),
    ...[...text.matchAll(/- alertname: (\w+)/g)].map(([, name]) => name),
  ]);
  expect(alerts.map(({ alert }) => alert).filter((name) => !firing.has(name))).toEqual([]);
});
