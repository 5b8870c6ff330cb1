import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AXES, type Axis, BY_HAND, IN_PROCESS, RUST, STOCK, TRIBUTARY } from './names.ts';
import { formatGoals, formatNumber, formatProfile, formatRows } from './report.ts';
import { formatJson, medianOf, type Result, type Row } from './result.ts';
import { type Chart, drawCharts } from './svg.ts';

/*
 * `docs/performance.md` and its pictures, from the result in `docs/performance.json`. The document's text is written by hand; between
 * `<!-- begin: name -->` and `<!-- end -->` are the tables.
 */

const PAGE = 'docs/performance.md';
const RESULT = 'docs/performance.json';

const LINE_LENGTH = 120;

/** Breaks a paragraph into lines. */
const wrap = (text: string): string => {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1) as string;
    if (last.length + word.length > LINE_LENGTH) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.join('\n');
};

const describeMachine = ({ date, commit, command, machine, minutes }: Result): string =>
  [
    '```sh',
    command,
    '```',
    '',
    wrap(
      `Run on ${date.slice(0, 10)} at commit ${commit}, in ${Math.ceil(minutes)} minutes, on ${machine.cores} cores (${machine.processor}) with ` +
        `${formatNumber(machine.memoryMib / 1024, 0)} GiB, ${machine.kernel}, Node.js ${machine.node}. Load average over 15 minutes: ` +
        `${machine.loadBefore} before and ${machine.loadAfter} after. On a quiet machine, it is 0 before and at most 2 after.`,
    ),
  ].join('\n');

const rowsOf = ({ rows }: Result, run: Row['run'], workload: Row['workload']): readonly Row[] =>
  rows.filter((row) => row.run === run && row.workload === workload);

const gatewaysOf = (rows: readonly Row[]): readonly string[] => [...new Set(rows.map(({ gateway }) => gateway))];

/** Latency percentiles of each gateway against the rate at which it was loaded. */
const loadChart = (rows: readonly Row[], measure: 'p50' | 'p99', title: string): Chart => ({
  title,
  x: 'requests/s',
  y: 'ms',
  isLog: true,
  series: gatewaysOf(rows).map((name) => ({
    name,
    points: rows
      .filter(({ gateway }) => gateway === name)
      .map((row) => [medianOf(row, 'perSecond') ?? 0, medianOf(row, measure) ?? 0] as const)
      .filter(([x, y]) => x > 0 && y > 0)
      .sort(([one], [other]) => one - other),
  })),
});

/** CPU time of each gateway against the size of the query, which is 1 at the start of each axis. */
const growthChart = (rows: readonly Row[], axis: Axis): Chart => {
  const own = rows.filter(({ at }) => at.startsWith(`${axis} `));
  return {
    title: `More ${AXES[axis]}`,
    x: `times as many ${AXES[axis]}`,
    y: 'CPU ms a request',
    series: gatewaysOf(own).map((name) => ({
      name,
      points: own
        .filter(({ gateway }) => gateway === name)
        .map((row) => [Number(row.at.split(' ')[1]), medianOf(row, 'cpu') ?? 0] as const),
    })),
  };
};

/** Growth in short: CPU at the smallest and the largest size. */
const formatGrowth = (rows: readonly Row[]): string => {
  const cell = (gateway: string, axis: Axis, measure: 'cpu' | 'firstCpu', digits: number): string =>
    [1, 10]
      .map((factor) => rows.find((row) => row.gateway === gateway && row.at === `${axis} ${factor}`))
      .map((row) => formatNumber(row && medianOf(row, measure), digits))
      .join(' → ');
  const axes = Object.keys(AXES) as Axis[];
  const tableOf = (measure: 'cpu' | 'firstCpu', digits: number) => [
    `| gateway | ${axes.map((axis) => `${AXES[axis]} × 10`).join(' | ')} |`,
    `|${' --- |'.repeat(axes.length + 1)}`,
    ...gatewaysOf(rows).map(
      (gateway) => `| ${gateway} | ${axes.map((axis) => cell(gateway, axis, measure, digits)).join(' | ')} |`,
    ),
  ];
  return [
    'CPU ms a request:',
    '',
    ...tableOf('cpu', 2),
    '',
    'CPU ms of the first request, with validation and planning:',
    '',
    ...tableOf('firstCpu', 0),
  ].join('\n');
};

