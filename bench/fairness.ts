import { type ChildProcess, fork, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import { createCompany } from '../sandbox/company.ts';
import { runKeysCommand } from '../scripts/keys/keys.ts';
import { startHubSpotSandbox } from '../subgraphs/crm/hubspot/sandbox/index.ts';
import { startOpenMageSandbox } from '../subgraphs/inventory/openmage/sandbox/index.ts';
import { startStripeSandbox } from '../subgraphs/payments/stripe/sandbox/index.ts';
import { freePort } from '../test/helpers/processes.ts';
import { sandboxEnvironment } from '../test/helpers/sandboxes.ts';
import { hasTool } from '../test/helpers/tools.ts';
import { MEASURED_HEADER } from './thread-time.ts';

/*
 * `npm run bench:fairness`: the latency of a polite client, which sends one request after another, alone and beside a greedy
 * client, which keeps 300 requests in flight. The sandboxes have the providers' quotas, and nothing is cached. With one
 * replica, and with two that share a Redis, where the greedy client uses both or only the one that the polite client does not.
 *
 *   npm run bench:fairness -- --requests 12 --concurrency 300 --latency 50
 */

const MAIN = import.meta.filename;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    requests: { type: 'string', default: '12' },
    concurrency: { type: 'string', default: '300' },
    replicas: { type: 'string', default: '1,2' },
    // Values of PACE_REQUESTS.
    pace: { type: 'string', default: 'on' },
    kinds: { type: 'string', default: 'reads,searches,writes' },
    // Response time of the providers, in milliseconds.
    latency: { type: 'string', default: '0' },
    // Seconds for which the greedy client is alone before it is measured.
    head: { type: 'string', default: '20' },
  },
});

const company = createCompany();
const payments = company.accounts.flatMap((account) => account.payments.map(({ id }) => id));
const skus = company.products.map(({ sku }) => sku);

/** Each kind of operation: its pause between polite requests in milliseconds, and the n-th operation of a client. */
const KINDS: Readonly<
  Record<string, { readonly pauseMs: number; readonly operation: (n: number, isPolite: boolean) => string }>
> = {
  reads: {
    pauseMs: 150,
    // The greedy client reads other payments: otherwise the polite one would join its requests.
    operation: (n, isPolite) =>
      `{ payment(id: "${payments[isPolite ? n % 50 : 50 + (n % (payments.length - 50))]}") { id } }`,
  },
  searches: {
    pauseMs: 1_500,
    operation: (n, isPolite) =>
      `{ customers(first: 1, filter: { text: "${isPolite ? 'polite' : 'greedy'}-${n}" }) { edges { node { id } } } }`,
  },
  writes: {
    pauseMs: 150,
    operation: (n, isPolite) =>
      `mutation { setStock(input: { sku: "${skus[isPolite ? 0 : 1 + (n % (skus.length - 1))]}", quantity: ${n} }) { product { sku } } }`,
  },
};

type Report = {
  /** Time that each request waited for permits, as reported by the gateway, in milliseconds. */
  readonly waits: readonly number[];
  readonly latencies: readonly number[];
  readonly failures: number;
  readonly error: string | undefined;
};

