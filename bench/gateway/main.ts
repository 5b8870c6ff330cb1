import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { type ASTNode, parse, print as toSdl, visit } from 'graphql';
import { Pool } from 'undici';
import { loadFor, type Operation, post } from './load.ts';
import { cpuMs, memoryMib, startOn, stop } from './processes.ts';
import { OPERATIONS } from './product.ts';
import { HEAVY } from './shop.ts';
import { composeShop } from './supergraph.ts';
import { AUTH_ENV } from './tokens.ts';

/*
 * Compares gateways on a heavy query and on the product's own queries. They run in alternating rounds: each has the first core
 * to itself, with the load and the subgraphs on the second. Every request has a different client identity, which is forwarded
 * to the subgraphs. Reports the medians of the rounds, and ratios of the medians.
 */

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    connections: { type: 'string', default: '50' },
    workload: { type: 'string', default: 'heavy,product' },
    only: { type: 'string', default: '' },
    // A checkout of an earlier version, with its packages installed, to compare with this one.
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

/** Writes the supergraph of the heavy query to a file. */
const writeShop = (): string => {
  const file = join(folder, 'shop.graphql');
  writeFileSync(file, composeShop(SUBGRAPHS));
  return file;
};

/** Returns a supergraph without the scopes that it requires. */
const withoutScopes = (sdl: string): string => {
  const remove = (node: ASTNode) => (toSdl(node).includes('requiresScopes') ? null : undefined);
  return toSdl(visit(parse(sdl), { Directive: remove, DirectiveDefinition: remove, ScalarTypeDefinition: remove }));
};

