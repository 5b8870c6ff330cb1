import { fork } from 'node:child_process';
import { Pool } from 'undici';
import { startHubSpotSandbox } from '../../subgraphs/crm/hubspot/sandbox/index.ts';
import { startOpenMageSandbox } from '../../subgraphs/inventory/openmage/sandbox/index.ts';
import { startStripeSandbox } from '../../subgraphs/payments/stripe/sandbox/index.ts';
import { sandboxEnvironment } from '../../test/helpers/sandboxes.ts';
import { POLITE, WORST } from './operations.ts';

/*
 * The processes beside the gateway: the providers, the abusive clients, and a regular client that measures latency.
 * Separate, because they would distort each other's measurements.
 */

const UNLIMITED = { calls: Number.POSITIVE_INFINITY, windowMs: 1 };

/** Runs the sandboxes without rate limits, and sends the variables that point a gateway at them. */
export const runProviders = async (): Promise<void> => {
  const stripe = await startStripeSandbox({
    quota: { account: UNLIMITED, endpoint: UNLIMITED, search: UNLIMITED },
    searchLagMs: 0,
  });
  const hubspot = await startHubSpotSandbox({ quota: { account: UNLIMITED, search: UNLIMITED } });
  const openmage = await startOpenMageSandbox();
  process.send?.({
    ...sandboxEnvironment('stripe', stripe),
    ...sandboxEnvironment('hubspot', hubspot),
    ...sandboxEnvironment('openmage', openmage),
  });
};

const post = async (pool: Pool, operation: object): Promise<{ status: number; bytes: number; text: string }> => {
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path: '/graphql',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(operation),
  });
  const text = await body.text();
  return { status: statusCode, bytes: text.length, text };
};

export type LoadReport = { readonly requests: number; readonly seconds: number; readonly failures: number };

/** Sends costly operations from `clients` concurrent clients for `ms` milliseconds. */
export const runLoad = async (url: string, kind: string, clients: number, ms: number): Promise<void> => {
  const pool = new Pool(url, { connections: clients, headersTimeout: 0, bodyTimeout: 0 });
  const makers = kind === 'all' ? Object.values(WORST) : kind === 'polite' ? [] : [WORST[kind]];
  let requests = 0;
  let failures = 0;
  let unique = 0;
  const start = performance.now();
  const client = async (): Promise<void> => {
    while (performance.now() - start < ms) {
      unique += 1;
      const make = makers[unique % Math.max(1, makers.length)];
      try {
        const { status } = await post(pool, make?.(unique) ?? POLITE);
        requests += 1;
        if (status >= 500) failures += 1;
      } catch {
        failures += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const seconds = (performance.now() - start) / 1000;
  await pool.close();
  process.send?.({ requests, seconds, failures } satisfies LoadReport);
  process.disconnect();
};

export type Latencies = {
  readonly live: readonly number[];
  readonly polite: readonly number[];
  readonly wrong: number;
};

/** Measures the latency of `/health/live` and of a regular client's operation every few milliseconds. */
export const runProbe = async (url: string, ms: number): Promise<void> => {
  const pool = new Pool(url, { connections: 2 });
  const live: number[] = [];
  const polite: number[] = [];
  let wrong = 0;
  const start = performance.now();
  const timed = async (into: number[], work: () => Promise<boolean>): Promise<void> => {
    while (performance.now() - start < ms) {
      const sentAt = performance.now();
      const isRight = await work().catch(() => false);
      into.push(performance.now() - sentAt);
      if (!isRight) wrong += 1;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  await Promise.all([
    timed(live, async () => {
      const { statusCode, body } = await pool.request({ method: 'GET', path: '/health/live' });
      await body.text();
      return statusCode === 200;
    }),
    timed(polite, async () => {
      const { status, text } = await post(pool, POLITE);
      return status === 200 && !text.includes('"errors"');
    }),
  ]);
  await pool.close();
  process.send?.({ live, polite, wrong } satisfies Latencies);
  process.disconnect();
};

/** Runs a role in a separate process and returns the message it sends. */
export const forkRole = <Report>(main: string, args: readonly string[]) => {
  const child = fork(main, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const report = new Promise<Report>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Report));
    child.once('exit', (code) => reject(new Error(`${args[0]} exited with ${code} without a report.`)));
  });
  return { child, report };
};

export { post };
