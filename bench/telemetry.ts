import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import { sandboxEnvironment, sandboxes } from '../test/helpers/sandboxes.ts';
import { cpuUs, stop } from './gateway/processes.ts';
import { OPERATIONS } from './gateway/product.ts';

/*
 * Measures what telemetry costs: CPU time per request of gateways that differ in it alone, on the product's operations, with all
 * subgraphs in the gateway's process and its default caches. Sandboxes, collector and clients run in this process.
 *
 * The gateways take turns, in another order each time. Each is compared with the first one in the same round; the second one has
 * the same configuration as the first, and shows how much of the difference is chance. Linux only.
 */

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '40' }, requests: { type: 'string', default: '400' } },
});
const [ROUNDS, REQUESTS] = [Number(values.rounds), Number(values.requests)];
const CONNECTIONS = 10;

/** For the spans of a round to be sent, in milliseconds. */
const SETTLE_MS = 1_500;

const spans = { requests: 0 };
const collector = createServer((request, response) => {
  spans.requests += 1;
  request.resume().once('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
}).listen(0, '127.0.0.1');
await once(collector, 'listening');
const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;

const traced = (share: string) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  OTEL_TRACES_SAMPLER: 'traceidratio',
  OTEL_TRACES_SAMPLER_ARG: share,
});

const VARIANTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  off: {},
  'off, once more': {},
  'traces, 1 %': traced('0.01'),
  'traces, 100 %': traced('1'),
  'request log': { REQUEST_LOG: 'all' },
};

type Gateway = { readonly child: ChildProcess; readonly pool: Pool; readonly cpu: number[] };

const startGateway = async (env: Readonly<Record<string, string>>): Promise<Gateway> => {
  const child = spawn(process.execPath, ['--max-semi-space-size=32', 'gateway/main.ts'], {
    env: { PATH: process.env['PATH'], ENV_FILE: '/dev/null', PORT: '0', LOG_LEVEL: 'error', ...providers, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await new Promise<string>((resolve) => {
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += output.length < 10_000 ? chunk : '';
      const found = /answers at (\S+)\/graphql/.exec(output)?.[1];
      if (found) resolve(found);
    });
  });
  return { child, pool: new Pool(url, { connections: CONNECTIONS }), cpu: [] };
};

/** Sends requests, and returns the CPU time of the gateway for each, in microseconds. */
const measure = async ({ child, pool }: Gateway, requests: number): Promise<number> => {
  const before = cpuUs(child.pid ?? -1);
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < requests) {
      const body = JSON.stringify(OPERATIONS[next++ % OPERATIONS.length]);
      const headers = { 'content-type': 'application/json' };
      const response = await pool.request({ method: 'POST', path: '/graphql', headers, body });
      const text = await response.body.text();
      if (response.statusCode !== 200 || text.includes('"errors"')) throw new Error(text.slice(0, 500));
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
  await pause(SETTLE_MS);
  return (cpuUs(child.pid ?? -1) - before) / requests;
};

const median = (numbers: readonly number[]): number => {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
};

const ANY = { calls: Number.POSITIVE_INFINITY, windowMs: 1 };
const { startStripeSandbox } = await import('../subgraphs/payments/stripe/sandbox/index.ts');
const { startHubSpotSandbox } = await import('../subgraphs/crm/hubspot/sandbox/index.ts');
const started = {
  stripe: await startStripeSandbox({ quota: { account: ANY, endpoint: ANY, search: ANY }, searchLagMs: 0 }),
  hubspot: await startHubSpotSandbox({ quota: { account: ANY, search: ANY } }),
};
const providers: Record<string, string> = {
  STRIPE_QUOTA: 'account=100000/1,endpoint=100000/1,search=100000/1',
  HUBSPOT_QUOTA: 'account=100000/1,search=100000/1',
};
for (const [name, { start }] of sandboxes) {
  Object.assign(providers, sandboxEnvironment(name, started[name as keyof typeof started] ?? (await start())));
}

const gateways = new Map<string, Gateway>();
try {
  for (const [name, env] of Object.entries(VARIANTS)) gateways.set(name, await startGateway(env));
  for (const gateway of gateways.values()) await measure(gateway, 2 * REQUESTS);
  const names = [...gateways.keys()];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const index of names.keys()) {
      const gateway = gateways.get(names[(index + round) % names.length] ?? '');
      gateway?.cpu.push(await measure(gateway, REQUESTS));
    }
  }
  const first = gateways.get('off')?.cpu ?? [];
  console.log(
    `${ROUNDS} rounds of ${REQUESTS} requests; CPU time per request, and its ratio to the first in each round:`,
  );
  console.log(
    '| telemetry | µs per request: lowest, median | median ratio | middle half of the ratios |\n|---|---|---|---|',
  );
  for (const [name, { cpu }] of gateways) {
    const ratios = cpu.map((one, round) => one / (first[round] ?? Number.NaN)).sort((a, b) => a - b);
    const quartile = (part: number): string =>
      (ratios[Math.floor((ratios.length - 1) * part)] ?? Number.NaN).toFixed(3);
    const each = `${Math.min(...cpu).toFixed(0)}, ${median(cpu).toFixed(0)}`;
    const cells = [name, each, median(ratios).toFixed(3), `${quartile(0.25)} to ${quartile(0.75)}`];
    console.log(`| ${cells.join(' | ')} |`);
  }
  console.log(`Requests to the collector: ${spans.requests}`);
} finally {
  for (const { child, pool } of gateways.values()) {
    stop(child);
    await pool.destroy();
  }
}
process.exit(0);
