import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import { loadFor, post } from './gateway/load.ts';
import { cpuMs, memoryMib, startOn, stop } from './gateway/processes.ts';
import { HEAVY } from './gateway/shop.ts';
import { composeShop } from './gateway/supergraph.ts';

/*
 * `npm run bench:saturation`: a gateway that starts requests as its event loop has time (PACE_REQUESTS=on) beside one that starts
 * all (off), with subgraphs of different response times. They take turns: the gateway has the first core to itself, the
 * load and the subgraphs have the second. Reports medians of the rounds, and of the ratios within a round.
 */

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    connections: { type: 'string', default: '50,300' },
    // Response times of the subgraphs in milliseconds; several in one entry are used in turn.
    latencies: { type: 'string', default: '0;5;50;500;0,5,50,500' },
  },
});

const ROOT = resolve(import.meta.dirname, '..');
const NODE = process.execPath;
const FIRST_PORT = 4490;
const OPERATIONS = [{ query: HEAVY }];
const MODES = ['off', 'on'] as const;

type Mode = (typeof MODES)[number];

const folder = mkdtempSync(join(tmpdir(), 'bench-saturation-'));
process.once('exit', () => rmSync(folder, { recursive: true }));
const supergraph = join(folder, 'shop.graphql');
writeFileSync(supergraph, composeShop(`http://127.0.0.1:${FIRST_PORT}`));

const median = (list: readonly number[]): number =>
  [...list].sort((one, other) => one - other)[Math.floor(list.length / 2)] ?? Number.NaN;

const startMode = (mode: Mode, index: number) => {
  const port = FIRST_PORT + 1 + index;
  const child = startOn(0, [NODE, '--max-semi-space-size=32', 'gateway/main.ts'], {
    cwd: ROOT,
    env: {
      NODE_ENV: 'production',
      AUTH: 'none',
      ENV_FILE: '/dev/null',
      LOG_LEVEL: 'error',
      SUPERGRAPH: supergraph,
      FORWARD_HEADERS: 'authorization',
      REQUEST_TIMEOUT_MS: '120000',
      PACE_REQUESTS: mode,
      PORT: String(port),
    },
  });
  return { mode, child, url: `http://127.0.0.1:${port}` };
};

type Gateway = ReturnType<typeof startMode>;

const firstResponse = async ({ url }: Gateway): Promise<void> => {
  const pool = new Pool(url);
  for (const begin = performance.now(); ; await delay(20)) {
    try {
      await post(pool, { query: HEAVY });
      return await pool.close();
    } catch (error) {
      if (performance.now() - begin > 60_000) throw error;
    }
  }
};

const measure = async ({ child, url }: Gateway, connections: number) => {
  const pid = child.pid ?? -1;
  const before = cpuMs(pid);
  const { requests, seconds, latencies, failures } = await loadFor(
    url,
    OPERATIONS,
    connections,
    Number(values.seconds) * 1_000,
  );
  if (failures > 0) throw new Error(`${failures} of ${requests + failures} requests failed.`);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? Number.NaN;
  return {
    perSecond: requests / seconds,
    p50: at(0.5),
    p99: at(0.99),
    cpu: (cpuMs(pid) - before) / requests,
    memory: memoryMib(pid),
  };
};

type Round = Record<Mode, Awaited<ReturnType<typeof measure>>>;

const report = (latencies: string, connections: number, rounds: readonly Round[]): void => {
  const both = (key: keyof Round[Mode], digits: number): string =>
    MODES.map((mode) => median(rounds.map((round) => round[mode][key])).toFixed(digits)).join(' / ');
  const ratio = median(rounds.map(({ off, on }) => on.perSecond / off.perSecond)).toFixed(2);
  const columns = [both('perSecond', 0), ratio, both('p50', 0), both('p99', 0), both('cpu', 2), both('memory', 0)];
  console.log(`| ${[latencies, connections, ...columns].join(' | ')} |`);
};

// The load generator runs in this process, on the subgraphs' core.
execFileSync('taskset', ['-a', '-p', '-c', '1', String(process.pid)]);
console.log('off / on; times in ms');
console.log('| subgraphs | connections | requests/s | ratio | p50 | p99 | CPU a request | MiB |');
console.log('|---|---|---|---|---|---|---|---|');
for (const latencies of values.latencies.split(';')) {
  const env = { PORT: String(FIRST_PORT), LATENCIES: latencies };
  const subgraphs = startOn(1, [NODE, 'bench/gateway/subgraphs.ts'], { cwd: ROOT, env });
  const gateways = MODES.map(startMode);
  for (const gateway of gateways) await firstResponse(gateway);
  for (const connections of values.connections.split(',').map(Number)) {
    const rounds: Round[] = [];
    // The first round is the warm-up. Each mode goes first in every other round.
    for (let round = -1; round < Number(values.rounds); round += 1) {
      const results: Partial<Round> = {};
      for (const gateway of round % 2 === 0 ? gateways : gateways.toReversed()) {
        results[gateway.mode] = await measure(gateway, connections);
      }
      const { off, on } = results;
      if (round >= 0 && off && on) rounds.push({ off, on });
    }
    report(latencies, connections, rounds);
  }
  for (const { child } of gateways) stop(child);
  stop(subgraphs);
  await delay(300);
}
process.exit(0);
