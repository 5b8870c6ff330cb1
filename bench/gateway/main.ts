import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { composeServices } from '@apollo/composition';
import { parse } from 'graphql';
import { Pool } from 'undici';
import { ask, loadFor, type Question } from './load.ts';
import { cpuMs, memoryMib, startOn, stop } from './processes.ts';
import { QUESTIONS } from './product.ts';
import { HEAVY, SCHEMAS } from './shop.ts';

/*
 * What gateways need to answer a heavy query, and the product's own queries. They take turns: each has the first core to
 * itself for a while, with the load and the subgraphs on the second. Every request is another client's, whose identity
 * goes to the subgraphs. The medians are of the rounds, the ratios of the medians.
 */

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    connections: { type: 'string', default: '50' },
    workload: { type: 'string', default: 'heavy,product' },
    only: { type: 'string', default: '' },
    // A checkout of an earlier state, with its packages installed, which is measured beside this one.
    baseline: { type: 'string' },
  },
});
const ROUNDS = Number(values.rounds);
const ROUND_MS = Number(values.seconds) * 1000;
const CONNECTIONS = Number(values.connections);

const ROOT = resolve(import.meta.dirname, '../..');
const PEERS = join(import.meta.dirname, 'peers');
const NODE = process.execPath;
const FIRST_PORT = 4390;
const SUBGRAPHS = `http://127.0.0.1:${FIRST_PORT}`;

const folder = mkdtempSync(join(tmpdir(), 'bench-gateway-'));

/** A file with the supergraph of the heavy query. */
const writeShop = (): string => {
  const services = Object.entries(SCHEMAS).map(([name, text]) => ({
    name,
    typeDefs: parse(text),
    url: `${SUBGRAPHS}/${name}`,
  }));
  const { errors, supergraphSdl } = composeServices(services);
  if (errors) throw new Error(String(errors[0]));
  const file = join(folder, 'shop.graphql');
  writeFileSync(file, supergraphSdl);
  return file;
};

/** A file with the product's supergraph and its subgraphs where they are for the measurement. */
const writeProduct = (): string => {
  const file = join(folder, 'product.graphql');
  const sdl = readFileSync(join(ROOT, 'gateway/supergraph.graphql'), 'utf8');
  writeFileSync(
    file,
    sdl.replaceAll(/@join__graph\(name: "(\w+)", url: "[^"]*"\)/g, `@join__graph(name: "$1", url: "${SUBGRAPHS}/$1")`),
  );
  return file;
};

type Subject = {
  readonly name: string;
  readonly cwd: string;
  readonly command: (port: number) => readonly string[];
  readonly env: object;
};

type Workload = {
  readonly title: string;
  readonly subgraphs: string;
  readonly questions: readonly Question[];
  readonly subjects: readonly Subject[];
};

const FORWARD = { FORWARD_HEADERS: 'authorization' };

const stock = (SUPERGRAPH: string): Subject => ({
  name: 'Apollo (stock)',
  cwd: ROOT,
  command: () => [NODE, 'bench/gateway/stock.ts'],
  env: { SUPERGRAPH },
});
const hive = (name: string, supergraph: string, config: string): Subject => ({
  name,
  cwd: PEERS,
  command: (port) => [
    join(PEERS, 'node_modules/.bin/hive-gateway'),
    ...['supergraph', supergraph, '-p', String(port), '-h', '127.0.0.1', '-c', config],
  ],
  env: {},
});
const CHECKOUTS: readonly (readonly [suffix: string, folder: string])[] = [
  ['', ROOT],
  ...(values.baseline ? ([[' (baseline)', resolve(values.baseline)]] as const) : []),
];
const tributary = (SUPERGRAPH: string): readonly Subject[] =>
  CHECKOUTS.map(([suffix, cwd]) => ({
    name: `Tributary${suffix}`,
    cwd,
    command: () => [NODE, '--max-semi-space-size=32', 'gateway/main.ts'],
    env: { SUPERGRAPH, ...FORWARD },
  }));
const tributaryInProcess = (SUPERGRAPH_FILE: string): readonly Subject[] =>
  CHECKOUTS.map(([suffix, cwd]) => ({
    name: `Tributary, in process${suffix}`,
    cwd,
    command: () => [NODE, '--max-semi-space-size=32', 'bench/gateway/in-process.ts'],
    env: { SUPERGRAPH_FILE, ...FORWARD },
  }));

const heavy = (): Workload => {
  const shop = writeShop();
  return {
    title: 'The heavy query',
    subgraphs: 'bench/gateway/subgraphs.ts',
    questions: [{ query: HEAVY }],
    subjects: [
      stock(shop),
      hive('Hive', shop, 'hive.config.js'),
      hive('Hive, Rust planner', shop, 'hive-rust.config.js'),
      { name: 'Mercurius', cwd: PEERS, command: () => [NODE, 'mercurius.js'], env: { SUBGRAPHS } },
      ...tributary(shop),
      ...tributaryInProcess(shop),
      { name: 'by hand', cwd: ROOT, command: () => [NODE, 'bench/gateway/by-hand.ts'], env: { SUBGRAPHS } },
    ],
  };
};

// Without Mercurius, which reads Federation 1 only.
const product = (): Workload => {
  const supergraph = writeProduct();
  return {
    title: "The product's own queries",
    subgraphs: 'bench/gateway/product.ts',
    questions: QUESTIONS,
    subjects: [
      stock(supergraph),
      hive('Hive', supergraph, 'hive.config.js'),
      hive('Hive, Rust planner', supergraph, 'hive-rust.config.js'),
      ...tributary(supergraph),
    ],
  };
};

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const portOf = (index: number): number => FIRST_PORT + 1 + index;
const urlOf = (index: number): string => `http://127.0.0.1:${portOf(index)}`;

const start = (subject: Subject, index: number) =>
  startOn(0, subject.command(portOf(index)), {
    cwd: subject.cwd,
    env: { NODE_ENV: 'production', APOLLO_TELEMETRY_DISABLED: 'true', ...subject.env, PORT: String(portOf(index)) },
  });

const untilAnswered = async (index: number, question: Question): Promise<{ answer: string; ms: number }> => {
  const begin = performance.now();
  const pool = new Pool(urlOf(index));
  for (;;) {
    try {
      const answer = await ask(pool, question);
      void pool.close();
      return { answer, ms: performance.now() - begin };
    } catch (error) {
      if (performance.now() - begin > 60_000) throw error;
      await pause(5);
    }
  }
};

const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;
const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.floor(sorted.length * share)] ?? Number.NaN;

