import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { Pool } from 'undici';
import type { Candidate } from './candidates.ts';
import { type Operation, post } from './load.ts';
import { startOn, stop } from './processes.ts';

/* Gateways that run. */

const START_TIMEOUT_MS = 120_000;

export type Gateway = {
  readonly name: string;
  readonly candidate: Candidate;
  readonly child: ChildProcess;
  readonly pid: number;
  readonly url: string;
};

/** Starts a gateway on the first core. */
export const startGateway = (candidate: Candidate, port: number): Gateway => {
  const child = startOn(0, candidate.command(port), {
    cwd: candidate.cwd,
    env: {
      NODE_ENV: 'production',
      AUTH: 'none',
      ENV_FILE: '/dev/null',
      LOG_LEVEL: 'error',
      APOLLO_TELEMETRY_DISABLED: 'true',
      ...candidate.env,
      PORT: String(port),
    },
  });
  return { name: candidate.name, candidate, child, pid: child.pid ?? -1, url: `http://127.0.0.1:${port}` };
};

/** Kills a gateway and waits until it has exited. */
export const stopGateway = async ({ child }: Gateway): Promise<void> => {
  const exited = once(child, 'exit');
  stop(child);
  await exited;
};

/** Sends an operation until it is answered; also says how long that took. */
export const firstResponse = async (
  { url, name }: Gateway,
  operation: Operation,
): Promise<{ response: string; ms: number }> => {
  const begin = performance.now();
  const pool = new Pool(url);
  for (;;) {
    try {
      const response = await post(pool, operation);
      void pool.close();
      return { response, ms: performance.now() - begin };
    } catch (error) {
      if (performance.now() - begin > START_TIMEOUT_MS) throw new Error(`${name} does not answer.`, { cause: error });
      await delay(5);
    }
  }
};

/** Collects the responses to operations. Throws unless each gateway gives the same. */
export const createComparison = () => {
  const expected = new Map<string, unknown>();
  return {
    /** Returns the size of the response's data, in kilobytes. */
    check: ({ name }: Gateway, operation: Operation, response: string): number => {
      const { data, errors } = JSON.parse(response);
      if (errors || !data) throw new Error(`${name}: ${response.slice(0, 300)}`);
      const key = JSON.stringify(operation);
      if (!expected.has(key)) expected.set(key, data);
      if (!isDeepStrictEqual(data, expected.get(key))) throw new Error(`${name} gives a different response.`);
      return JSON.stringify(data).length / 1_000;
    },
  };
};
