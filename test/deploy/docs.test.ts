import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DASHBOARDS, dashboardFiles } from '../../scripts/dashboards/dashboards.ts';
import { ROOT } from '../helpers/processes.ts';
import { alerts, metricsIn, recordings, rules } from '../helpers/rules.ts';

/* Rules, dashboards and guides agree with each other, and with the metrics that exist. */

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const RUNBOOKS = readdirSync(join(ROOT, 'docs/runbooks')).map((file) => `docs/runbooks/${file}`);
const NAMES = [...new Set(alerts.map(({ alert }) => alert))];

/** `TributaryBreakerOpen` has `docs/runbooks/breaker-open.md`. */
const runbookOf = (alert: string): string =>
  `docs/runbooks${alert
    .replace('Tributary', '')
    .replaceAll(/([A-Z]+)/g, '-$1')
    .toLowerCase()
    .replace('-', '/')}.md`;

const promqlIn = (text: string): string[] =>
  [...text.matchAll(/^```promql\n([\s\S]*?)\n```/gm)].map(([, query = '']) => query);

describe('runbooks', () => {
  test('there is one for each alert, and none besides', () => {
    expect(NAMES.map(runbookOf).sort()).toEqual([...RUNBOOKS].sort());
    for (const { alert, annotations } of alerts) expect(annotations['runbook_url']).toBe(runbookOf(alert));
  });

  test.each(NAMES)('%s: what it means, how to check, and what to do', (alert) => {
    const text = read(runbookOf(alert));
    expect(text).toMatch(new RegExp(`^# ${alert}\n\n\\w[\\s\\S]+\n## Check\n\n[\\s\\S]+\n## Act\n\n- `));
    expect(promqlIn(text).length).toBeGreaterThan(0);
  });
});

test('each alert has a severity, a summary and a description', () => {
  for (const { labels, annotations } of alerts) {
    expect(labels['severity']).toMatch(/^(critical|warning)$/);
    expect(Object.keys(annotations).sort()).toEqual(['description', 'runbook_url', 'summary']);
  }
});

test('docs/monitoring.md lists exactly the alerts, with their severities', () => {
  const rows = [...read('docs/monitoring.md').matchAll(/^\| \[(\w+)\]\((.+)\) \| (\w+) \|/gm)];
  const expected = new Set(
    alerts.map(({ alert, labels }) => `${alert} docs/${runbookOf(alert).slice(5)} ${labels['severity']}`),
  );
  expect(rows.map(([, name, path, severity]) => `${name} docs/${path} ${severity}`).sort()).toEqual(
    [...expected].sort(),
  );
});

test('docs/slo.md has the objectives of the rules', () => {
  const rows = [...read('docs/slo.md').matchAll(/^\| `(\w+)` \| ([\d.]+)% \| ([\d.]+)% \|/gm)];
  const documented = rows.map(([, slo, share, budget]) => [slo, Number(share), Number(budget)]);
  const objectives = recordings.filter(({ record }) => record === 'tributary:slo_objective:ratio');
  const defined = objectives.map(({ labels, expr }) => {
    const share = Number(/^vector\(([\d.]+)\)$/.exec(expr)?.[1]) * 100;
    return [labels['slo'], share, 100 - share];
  });
  expect(documented).toEqual(defined);
});

describe('dashboards', () => {
  test.each([...dashboardFiles()].map(([path, text]) => [relative(ROOT, path), text]))(
    '%s is up to date (npm run dashboards)',
    (path, text) => {
      expect(read(path)).toBe(text);
    },
  );

  test('there are no others', () => {
    const names = readdirSync(join(ROOT, 'deploy/grafana/dashboards'));
    expect(names.sort()).toEqual([...dashboardFiles().keys()].map((path) => path.split('/').at(-1)).sort());
  });

  test('each panel says what it shows, and has a title of its own', () => {
    for (const { rows } of DASHBOARDS) {
      const all = rows.flatMap(({ panels }) => panels);
      expect(new Set(all.map(({ title }) => title)).size).toBe(all.length);
      for (const { description, unit, queries } of all) {
        expect(description).toMatch(/\.$/);
        expect(unit).not.toBe('');
        for (const { legend } of queries) expect(legend).not.toBe('');
      }
    }
  });
});

describe('metrics', () => {
  const guide = read('docs/metrics.md');
  const documented = [...guide.matchAll(/^\| `[\w.]+` \| `(\w+)` \| (\w+) \| ([^|]+) \|/gm)];
  const known = new Set([
    'up',
    ...recordings.map(({ record }) => record),
    ...documented.flatMap(([, name = '', kind]) =>
      kind === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name],
    ),
  ]);
  const labels = new Set([
    // Of Prometheus, Grafana, the configuration, and the rules themselves.
    ...['instance', 'job', 'le', 'alertname', 'alertstate', 'severity', 'slo'],
    ...documented.flatMap(([, , , cell = '']) => [...cell.matchAll(/`(\w+)`/g)].map(([, label = '']) => label)),
  ]);
  const queries: readonly (readonly [where: string, expr: string])[] = [
    ...rules.map(({ record, alert, expr }) => [record ?? alert ?? '', expr] as const),
    ...DASHBOARDS.flatMap(({ uid, rows }) =>
      rows.flatMap(({ panels }) =>
        panels.flatMap(({ title, queries }) => queries.map(({ expr }) => [`${uid}: ${title}`, expr] as const)),
      ),
    ),
    ...RUNBOOKS.flatMap((file) => promqlIn(read(file)).map((expr) => [file, expr] as const)),
  ];

  test.each(queries)('of %s exist: %s', (_, expr) => {
    expect(known.size).toBeGreaterThan(60);
    expect(metricsIn(expr).filter((name) => !known.has(name))).toEqual([]);
    const used = [
      ...[...expr.matchAll(/\b(?:by|on|group_left) \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/, ?/)),
      ...[...expr.matchAll(/(\w+)(?:=|!=|=~|!~)"/g)].map(([, label = '']) => label),
    ];
    expect(used.filter((label) => label && !labels.has(label))).toEqual([]);
  });

  test('that the guides name exist', () => {
    for (const file of ['docs/slo.md', 'docs/monitoring.md', ...RUNBOOKS]) {
      const named = [
        ...read(file).matchAll(/`(\w+(?::\w+)+|(?:tributary|process|nodejs|v8js|http_server)_\w+)(?:\{[^`]*)?`/g),
      ];
      expect(
        named.map(([, name = '']) => name).filter((name) => !known.has(name) && !known.has(`${name}_bucket`)),
      ).toEqual([]);
    }
  });
});