const MEASURES = ['rps', 'p50', 'p99', 'cpu', 'memory', 'itsCore', 'otherCore'] as const;
type Round = Record<(typeof MEASURES)[number], number>;
type Row = Round & { readonly name: string; readonly cold: number };

/** Starts each subject anew in every round: gives the times to its first answer, which has to be the same for all. */
const measureStarts = async (subjects: readonly Subject[], [first]: readonly Question[]) => {
  const times = new Map<string, number[]>();
  let expected: unknown;
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, subject] of subjects.entries()) {
      const child = start(subject, index);
      const { answer, ms } = await untilAnswered(index, first as Question);
      times.set(subject.name, [...(times.get(subject.name) ?? []), ms]);
      const { data, errors } = JSON.parse(answer);
      if (errors) throw new Error(`${subject.name}: ${answer.slice(0, 300)}`);
      expected ??= data;
      if (!isDeepStrictEqual(data, expected)) throw new Error(`${subject.name} answers something else.`);
      stop(child);
      await new Promise((done) => child.once('exit', done));
    }
  }
  return times;
};

/** The answers to all questions have to be the same too. */
const compareAnswers = async (subjects: readonly Subject[], questions: readonly Question[]): Promise<number> => {
  let bytes = 0;
  for (const question of questions) {
    let expected: unknown;
    for (const [index, { name }] of subjects.entries()) {
      const { answer } = await untilAnswered(index, question);
      const { data, errors } = JSON.parse(answer);
      if (errors) throw new Error(`${name}: ${answer.slice(0, 300)}`);
      expected ??= data;
      if (!isDeepStrictEqual(data, expected)) throw new Error(`${name} answers something else.`);
    }
    bytes += JSON.stringify(expected).length;
  }
  return bytes / questions.length;
};

const measure = async ({ title, subgraphs: script, questions, subjects: all }: Workload): Promise<readonly Row[]> => {
  const subjects = all.filter(({ name }) => name.toLowerCase().includes(values.only.toLowerCase()));
  const subgraphs = startOn(1, [NODE, script], { cwd: ROOT, env: { PORT: String(FIRST_PORT) } });
  const subgraphsPid = subgraphs.pid ?? -1;
  await pause(3_000);
  const cold = await measureStarts(subjects, questions);
  const running = subjects.map((subject, index) => ({ subject, child: start(subject, index), rounds: [] as Round[] }));
  const bytes = await compareAnswers(subjects, questions);
  // The first round warms up.
  for (let round = -1; round < ROUNDS; round++) {
    for (const [index, { subject, child, rounds }] of running.entries()) {
      const pid = child.pid ?? -1;
      const before = { gateway: cpuMs(pid), subgraphs: cpuMs(subgraphsPid), here: process.cpuUsage() };
      const { requests, seconds, latencies, failures } = await loadFor(urlOf(index), questions, CONNECTIONS, ROUND_MS);
      const here = process.cpuUsage(before.here);
      const gatewayMs = cpuMs(pid) - before.gateway;
      const otherMs = cpuMs(subgraphsPid) - before.subgraphs + (here.user + here.system) / 1000;
      if (failures > 0) throw new Error(`${subject.name}: ${failures} of ${requests + failures} requests failed.`);
      if (round < 0) continue;
      rounds.push({
        rps: requests / seconds,
        p50: quantile(latencies, 0.5),
        p99: quantile(latencies, 0.99),
        cpu: gatewayMs / requests,
        memory: memoryMib(pid),
        itsCore: gatewayMs / 10 / seconds,
        otherCore: otherMs / 10 / seconds,
      });
    }
  }
  for (const { child } of running) stop(child);
  stop(subgraphs);
  await pause(500);
  console.log(
    `\n${title}: answers of ${Math.round(bytes / 1000)} KB. ${ROUNDS} rounds of ${ROUND_MS / 1000} s at ${CONNECTIONS} connections; medians.\n`,
  );
  return running.map(({ subject: { name }, rounds }) => {
    const medians = MEASURES.map((key) => [key, median(rounds.map((one) => one[key]))]);
    return { name, cold: median(cold.get(name) ?? []), ...(Object.fromEntries(medians) as Round) };
  });
};