/** In short: CPU and memory of the heavy query. */
const formatShort = (rows: readonly Row[]): string => {
  const names = [STOCK, RUST, TRIBUTARY, IN_PROCESS, BY_HAND];
  const first = rows[0]?.at;
  return formatRows(
    rows
      .filter(({ gateway, at }) => at === first && names.includes(gateway))
      .map((row) => ({
        ...row,
        samples: row.samples.map(({ perSecond, p99, cpu, memory }) =>
          Object.fromEntries(
            Object.entries({ perSecond, p99, cpu, memory }).filter(([, value]) => value !== undefined),
          ),
        ),
      })),
  );
};

/** The tables of the document, by the name of their place. */
const tablesOf = (result: Result): Readonly<Record<string, string>> => {
  const saturated = rowsOf(result, 'saturated', 'heavy');
  return {
    machine: describeMachine(result),
    short: formatShort(saturated),
    goals: formatGoals(result.goals),
    start: formatRows([...rowsOf(result, 'start', 'heavy')]),
    'saturated-heavy': formatRows(saturated),
    'saturated-product': formatRows(rowsOf(result, 'saturated', 'product')),
    'half-heavy': formatRows(rowsOf(result, 'half', 'heavy').filter(({ at }) => at === '50 %')),
    'half-product': formatRows(rowsOf(result, 'half', 'product').filter(({ at }) => at === '50 %')),
    latency: formatRows(rowsOf(result, 'latency', 'heavy')),
    provider: formatRows(rowsOf(result, 'provider', 'provider')),
    growth: formatGrowth(rowsOf(result, 'growth', 'growth')),
    profiles: result.profiles.map((profile) => `${profile.title}:\n\n${formatProfile(profile)}`).join('\n\n'),
  };
};

const picturesOf = (result: Result): Readonly<Record<string, string>> => {
  const loads = rowsOf(result, 'half', 'heavy');
  const growth = rowsOf(result, 'growth', 'growth');
  return {
    'docs/images/latency-against-load.svg': drawCharts('Latency against load, for each gateway', [
      loadChart(loads, 'p50', 'Median latency of the heavy query'),
      loadChart(loads, 'p99', 'p99 latency of the heavy query'),
    ]),
    'docs/images/growth.svg': drawCharts(
      'CPU time of a request against the size of the query, for each gateway',
      (Object.keys(AXES) as Axis[]).map((axis) => growthChart(growth, axis)),
    ),
  };
};

/** Returns the document with the tables of a result in their places. Throws if a place has no table. */
export const renderPage = (page: string, result: Result): string => {
  const tables = tablesOf(result);
  return page.replaceAll(/(<!-- begin: ([\w-]+) -->\n)[\s\S]*?(<!-- end -->)/g, (_, begin, name: string, end) => {
    const table = tables[name];
    if (table === undefined) throw new Error(`${PAGE}: there is no table ${name}.`);
    return `${begin}\n${table}\n\n${end}`;
  });
};

/** Reads the committed result. */
export const readResult = (root: string): Result =>
  JSON.parse(readFileSync(join(root, RESULT), 'utf8')) as unknown as Result;

/** Returns the files that follow from a result, with their content. */
export const renderDocs = (root: string, result: Result): Readonly<Record<string, string>> => ({
  [PAGE]: renderPage(readFileSync(join(root, PAGE), 'utf8'), result),
  ...picturesOf(result),
});

/** Writes the result, the document and its pictures. */
export const writeDocs = (root: string, result: Result): void => {
  writeFileSync(join(root, RESULT), formatJson(result));
  for (const [file, text] of Object.entries(renderDocs(root, result))) writeFileSync(join(root, file), text);
};
