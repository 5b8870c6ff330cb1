import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { composeServices } from '@apollo/composition';
import { parse } from 'graphql';
import { Pool } from 'undici';
import { ask, loadFor } from './load.ts';
import { cpuMs, memoryMib, startOn, stop } from './processes.ts';
import { HEAVY, SCHEMAS } from './shop.ts';

/*
 * What a heavy query costs gateways. They take turns: each has the first core to itself for a while, with the load and
 * the subgraphs on the second. The medians are of the rounds, the ratios of the medians.
 */

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    connections: { type: 'string', default: '50' },
    only: { type: 'string' },
  },
});
const ROUNDS = Number(values.rounds);
const ROUND_MS = Number(values.seconds) * 1000;
const CONNECTIONS = Number(values.connections);

const ROOT = resolve(import.meta.dirname, '../..');
const PEERS = join(import.meta.dirname, 'peers');
const FIRST_PORT = 4390;
const SUBGRAPHS = `http://127.0.0.1:${FIRST_PORT}`;

const folder = mkdtempSync(join(tmpdir(), 'bench-gateway-'));
const SUPERGRAPH = join(folder, 'supergraph.graphql');
const composed = composeServices(
  Object.entries(SCHEMAS).map(([name, text]) => ({ name, typeDefs: parse(text), url: `${SUBGRAPHS}/${name}` })),
);
if (composed.errors) throw new Error(String(composed.errors[0]));
writeFileSync(SUPERGRAPH, composed.supergraphSdl);

type Subject = {
  readonly name: string;
  readonly cwd: string;
  readonly command: (port: number) => readonly string[];
  readonly env: object;
};

const NODE = process.execPath;
const hive = (config: string) => (port: number) => [
  join(PEERS, 'node_modules/.bin/hive-gateway'),
  ...['supergraph', SUPERGRAPH, '-p', String(port), '-h', '127.0.0.1', '-c', config],
];
const PRODUCTION = { NODE_ENV: 'production', APOLLO_TELEMETRY_DISABLED: 'true' };
const FORWARD = { FORWARD_HEADERS: 'authorization' };

const SUBJECTS: readonly Subject[] = [
  { name: 'Apollo (stock)', cwd: ROOT, command: () => [NODE, 'bench/gateway/stock.ts'], env: { SUPERGRAPH } },
  { name: 'Hive', cwd: PEERS, command: hive('hive.config.ts'), env: {} },
  { name: 'Hive, Rust planner', cwd: PEERS, command: hive('hive-rust.config.ts'), env: {} },
  { name: 'Mercurius', cwd: PEERS, command: () => [NODE, 'mercurius.js'], env: { SUBGRAPHS } },
  { name: 'Tributary', cwd: ROOT, command: () => [NODE, 'gateway/main.ts'], env: { SUPERGRAPH, ...FORWARD } },
  {
    name: 'Tributary, in process',
    cwd: ROOT,
    command: () => [NODE, 'bench/gateway/in-process.ts'],
    env: { SUPERGRAPH_FILE: SUPERGRAPH, ...FORWARD },
  },
  { name: 'by hand', cwd: ROOT, command: () => [NODE, 'bench/gateway/by-hand.ts'], env: { SUBGRAPHS } },
].filter(({ name }) => !values.only || name.toLowerCase().includes(values.only.toLowerCase()));

const untilAnswered = async (port: number): Promise<{ answer: string; ms: number }> => {
  const start = performance.now();
  const pool = new Pool(`http://127.0.0.1:${port}`);
  for (;;) {
    try {
      const answer = await ask(pool, HEAVY);
      void pool.close();
      return { answer, ms: performance.now() - start };
    } catch (error) {
      if (performance.now() - start > 60_000) throw error;
      await new Promise((done) => setTimeout(done, 5));
    }
  }
};

const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;
const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.floor(sorted.length * share)] ?? Number.NaN;

type Round = {
  rps: number;
  p50: number;
  p99: number;
  cpu: number;
  memory: number;
  gatewayCore: number;
  otherCore: number;
};

// The load runs here, beside the subgraphs.
execFileSync('taskset', ['-a', '-p', '-c', '1', String(process.pid)]);
const subgraphs = startOn(1, [NODE, 'bench/gateway/subgraphs.ts'], { cwd: ROOT, env: { PORT: String(FIRST_PORT) } });

const start = (subject: Subject, port: number) =>
  startOn(0, subject.command(port), { cwd: subject.cwd, env: { ...PRODUCTION, ...subject.env, PORT: String(port) } });