const print = (rows: readonly Row[]): void => {
  const columns: readonly (readonly [title: string, text: (row: Row) => string])[] = [
    ['requests/s', ({ rps }) => rps.toFixed(1)],
    ['p50 ms', ({ p50 }) => p50.toFixed(1)],
    ['p99 ms', ({ p99 }) => p99.toFixed(0)],
    ['CPU ms/request', ({ cpu }) => cpu.toFixed(2)],
    ['MiB', ({ memory }) => memory.toFixed(0)],
    ['first answer ms', ({ cold }) => cold.toFixed(0)],
    ['its core', ({ itsCore }) => `${itsCore.toFixed(0)} %`],
    ['other core', ({ otherCore }) => `${otherCore.toFixed(0)} %`],
  ];
  console.log(`${'gateway'.padEnd(34)}${columns.map(([title]) => title.padStart(17)).join('')}`);
  for (const row of rows) console.log(row.name.padEnd(34) + columns.map(([, text]) => text(row).padStart(17)).join(''));
};

const printRatios = (rows: readonly Row[], isHeavy: boolean): void => {
  const row = (name: string) => rows.find((one) => one.name === name);
  const ratio = (what: string, of: number | undefined, to: number | undefined, goal: string): void => {
    if (of !== undefined && to !== undefined)
      console.log(`${what.padEnd(60)}${(of / to).toFixed(2).padStart(8)}   ${isHeavy ? goal : ''}`);
  };
  const [apollo, ours, local, hand] = ['Apollo (stock)', 'Tributary', 'Tributary, in process', 'by hand'].map(row);
  const [before, localBefore] = ['Tributary (baseline)', 'Tributary, in process (baseline)'].map(row);
  const best = rows.filter(({ name }) => /Hive|Mercurius/.test(name)).sort((a, b) => a.cpu - b.cpu)[0];
  console.log('');
  ratio('CPU a request, stock to Tributary', apollo?.cpu, ours?.cpu, 'goal: 12');
  ratio(`CPU a request, ${best?.name ?? 'best peer'} to Tributary`, best?.cpu, ours?.cpu, 'goal: 3');
  ratio('CPU a request, stock to Tributary in process', apollo?.cpu, local?.cpu, 'goal: 25');
  ratio('p99, stock to Tributary', apollo?.p99, ours?.p99, 'goal: 20');
  ratio('memory, Tributary to stock', ours?.memory, apollo?.memory, 'goal: 1 or less');
  ratio('time to the first answer, Tributary to stock', ours?.cold, apollo?.cold, 'goal: 1 or less');
  ratio('CPU a request, Tributary to by hand', ours?.cpu, hand?.cpu, 'goal: 1.25 or less');
  ratio('CPU a request, Tributary to baseline', ours?.cpu, before?.cpu, 'goal: 1 or less');
  ratio('CPU a request, Tributary in process to baseline', local?.cpu, localBefore?.cpu, 'goal: 1 or less');
  ratio('p99, Tributary to baseline', ours?.p99, before?.p99, 'goal: 1 or less');
  ratio('memory, Tributary to baseline', ours?.memory, before?.memory, 'goal: 1 or less');
  ratio('time to the first answer, Tributary to baseline', ours?.cold, before?.cold, 'goal: 1 or less');
};

// The load runs here, beside the subgraphs.
execFileSync('taskset', ['-a', '-p', '-c', '1', String(process.pid)]);
for (const [name, workload] of Object.entries({ heavy, product })) {
  if (!values.workload.split(',').includes(name)) continue;
  const rows = await measure(workload());
  print(rows);
  printRatios(rows, name === 'heavy');
}
process.exit(0);
