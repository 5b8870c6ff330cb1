import {
  AUTHENTICATED,
  AXES,
  type Axis,
  BASELINE,
  BY_HAND,
  EMBEDDED,
  FACTORS,
  IN_PROCESS,
  LIMITED,
  type Run,
  STOCK,
  TRIBUTARY,
  type WorkloadName,
} from './names.ts';
import { type Goal, type Measure, medianOf, type Row } from './result.ts';
import { extrapolate, median } from './statistics.ts';

/* The goals, and what was measured: ratios within a round, and their median over the rounds. */

type Setting = { readonly run: Run; readonly workload: WorkloadName; readonly at?: string };

/** Returns the goals whose gateways were measured. */
export const assess = (rows: readonly Row[]): readonly Goal[] => {
  const find = (gateway: string, { run, workload, at }: Setting): Row | undefined =>
    rows.find(
      (row) =>
        row.gateway === gateway && row.run === run && row.workload === workload && (at === undefined || row.at === at),
    );
  const goals: Goal[] = [];
  const add = (title: string, value: number | undefined, limit: Goal['limit'], goal: number): void => {
    if (value !== undefined && !Number.isNaN(value)) goals.push({ title, value, limit, goal });
  };
  const ratio = (of: Row | undefined, to: Row | undefined, measure: Measure): number | undefined =>
    of && to
      ? median(of.samples.map(({ [measure]: one }, round) => (one ?? Number.NaN) / (to.samples[round]?.[measure] ?? 0)))
      : undefined;

  const heavy: Setting = { run: 'saturated', workload: 'heavy', at: '50 connections' };
  const [ours, stock, hand, local] = [TRIBUTARY, STOCK, BY_HAND, IN_PROCESS].map((name) => find(name, heavy));
  const [before, localBefore] = [TRIBUTARY, IN_PROCESS].map((name) => find(name + BASELINE, heavy));
  add('CPU a request of the heavy query, Tributary to by hand', ratio(ours, hand, 'cpu'), 'most', 1.25);
  for (const connections of ['50 connections', '500 connections']) {
    const row = find(TRIBUTARY, { ...heavy, at: connections });
    const spread = row && median(row.samples.map(({ p50 = Number.NaN, p99 = Number.NaN }) => p99 / p50));
    add(`p99 to p50, heavy query, saturated by ${connections}`, spread, 'most', 2.5);
    add(`memory, heavy query, saturated by ${connections}, MiB`, row && medianOf(row, 'memory'), 'most', 220);
  }
  add('subgraph fetches a request of the heavy query', ours && medianOf(ours, 'fetches'), 'most', 7);

  const product: Setting = { run: 'saturated', workload: 'product', at: '50 connections' };
  add(
    "CPU a request of the product's queries, with limits and budgets to without",
    ratio(find(LIMITED, product), find(AUTHENTICATED, product), 'cpu'),
    'most',
    1.02,
  );

  const provider: Setting = { run: 'provider', workload: 'provider' };
  const [embedded, embeddedBefore] = [EMBEDDED, EMBEDDED + BASELINE].map((name) => find(name, provider));
  add(
    "CPU a request of the product's queries, embedded, to baseline",
    ratio(embedded, embeddedBefore, 'cpu'),
    'most',
    0.5,
  );

  const start: Setting = { run: 'start', workload: 'heavy' };
  const [started, stockStarted] = [TRIBUTARY, STOCK].map((name) => find(name, start));
  add('start to first response, heavy query, ms', started && medianOf(started, 'first'), 'most', 400);

  for (const axis of Object.keys(AXES) as Axis[]) {
    const cpus = FACTORS.map((factor) => {
      const row = find(TRIBUTARY, { run: 'growth', workload: 'growth', at: `${axis} ${factor}` });
      return row ? (medianOf(row, 'cpu') ?? Number.NaN) : Number.NaN;
    }) as [number, number, number, number];
    const title = `growth with ${AXES[axis]}: CPU at 10 times to the line through 1, 4 and 7 times`;
    add(title, cpus[3] / extrapolate(cpus[0], cpus[1], cpus[2]), 'most', 1.15);
  }

  /** The gateway of others that needs the least CPU. */
  const bestPeer = ({ run, workload, at }: Setting): Row | undefined =>
    rows
      .filter((row) => row.run === run && row.workload === workload && (at === undefined || row.at === at))
      .filter(({ gateway }) => gateway !== BY_HAND && !gateway.startsWith(TRIBUTARY))
      .sort((one, other) => (medianOf(one, 'cpu') ?? 0) - (medianOf(other, 'cpu') ?? 0))[0];
  const toPeer = (title: string, setting: Setting, row: Row | undefined, goal: number): void => {
    const peer = bestPeer(setting);
    add(`${title}, ${peer?.gateway} to ${row?.gateway}`, ratio(peer, row, 'cpu'), 'least', goal);
  };
  toPeer('CPU a request of the heavy query', heavy, ours, 3);
  toPeer("CPU a request of the product's queries, from client to provider", provider, embedded, 1);
  add('CPU a request of the heavy query, stock to Tributary', ratio(stock, ours, 'cpu'), 'least', 12);
  add('CPU a request of the heavy query, stock to Tributary in process', ratio(stock, local, 'cpu'), 'least', 25);
  add('p99 of the heavy query, stock to Tributary', ratio(stock, ours, 'p99'), 'least', 20);
  add('memory, heavy query, Tributary to stock', ratio(ours, stock, 'memory'), 'most', 1);
  add('start to first response, Tributary to stock', ratio(started, stockStarted, 'first'), 'most', 1);

  add('CPU a request of the heavy query, Tributary to baseline', ratio(ours, before, 'cpu'), 'most', 1);
  add(
    'CPU a request of the heavy query, Tributary in process to baseline',
    ratio(local, localBefore, 'cpu'),
    'most',
    1,
  );
  add('p99 of the heavy query, Tributary to baseline', ratio(ours, before, 'p99'), 'most', 1);
  add('memory, heavy query, Tributary to baseline', ratio(ours, before, 'memory'), 'most', 1);
  const startedBefore = find(TRIBUTARY + BASELINE, start);
  add('start to first response, Tributary to baseline', ratio(started, startedBefore, 'first'), 'most', 1);
  return goals;
};
