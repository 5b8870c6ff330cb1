import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { METRICS, type MetricName, maxTimeSeriesOf, prometheusNameOf } from '../../telemetry/metrics/definitions.ts';
import { ROOT } from '../helpers/processes.ts';

/* docs/metrics.md has all metrics, and no others. */

const text = readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8');

const names = Object.keys(METRICS) as MetricName[];

test('the tables have each metric with its names, kind, labels and bound', () => {
  const rows = [...text.matchAll(/^\| `([\w.]+)` \| `(\w+)` \| (\w+) \| (.+?) \| (\d+) \| .+ \|$/gm)];
  const documented = rows.map(([, name, prometheus, kind, labels, series]) => [
    name,
    prometheus,
    kind,
    labels,
    Number(series),
  ]);
  const expected = names.map((name) => {
    const { kind, labels } = METRICS[name];
    const inProse = labels.map((label) => `\`${label.replaceAll('.', '_')}\``).join(', ') || '–';
    return [name, prometheusNameOf(name), kind, inProse, maxTimeSeriesOf(METRICS[name])];
  });
  expect(documented.toSorted()).toEqual(expected.toSorted());
});

test('the total is the sum of the bounds', () => {
  const total = names.reduce((sum, name) => sum + maxTimeSeriesOf(METRICS[name]), 0);
  expect(/at most ([\d,]+) in total/.exec(text)?.[1]?.replaceAll(',', '')).toBe(String(total));
});