/** Writes the product's supergraph to a file, with the benchmark's subgraph URLs. */
const writeProduct = (name: string, change = (sdl: string): string => sdl): string => {
  const file = join(folder, `${name}.graphql`);
  const sdl = change(readFileSync(join(ROOT, 'gateway/supergraph.graphql'), 'utf8'));
  writeFileSync(
    file,
    sdl.replaceAll(/@join__graph\(name: "(\w+)", url: "[^"]*"\)/g, `@join__graph(name: "$1", url: "${SUBGRAPHS}/$1")`),
  );
  return file;
};

type Candidate = {
  readonly name: string;
  readonly cwd: string;
  readonly command: (port: number) => readonly string[];
  readonly env: object;
};

type Workload = {
  readonly title: string;
  readonly subgraphs: string;
  readonly operations: readonly Operation[];
  readonly candidates: readonly Candidate[];
};

const FORWARD = { FORWARD_HEADERS: 'authorization' };

const stock = (SUPERGRAPH: string): Candidate => ({
  name: 'Apollo (stock)',
  cwd: ROOT,
  command: () => [NODE, 'bench/gateway/stock.ts'],
  env: { SUPERGRAPH },
});
const hive = (name: string, supergraph: string, config: string): Candidate => ({
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
const tributary = (SUPERGRAPH: string): readonly Candidate[] =>
  CHECKOUTS.map(([suffix, cwd]) => ({
    name: `Tributary${suffix}`,
    cwd,
    command: () => [NODE, '--max-semi-space-size=32', 'gateway/main.ts'],
    env: { SUPERGRAPH, ...FORWARD },
  }));
const tributaryInProcess = (SUPERGRAPH_FILE: string): readonly Candidate[] =>
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
    operations: [{ query: HEAVY }],
    candidates: [
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

// Without Mercurius, which only supports Federation 1.
const product = (): Workload => {
  // The peers refuse scopes, or do not know them.
  const supergraph = writeProduct('product', withoutScopes);
  const withScopes = writeProduct('product-with-scopes');
  return {
    title: "The product's own queries",
    subgraphs: 'bench/gateway/product.ts',
    operations: OPERATIONS,
    candidates: [
      stock(supergraph),
      hive('Hive', supergraph, 'hive.config.js'),
      hive('Hive, Rust planner', supergraph, 'hive-rust.config.js'),
      ...tributary(supergraph),
      {
        name: 'Tributary, authenticated',
        cwd: ROOT,
        command: () => [NODE, '--max-semi-space-size=32', 'gateway/main.ts'],
        env: { SUPERGRAPH: withScopes, ...FORWARD, ...AUTH_ENV },
      },
    ],
  };
};

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const portOf = (index: number): number => FIRST_PORT + 1 + index;
const urlOf = (index: number): string => `http://127.0.0.1:${portOf(index)}`;

const start = (candidate: Candidate, index: number) =>
  startOn(0, candidate.command(portOf(index)), {
    cwd: candidate.cwd,
    env: {
      NODE_ENV: 'production',
      AUTH: 'none',
      APOLLO_TELEMETRY_DISABLED: 'true',
      ...candidate.env,
      PORT: String(portOf(index)),
    },
  });

const firstResponse = async (index: number, operation: Operation): Promise<{ response: string; ms: number }> => {
  const begin = performance.now();
  const pool = new Pool(urlOf(index));
  for (;;) {
    try {
      const response = await post(pool, operation);
      void pool.close();
      return { response, ms: performance.now() - begin };
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

/** Restarts each gateway in every round and measures the time to its first response, which must be the same for all. */
const measureStarts = async (candidates: readonly Candidate[], [first]: readonly Operation[]) => {
  const times = new Map<string, number[]>();
  let expected: unknown;
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, candidate] of candidates.entries()) {
      const child = start(candidate, index);
      const { response, ms } = await firstResponse(index, first as Operation);
      times.set(candidate.name, [...(times.get(candidate.name) ?? []), ms]);
      const { data, errors } = JSON.parse(response);
      if (errors) throw new Error(`${candidate.name}: ${response.slice(0, 300)}`);
      expected ??= data;
      if (!isDeepStrictEqual(data, expected)) throw new Error(`${candidate.name} gives a different response.`);
      stop(child);
      await new Promise((done) => child.once('exit', done));
    }
  }
  return times;
};

/** Throws unless all gateways give the same responses. Returns their average size in bytes. */
const compareResponses = async (
  candidates: readonly Candidate[],
  operations: readonly Operation[],
): Promise<number> => {
  let bytes = 0;
  for (const operation of operations) {
    let expected: unknown;
    for (const [index, { name }] of candidates.entries()) {
      const { response } = await firstResponse(index, operation);
      const { data, errors } = JSON.parse(response);
      if (errors) throw new Error(`${name}: ${response.slice(0, 300)}`);
      expected ??= data;
      if (!isDeepStrictEqual(data, expected)) throw new Error(`${name} gives a different response.`);
    }
    bytes += JSON.stringify(expected).length;
  }
  return bytes / operations.length;
};

const measure = async ({
  title,
  subgraphs: script,
  operations,
  candidates: all,
}: Workload): Promise<readonly Row[]> => {
  const candidates = all.filter(({ name }) => name.toLowerCase().includes(values.only.toLowerCase()));
  const subgraphs = startOn(1, [NODE, script], { cwd: ROOT, env: { PORT: String(FIRST_PORT) } });
  const subgraphsPid = subgraphs.pid ?? -1;
  await pause(3_000);
  const cold = await measureStarts(candidates, operations);
  const running = candidates.map((candidate, index) => ({
    candidate,
    child: start(candidate, index),
    rounds: [] as Round[],
  }));
  const bytes = await compareResponses(candidates, operations);
  // The first round is the warm-up.
  for (let round = -1; round < ROUNDS; round++) {
    for (const [index, { candidate, child, rounds }] of running.entries()) {
      const pid = child.pid ?? -1;
      const before = { gateway: cpuMs(pid), subgraphs: cpuMs(subgraphsPid), here: process.cpuUsage() };
      const { requests, seconds, latencies, failures } = await loadFor(urlOf(index), operations, CONNECTIONS, ROUND_MS);
      const here = process.cpuUsage(before.here);
      const gatewayMs = cpuMs(pid) - before.gateway;
      const otherMs = cpuMs(subgraphsPid) - before.subgraphs + (here.user + here.system) / 1000;
      if (failures > 0) throw new Error(`${candidate.name}: ${failures} of ${requests + failures} requests failed.`);
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
    `\n${title}: responses of ${Math.round(bytes / 1000)} KB. ${ROUNDS} rounds of ${ROUND_MS / 1000} s at ${CONNECTIONS} connections; medians.\n`,
  );
  return running.map(({ candidate: { name }, rounds }) => {
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
    ['first response ms', ({ cold }) => cold.toFixed(0)],
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
  ratio('time to the first response, Tributary to stock', ours?.cold, apollo?.cold, 'goal: 1 or less');
  ratio('CPU a request, Tributary to by hand', ours?.cpu, hand?.cpu, 'goal: 1.25 or less');
  ratio('CPU a request, Tributary to baseline', ours?.cpu, before?.cpu, 'goal: 1 or less');
  ratio('CPU a request, Tributary in process to baseline', local?.cpu, localBefore?.cpu, 'goal: 1 or less');
  ratio('p99, Tributary to baseline', ours?.p99, before?.p99, 'goal: 1 or less');
  ratio('memory, Tributary to baseline', ours?.memory, before?.memory, 'goal: 1 or less');
  ratio('time to the first response, Tributary to baseline', ours?.cold, before?.cold, 'goal: 1 or less');
};

// The load generator runs in this process, on the subgraphs' core.
execFileSync('taskset', ['-a', '-p', '-c', '1', String(process.pid)]);
for (const [name, workload] of Object.entries({ heavy, product })) {
  if (!values.workload.split(',').includes(name)) continue;
  const rows = await measure(workload());
  print(rows);
  printRatios(rows, name === 'heavy');
}
process.exit(0);
