import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { freePort } from '../test/helpers/processes.ts';
import { startBackend } from './gateway/backend.ts';
import { GATEWAY } from './gateway/candidates.ts';
import { firstResponse, startGateway, stopGateway } from './gateway/gateways.ts';
import { loadFor } from './gateway/load.ts';
import { measure } from './gateway/measures.ts';
import { ROOT } from './gateway/processes.ts';
import type { Sample } from './gateway/result.ts';
import { HEAVY, SCHEMAS } from './gateway/shop.ts';
import { median } from './gateway/statistics.ts';
import { composeAt } from './gateway/supergraph.ts';

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

const OPERATIONS = [{ query: HEAVY }];
const MODES = ['off', 'on'] as const;

type Mode = (typeof MODES)[number];
type Round = Record<Mode, Sample>;

const folder = mkdtempSync(join(tmpdir(), 'bench-saturation-'));
process.once('exit', () => rmSync(folder, { recursive: true }));

const report = (latencies: string, connections: number, rounds: readonly Round[]): void => {
  const both = (key: keyof Sample, digits: number): string =>
    MODES.map((mode) => median(rounds.map((round) => round[mode][key] ?? Number.NaN)).toFixed(digits)).join(' / ');
  const ratio = median(rounds.map(({ off, on }) => (on.perSecond ?? Number.NaN) / (off.perSecond ?? 0))).toFixed(2);
  const columns = [both('perSecond', 0), ratio, both('p50', 0), both('p99', 0), both('cpu', 2), both('memory', 0)];
  console.log(`| ${[latencies, connections, ...columns].join(' | ')} |`);
};

// The load generator runs in this process, on the subgraphs' core.
execFileSync('taskset', ['-a', '-p', '-c', '1', String(process.pid)]);
console.log('off / on; times in ms');
console.log('| subgraphs | connections | requests/s | ratio | p50 | p99 | CPU a request | MiB |');
console.log('|---|---|---|---|---|---|---|---|');
const port = await freePort(1 + MODES.length);
const backend = await startBackend('bench/gateway/subgraphs.ts', port);
const supergraph = join(folder, 'shop.graphql');
writeFileSync(supergraph, composeAt(backend.url, SCHEMAS));
for (const latencies of values.latencies.split(';')) {
  await backend.setLatencies(latencies.split(',').map(Number));
  const gateways = MODES.map((mode, index) => {
    const env = { SUPERGRAPH: supergraph, FORWARD_HEADERS: 'authorization', REQUEST_TIMEOUT_MS: '120000' };
    const candidate = { name: mode, cwd: ROOT, command: () => GATEWAY, env: { ...env, PACE_REQUESTS: mode } };
    return { mode, gateway: startGateway(candidate, port + 1 + index) };
  });
  for (const { gateway } of gateways) await firstResponse(gateway, { query: HEAVY });
  for (const connections of values.connections.split(',').map(Number)) {
    const rounds: Round[] = [];
    // The first round is the warm-up. Each mode goes first in every other round.
    for (let round = -1; round < Number(values.rounds); round += 1) {
      const results: Partial<Round> = {};
      for (const { mode, gateway } of round % 2 === 0 ? gateways : gateways.toReversed()) {
        const sample = await measure([gateway.pid], backend, () =>
          loadFor(gateway.url, OPERATIONS, connections, Number(values.seconds) * 1_000),
        );
        if (sample.failed) throw new Error(`${sample.failed.toFixed(1)} % of the requests failed.`);
        results[mode] = sample;
      }
      const { off, on } = results;
      if (round >= 0 && off && on) rounds.push({ off, on });
    }
    report(latencies, connections, rounds);
  }
  for (const { gateway } of gateways) await stopGateway(gateway);
}
process.exit(0);
