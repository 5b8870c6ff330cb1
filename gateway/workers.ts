import cluster, { type Worker } from 'node:cluster';
import type { Running } from '../runtime/lifecycle.ts';
import type { Log } from '../runtime/log.ts';
import type { StartedGateway } from './start.ts';

/*
 * One gateway on several cores: Node's cluster. The first process answers nothing itself, it only starts the others.
 */

/** What a worker tells when it can answer. */
export type Ready = Pick<StartedGateway, 'url' | 'sources'>;

/** A worker that did not start: it has said why, and this is how it ended. */
export class WorkerFailedError extends Error {
  readonly exitCode: number;
  constructor(exitCode: number) {
    super('A worker could not start.');
    this.exitCode = exitCode;
  }
}

// One that ends again and again should not keep the machine busy with starting it.
const RESTART_AFTER_MS = 1_000;

/** Starts so many workers, and another for each that ends. Throws WorkerFailedError where the first one cannot start. */
export const startWorkers = async (count: number, openLog: () => Log): Promise<Running & Ready> => {
  const workers = new Set<Worker>();
  let isStopping = false;
  // The first may have been given any free one.
  let port: string | undefined;

  const startOne = (): Promise<Ready> =>
    new Promise((resolve, reject) => {
      const worker = cluster.fork(port && { PORT: port });
      let isReady = false;
      workers.add(worker);
      worker.once('message', (ready: Ready) => {
        isReady = true;
        resolve(ready);
      });
      worker.once('exit', (code, signal) => {
        workers.delete(worker);
        if (!isReady) reject(new WorkerFailedError(code ?? 1));
        else if (!isStopping) restart({ code, signal });
      });
    });

  const restart = (ended: object): void => {
    openLog().error(ended, 'A worker has ended; another takes its place.');
    setTimeout(() => {
      if (!isStopping) startOne().catch(restart);
    }, RESTART_AFTER_MS);
  };

  // What keeps one from starting keeps all of them, and should be said once.
  const ready = await startOne();
  port = new URL(ready.url).port;
  await Promise.all(Array.from({ length: count - 1 }, startOne));
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
