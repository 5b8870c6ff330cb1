import cluster, { type Worker } from 'node:cluster';
import type { Env } from '../runtime/env.ts';
import type { Running } from '../runtime/lifecycle.ts';
import type { Log } from '../runtime/log.ts';
import type { StartedGateway } from './started-gateway.ts';

/*
 * Runs the gateway on several CPU cores with Node's cluster module. The primary process only starts and restarts workers.
 */

/** The message that a worker sends when it is ready. */
export type Ready = Pick<StartedGateway, 'url' | 'sources'>;

/** A worker failed to start. It has already logged the reason. */
export class WorkerFailedError extends Error {
  readonly exitCode: number;
  constructor(exitCode: number) {
    super('A worker failed to start.');
    this.exitCode = exitCode;
  }
}

// Keeps a crash loop from occupying the CPU.
const RESTART_AFTER_MS = 1_000;

/**
 * Starts workers, and replaces each one that exits. `envOf` returns the variables of the worker with a number from 1 to `count`,
 * which its replacements inherit. Throws WorkerFailedError if the first one fails to start.
 */
export const startWorkers = async (
  count: number,
  openLog: () => Log,
  envOf: (number: number) => Env = () => ({}),
): Promise<Running & Ready> => {
  const workers = new Set<Worker>();
  let isStopping = false;
  // With port 0, the first worker chooses the port for all.
  let port: string | undefined;

  const startOne = (number: number): Promise<Ready> =>
    new Promise((resolve, reject) => {
      const worker = cluster.fork({ ...envOf(number), ...(port && { PORT: port }) });
      let isReady = false;
      workers.add(worker);
      worker.once('message', (ready: Ready) => {
        isReady = true;
        resolve(ready);
      });
      worker.once('exit', (code, signal) => {
        workers.delete(worker);
        if (!isReady) reject(new WorkerFailedError(code ?? 1));
        else if (!isStopping) restart(number, { code, signal });
      });
    });

  const restart = (number: number, exit: object): void => {
    openLog().error(exit, 'A worker exited. Starting a replacement.');
    setTimeout(() => {
      if (!isStopping) startOne(number).catch((error) => restart(number, error));
    }, RESTART_AFTER_MS);
  };

  // A startup error affects all workers, so it is reported once.
  const ready = await startOne(1);
  port = new URL(ready.url).port;
  await Promise.all(Array.from({ length: count - 1 }, (_, index) => startOne(index + 2)));
  return {
    ...ready,
    close: async () => {
      isStopping = true;
      await Promise.all(
        [...workers].map(async (worker) => {
          const ended = new Promise((resolve) => worker.once('exit', resolve));
          worker.process.kill('SIGTERM');
          await ended;
        }),
      );
    },
  };
};
