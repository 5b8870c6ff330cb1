import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import { memoryMib } from '../gateway/processes.ts';
import { REFUSED, WORST } from './operations.ts';
import { forkRole, type Latencies, type LoadReport, post, runLoad, runProbe, runProviders } from './roles.ts';
import { SOCKET_CASES } from './socket-cases.ts';

/*
 * `npm run abuse`: sends the gateway requests that would crash or block an unprotected one, on the loopback interface and
 * bounded in number and time. Then measures other clients' latency while 20 clients send the costliest operations within
 * the default limits. Exits with 1 if the gateway crashed, a response was wrong, or memory or latency exceeded the bounds
 * below.
 */

const MAIN = import.meta.filename;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '10' }, clients: { type: 'string', default: '20' } },
});

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

const summary = (latencies: readonly number[]): string => {
  const sorted = [...latencies].sort((a, b) => a - b);
  return `p50 ${percentile(sorted, 0.5).toFixed(1)} ms, p99 ${percentile(sorted, 0.99).toFixed(1)} ms, most ${(sorted.at(-1) ?? 0).toFixed(0)} ms`;
};

const p99 = (latencies: readonly number[]): number =>
  percentile(
    [...latencies].sort((a, b) => a - b),
    0.99,
  );

/** Maximum resident memory after 4,000 documents of 95 kB each. */
const MAX_PADDED_MIB = 1_024;
/** Maximum resident memory while 20 clients send the costliest operations. */
const MAX_MIB = 3_072;
const MAX_LIVE_P99_MS = 100;
/** Maximum p99 of a regular client, as a multiple of its p99 beside as many regular clients. */
const MAX_POLITE_RATIO = 3;

type Gateway = { readonly url: string; readonly process: ChildProcess; readonly hasEnded: () => boolean };

const startGateway = async (environment: object): Promise<Gateway> => {
  const child = spawn(process.execPath, ['--max-semi-space-size=32', 'gateway/main.ts'], {
    env: { ...process.env, ...environment, PORT: '0', LOG_LEVEL: 'silent', DESK: 'off', EXPLORER: 'off' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let isEnded = false;
  child.once('exit', () => {
    isEnded = true;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /answers at (http\S+)\/graphql/.exec(line)?.[1];
    if (url) {
      child.stdout.resume();
      return { url, process: child, hasEnded: () => isEnded };
    }
  }
  throw new Error('The gateway exited before it was ready.');
};

let problems = 0;
const report = (name: string, isRight: boolean, details: string): void => {
  if (!isRight) problems += 1;
  console.log(`${isRight ? 'ok  ' : 'FAIL'} ${name}: ${details}`);
};

const sendRefused = async ({ url, process: gateway, hasEnded }: Gateway): Promise<void> => {
  const pool = new Pool(url, { connections: 4, headersTimeout: 0, bodyTimeout: 0 });
  for (const { name, code, operation } of REFUSED) {
    const sentAt = performance.now();
    const { status, bytes, text } = await post(pool, operation).catch((error: Error) => {
      return { status: 0, bytes: 0, text: error.message };
    });
    const ms = performance.now() - sentAt;
    const isRight = text.includes(`"${code}"`) && bytes < 20_000 && !hasEnded();
    const sent = JSON.stringify(operation).length;
    report(name, isRight, `${sent} bytes sent, ${status} with ${bytes} bytes after ${ms.toFixed(0)} ms`);
  }
  // Most of the memory is garbage: after 8,000 of these, a forced collection left 127 MiB of heap at 747 MiB resident.
  const padded = (index: number) => ({ query: `{ __typename } #${index}${' '.repeat(95_000)}` });
  const grown = [memoryMib(gateway.pid ?? 0)];
  for (let index = 0; index < 4_000; index += 1) {
    await post(pool, padded(index));
    if (index % 2_000 === 1_999) grown.push(memoryMib(gateway.pid ?? 0));
  }
  const whole = grown.at(-1) ?? 0;
  report(
    '4,000 documents padded with comments',
    !hasEnded() && whole < MAX_PADDED_MIB,
    `${grown.map((mib) => mib.toFixed(0)).join(' → ')} MiB at the start, half-way and at the end`,
  );
  await pool.close();
  for (const { name, run } of SOCKET_CASES) {
    const { isRight, details } = await run(url);
    report(name, isRight && !hasEnded(), details);
  }
};

const measure = async (gateway: Gateway, seconds: number, clients: number): Promise<void> => {
  const ms = String(seconds * 1_000);
  const probe = () => forkRole<Latencies>(MAIN, ['probe', gateway.url, ms]).report;
  const load = (kind: string) => forkRole<LoadReport>(MAIN, ['load', gateway.url, kind, String(clients), ms]).report;
  await probe();
  const alone = await probe();
  console.log(`\nalone: live ${summary(alone.live)}; polite ${summary(alone.polite)}`);
  const [crowd, among] = await Promise.all([load('polite'), probe()]);
  console.log(
    `beside ${clients} polite clients (${(crowd.requests / crowd.seconds).toFixed(0)} requests/s): live ${summary(among.live)}; polite ${summary(among.polite)}`,
  );
  for (const kind of [...Object.keys(WORST), 'all']) {
    let peak = 0;
    const timer = setInterval(() => {
      peak = Math.max(peak, memoryMib(gateway.process.pid ?? 0));
    }, 200);
    const [abuse, beside] = await Promise.all([load(kind), probe()]);
    clearInterval(timer);
    const rate = `${(abuse.requests / abuse.seconds).toFixed(1)} requests/s, ${abuse.failures} failed`;
    report(
      `beside ${clients} clients with ${kind}`,
      p99(beside.live) <= MAX_LIVE_P99_MS &&
        p99(beside.polite) <= MAX_POLITE_RATIO * p99(among.polite) &&
        peak <= MAX_MIB &&
        beside.wrong === 0 &&
        !gateway.hasEnded(),
      `${rate}; live ${summary(beside.live)}; polite ${summary(beside.polite)}, ${beside.wrong} wrong; ` +
        `p99 ×${(p99(beside.polite) / p99(alone.polite)).toFixed(1)} alone, ×${(p99(beside.polite) / p99(among.polite)).toFixed(1)} among polite; peak ${peak.toFixed(0)} MiB`,
    );
  }
};

const run = async (): Promise<void> => {
  const providers = forkRole<object>(MAIN, ['providers']);
  const unlimited = {
    STRIPE_QUOTA: 'account=100000/1,endpoint=100000/1,search=100000/1',
    HUBSPOT_QUOTA: 'account=100000/1,search=100000/1',
  };
  let gateway: Gateway | undefined;
  try {
    gateway = await startGateway({ ...(await providers.report), ...unlimited });
    await sendRefused(gateway);
    await measure(gateway, Number(values.seconds), Number(values.clients));
  } finally {
    gateway?.process.kill('SIGKILL');
    providers.child.kill('SIGKILL');
  }
  process.exit(problems > 0 ? 1 : 0);
};

const [role, url = '', ...rest] = positionals;
if (role === 'providers') await runProviders();
else if (role === 'load') await runLoad(url, rest[0] ?? '', Number(rest[1]), Number(rest[2]));
else if (role === 'probe') await runProbe(url, Number(rest[0]));
else await run();