// Cold: the time from the process's start to its first answer, the same answer for all.
const coldMs = new Map<string, number[]>(SUBJECTS.map(({ name }) => [name, []]));
let expected: unknown;
await new Promise((done) => setTimeout(done, 1_500));
for (let round = 0; round < ROUNDS; round++) {
  for (const [index, subject] of SUBJECTS.entries()) {
    const child = start(subject, FIRST_PORT + 1 + index);
    const { answer, ms } = await untilAnswered(FIRST_PORT + 1 + index);
    coldMs.get(subject.name)?.push(ms);
    const { data, errors } = JSON.parse(answer);
    if (errors) throw new Error(`${subject.name}: ${answer.slice(0, 300)}`);
    expected ??= data;
    if (!isDeepStrictEqual(data, expected)) throw new Error(`${subject.name} answers something else.`);
    stop(child);
    await new Promise((done) => child.once('exit', done));
  }
}

const running = SUBJECTS.map((subject, index) => ({
  subject,
  child: start(subject, FIRST_PORT + 1 + index),
  url: `http://127.0.0.1:${FIRST_PORT + 1 + index}`,
  rounds: [] as Round[],
}));
for (const [index] of running.entries()) await untilAnswered(FIRST_PORT + 1 + index);

for (let round = -1; round < ROUNDS; round++) {
  for (const { subject, child, url, rounds } of running) {
    const pid = child.pid ?? -1;
    const before = { gateway: cpuMs(pid), subgraphs: cpuMs(subgraphs.pid ?? -1), here: process.cpuUsage() };
    const { requests, seconds, latencies, failures } = await loadFor(url, HEAVY, CONNECTIONS, ROUND_MS);
    const here = process.cpuUsage(before.here);
    const gatewayMs = cpuMs(pid) - before.gateway;
    const otherMs = cpuMs(subgraphs.pid ?? -1) - before.subgraphs + (here.user + here.system) / 1000;
    if (failures > 0) throw new Error(`${subject.name}: ${failures} of ${requests + failures} requests failed.`);
    // The first round warms up.
    if (round < 0) continue;
    rounds.push({
      rps: requests / seconds,
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
      cpu: gatewayMs / requests,
      memory: memoryMib(pid),
      gatewayCore: gatewayMs / 10 / seconds,
      otherCore: otherMs / 10 / seconds,
    });
  }
}

const table = running.map(({ subject, rounds }) => {
  const of = (key: keyof Round): number => median(rounds.map((round) => round[key]));
  return {
    name: subject.name,
    cold: median(coldMs.get(subject.name) ?? []),
    ...(Object.fromEntries(
      (['rps', 'p50', 'p99', 'cpu', 'memory', 'gatewayCore', 'otherCore'] as const).map((key) => [key, of(key)]),
    ) as Round),
  };
});

const pad = (text: string | number, width: number): string => String(text).padStart(width);
console.log(
  `The answer has ${Math.round(JSON.stringify(expected).length / 1000)} KB. ${ROUNDS} rounds of ${ROUND_MS / 1000} s at ${CONNECTIONS} connections; medians.\n`,
);
console.log(
  `${'gateway'.padEnd(24)}requests/s   p50 ms   p99 ms   CPU ms/request   MiB   cold start ms   its core   other core`,
);
for (const { name, rps, p50, p99, cpu, memory, cold, gatewayCore, otherCore } of table) {
  console.log(
    name.padEnd(24) +
      pad(rps.toFixed(1), 10) +
      pad(p50.toFixed(1), 9) +
      pad(p99.toFixed(1), 9) +
      pad(cpu.toFixed(2), 17) +
      pad(memory.toFixed(0), 6) +
      pad(cold.toFixed(0), 16) +
      pad(`${gatewayCore.toFixed(0)} %`, 11) +
      pad(`${otherCore.toFixed(0)} %`, 13),
  );
}

const row = (name: string) => table.find((one) => one.name === name);
const ratio = (title: string, of: number | undefined, to: number | undefined, goal: string): void => {
  if (of !== undefined && to !== undefined) console.log(`${title.padEnd(58)}${pad((of / to).toFixed(2), 8)}   ${goal}`);
};
const [stock, ours, local, hand] = ['Apollo (stock)', 'Tributary', 'Tributary, in process', 'by hand'].map(row);
const best = table.filter(({ name }) => /Hive|Mercurius/.test(name)).sort((a, b) => a.cpu - b.cpu)[0];
console.log('\nratio');
ratio('CPU a request, stock to Tributary', stock?.cpu, ours?.cpu, 'goal 12');
ratio(`CPU a request, ${best?.name ?? 'best peer'} to Tributary`, best?.cpu, ours?.cpu, 'goal 3');
ratio('CPU a request, stock to Tributary in process', stock?.cpu, local?.cpu, 'goal 25');
ratio('p99, stock to Tributary', stock?.p99, ours?.p99, 'goal 20');
ratio('memory, Tributary to stock', ours?.memory, stock?.memory, 'goal 1 or less');
ratio('cold start, Tributary to stock', ours?.cold, stock?.cold, 'goal 1 or less');
ratio('CPU a request, Tributary to by hand', ours?.cpu, hand?.cpu, 'goal 1.25 or less');
process.exit(0);
