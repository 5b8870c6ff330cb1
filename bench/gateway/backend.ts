import { setTimeout as delay } from 'node:timers/promises';
import { NODE, ROOT, startOn, stop } from './processes.ts';
import { COUNTS_PATH, LATENCIES_PATH, type ReplayCounts } from './replay.ts';

/* The process behind the gateways: the subgraphs, or the providers' sandboxes. */

const START_TIMEOUT_MS = 120_000;

export type Backend = {
  readonly url: string;
  readonly pid: number;
  /** The measure of the requests that it counts. */
  readonly counted: 'fetches' | 'calls';
  readonly counts: () => Promise<ReplayCounts>;
  /** Sets the response times, in milliseconds; they are used in turn. */
  readonly setLatencies: (latencies: readonly number[]) => Promise<void>;
  readonly stop: () => void;
};

/** Starts a script on the second core and waits until it answers. */
export const startBackend = async (
  script: string,
  port: number,
  counted: Backend['counted'] = 'fetches',
): Promise<Backend> => {
  const child = startOn(1, [NODE, script], { cwd: ROOT, env: { PORT: String(port) } });
  const url = `http://127.0.0.1:${port}`;
  const counts = async (): Promise<ReplayCounts> =>
    (await (await fetch(url + COUNTS_PATH)).json()) as unknown as ReplayCounts;
  for (const begin = performance.now(); ; await delay(50)) {
    try {
      await counts();
      break;
    } catch (error) {
      if (performance.now() - begin > START_TIMEOUT_MS) throw error;
    }
  }
  return {
    url,
    pid: child.pid ?? -1,
    counted,
    counts,
    setLatencies: async (latencies) => {
      await (await fetch(url + LATENCIES_PATH, { method: 'POST', body: latencies.join(',') })).text();
    },
    stop: () => stop(child),
  };
};