/** Sends operations of a kind from one client, `concurrency` at a time, until `requests` are answered. */
const runClient = async (
  urls: readonly string[],
  key: string,
  { kind, requests, concurrency, isPolite }: { kind: string; requests: number; concurrency: number; isPolite: boolean },
): Promise<Report> => {
  const { pauseMs, operation } = KINDS[kind] as NonNullable<(typeof KINDS)[string]>;
  const pools = urls.map((url) => new Pool(url, { connections: concurrency, headersTimeout: 0, bodyTimeout: 0 }));
  const latencies: number[] = [];
  const waits: number[] = [];
  let failures = 0;
  let error: string | undefined;
  let sent = 0;
  const worker = async () => {
    while (sent < requests) {
      sent += 1;
      const pool = pools[sent % pools.length] as Pool;
      const startedAt = performance.now();
      const { statusCode, body } = await pool.request({
        method: 'POST',
        path: '/graphql',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${key}`,
          'x-tributary-report': '1',
          ...(isPolite && { [MEASURED_HEADER]: '1' }),
        },
        body: JSON.stringify({ query: operation(sent, isPolite) }),
      });
      const text = await body.text();
      latencies.push(performance.now() - startedAt);
      if (isPolite) waits.push(waitIn(text));
      if (statusCode !== 200 || text.includes('"errors"')) {
        failures += 1;
        error ??= text.slice(0, 300);
      }
      if (isPolite) await delay(pauseMs);
      // Refusals come at once. Without pauses, and apart, the machine would be measured.
      else if (text.includes('"errors"')) await delay(500 + Math.random() * 1_000);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  await Promise.all(pools.map((pool) => pool.destroy()));
  return { latencies, waits, failures, error };
};

type Measured = Pick<Report, 'failures' | 'error'> & {
  /** Latencies, waits, and the times for which the gateway's thread ran meanwhile, in milliseconds. */
  readonly times: readonly (readonly number[])[];
};

const waitIn = (text: string): number => {
  const calls: readonly { waitMs: number }[] = JSON.parse(text).extensions?.tributary?.calls ?? [];
  return calls.reduce((sum, { waitMs }) => sum + waitMs, 0);
};

const runProviders = async (): Promise<void> => {
  const stripe = await startStripeSandbox({ searchLagMs: 0 });
  const [hubspot, openmage] = [await startHubSpotSandbox(), await startOpenMageSandbox()];
  const delayMs = Number(values.latency);
  if (delayMs > 0) for (const sandbox of [stripe, hubspot, openmage]) sandbox.fail({ delayMs });
  process.send?.({
    ...sandboxEnvironment('stripe', stripe),
    ...sandboxEnvironment('hubspot', hubspot),
    ...sandboxEnvironment('openmage', openmage),
  });
};

const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

const forkRole = (args: readonly string[]) => {
  const child = fork(MAIN, [...args], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  children.add(child);
  const report = new Promise<unknown>((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`${args[0]} exited with ${code} without a report.`)));
  });
  return { child, report };
};

const client = (urls: readonly string[], key: string, options: Parameters<typeof runClient>[2]) => {
  const { child, report } = forkRole(['client', JSON.stringify({ urls, key, options })]);
  return { child, report: report as Promise<Report> };
};

const startGateway = async (environment: Readonly<Record<string, string>>) => {
  const options = ['--max-semi-space-size=32', '--import', join(import.meta.dirname, 'thread-time.ts')];
  const child = spawn(process.execPath, [...options, 'gateway/main.ts'], {
    env: {
      PATH: process.env['PATH'],
      ENV_FILE: '/dev/null',
      PORT: '0',
      LOG_LEVEL: 'silent',
      DESK: 'off',
      EXPLORER: 'off',
      CACHE_MAX_MIB: '0',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  children.add(child);
  const threadTimes: number[] = [];
  child.on('message', ({ threadMs }: { threadMs: number }) => threadTimes.push(threadMs));
  // Typed as nullable because of the channel.
  if (!child.stdout) throw new Error('The gateway has no output.');
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /answers at (http\S+)\/graphql/.exec(line)?.[1];
    if (url) {
      child.stdout.resume();
      return { url, child, threadTimes };
    }
  }
  throw new Error('The gateway exited before it was ready.');
};

const percentile = (latencies: readonly number[], share: number): number => {
  const sorted = [...latencies].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
};

const ms = (value: number): string => value.toFixed(value < 100 ? 1 : 0);

/** Measures a polite client at the first of the replicas beside a greedy one at `greedyUrls`. */
const measure = async (
  label: string,
  { environment, replicas }: { environment: Readonly<Record<string, string>>; replicas: number },
  greedyAt: (urls: readonly string[]) => readonly string[],
  key: Readonly<Record<'polite' | 'greedy', string>>,
): Promise<void> => {
  const providers = forkRole(['providers', '--latency', values.latency]);
  const env = { ...environment, ...((await providers.report) as Record<string, string>) };
  const started = await Promise.all(Array.from({ length: replicas }, () => startGateway(env)));
  const urls = started.map(({ url }) => url);
  const [first = ''] = urls;
  for (const kind of values.kinds.split(',')) {
    const polite = async (requests: number): Promise<Measured> => {
      const { report } = client([first], key.polite, { kind, requests, concurrency: 1, isPolite: true });
      const { latencies, waits, ...rest } = await report;
      const threadTimes = started.flatMap(({ threadTimes }) => threadTimes.splice(0));
      return { ...rest, times: [latencies, waits, threadTimes] };
    };
    // Compiles the code and connects.
    await polite(20);
    const alone = await polite(Number(values.requests));
    const greedy = client(greedyAt(urls), key.greedy, {
      kind,
      requests: Number.POSITIVE_INFINITY,
      concurrency: Number(values.concurrency),
      isPolite: false,
    });
    greedy.report.catch(() => {});
    // The polite client has used its share alone. By then, the greedy one has used more.
    await delay(Number(values.head) * 1_000);
    const beside = await polite(Number(values.requests));
    greedy.child.kill('SIGKILL');
    const row = ({ times }: Measured) =>
      times.map((all) => `${ms(percentile(all, 0.5))} / ${ms(percentile(all, 0.99))}`).join(' | ');
    const ratios = [0, 2].map((index) => {
      const [one, other] = [alone, beside].map(({ times }) => percentile(times[index] ?? [], 0.99));
      return ((other ?? Number.NaN) / (one ?? Number.NaN)).toFixed(1);
    });
    const failed = `${beside.failures} of ${Number(values.requests)}`;
    console.log(`| ${kind} | ${label} | ${row(alone)} | ${row(beside)} | ${ratios.join(' | ')} | ${failed} |`);
    if (beside.error) console.log(`  ${beside.error}`);
  }
  for (const { child } of [providers, ...started]) child.kill('SIGKILL');
};

const run = async (): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'fairness-'));
  try {
    const environment = { API_KEYS_FILE: join(folder, 'keys.json') };
    const scopes = 'payments:read,customers:read,inventory:read,inventory:write';
    const createKey = async (name: string) =>
      (await runKeysCommand(['create', '--name', name, '--scopes', scopes], environment)).key ?? '';
    const keys = { polite: await createKey('polite'), greedy: await createKey('greedy') };
    console.log(
      'p50 / p99 in ms. "Waited" is the part without a permit, "thread" the time that the gateway ran meanwhile.',
    );
    console.log(
      `| operations | replicas, PACE_REQUESTS |${' latency | waited | thread |'.repeat(2)} ratio of p99 | of thread | failed |`,
    );
    console.log('|---|---|---|---|---|---|---|---|---|---|---|');
    for (const pace of values.pace.split(',')) {
      const single = { environment: { ...environment, PACE_REQUESTS: pace }, replicas: 1 };
      if (values.replicas.includes('1')) await measure(`1, ${pace}`, single, (urls) => urls, keys);
      if (!values.replicas.includes('2')) continue;
      if (!hasTool('redis-server')) return console.log('Skipped two replicas: redis-server is not installed.');
      const port = await freePort();
      const redis = spawn('redis-server', ['--port', String(port), '--save', '', '--appendonly', 'no'], {
        stdio: 'ignore',
      });
      children.add(redis);
      const shared = {
        environment: { ...single.environment, REDIS_URL: `redis://127.0.0.1:${port}` },
        replicas: 2,
      };
      await measure(`2, both of them greedy, ${pace}`, shared, (urls) => urls, keys);
      await measure(`2, greedy at the other, ${pace}`, shared, (urls) => urls.slice(1), keys);
      redis.kill();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const [role, text = ''] = positionals;
if (role === 'providers') await runProviders();
else if (role === 'client') {
  const { urls, key, options } = JSON.parse(text);
  const requests = options.requests ?? Number.POSITIVE_INFINITY;
  process.send?.(await runClient(urls, key, { ...options, requests }));
  process.disconnect();
} else {
  await run();
  process.exit(0);
}
