import cluster, { type Worker } from 'node:cluster';
import type { AdminSubject } from '../runtime/admin/server.ts';
import type { Health } from '../runtime/http-app.ts';
import type { Log } from '../runtime/log.ts';
import type { Snapshot } from '../telemetry/metrics/snapshot.ts';
import type { ProcessReport, SilentProcess } from '../telemetry/status/describe.ts';
import { createQuestion } from './ask-worker.ts';
import type { StartedGateway } from './started-gateway.ts';
import { toWorkerEnv } from './worker-env.ts';
import { createClusterMetrics } from './worker-metrics.ts';

/*
 * Runs the gateway on several CPU cores with Node's cluster module. The primary process only starts and restarts workers.
 */

/** The message that a worker sends when it is ready. */
export type Ready = Pick<StartedGateway, 'url' | 'sources' | 'webhookUrls'>;

/** Asks workers for their state in detail. */
export const healthQuestion = createQuestion<Health>('health');

/** Asks workers for what the status page shows. */
export const statusQuestion = createQuestion<ProcessReport>('status');

const silent = (worker: Worker) => ({ status: 'unresponsive', pid: worker.process.pid ?? 0 });

const healthOf = async (worker: Worker): Promise<Health> => (await healthQuestion.ask(worker)) ?? silent(worker);

const reportOf = async (worker: Worker): Promise<ProcessReport | SilentProcess> =>
  (await statusQuestion.ask(worker)) ?? silent(worker);

/** A worker failed to start. It has already logged the reason. */
export class WorkerFailedError extends Error {
  readonly exitCode: number;
  constructor(exitCode: number) {
    super('A worker failed to start.');
    this.exitCode = exitCode;
  }
}

/** A running cluster. */
export type Cluster = AdminSubject &
  Ready & {
    readonly readMetrics: () => Promise<Snapshot>;
    readonly readStatus: () => Promise<readonly (ProcessReport | SilentProcess)[]>;
  };

// Keeps a crash loop from occupying the CPU.
const RESTART_AFTER_MS = 1_000;

export type WorkerOptions = {
  readonly openLog: () => Log;
  /** Returns how long a worker may take to stop, in milliseconds. Then it is killed. */
  readonly stopTimeoutMs: () => number;
};

/** Starts workers, and replaces each one that exits. Throws WorkerFailedError if the first one fails to start. */
export const startWorkers = async (count: number, { openLog, stopTimeoutMs }: WorkerOptions): Promise<Cluster> => {
  const workers = new Set<Worker>();
  let isStopping = false;
  // With port 0, the first worker chooses the port for all.
  let port: number | undefined;

  const startOne = (number: number): Promise<Ready> =>
    new Promise((resolve, reject) => {
      const worker = cluster.fork(toWorkerEnv({ number, port }));
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
  port = Number(new URL(ready.url).port);
  await Promise.all(Array.from({ length: count - 1 }, (_, index) => startOne(index + 2)));
  return {
    ...ready,
    readMetrics: createClusterMetrics(() => [...workers]),
    readStatus: () => Promise.all([...workers].map(reportOf)),
    health: async () => {
      const states = await Promise.all([...workers].map(healthOf));
      // One that takes requests is enough.
      const { status } = states.find((state) => state.status === 'ok') ?? states[0] ?? { status: 'stopping' };
      return { status, workers: states };
    },
    close: async () => {
      isStopping = true;
      await Promise.all(
        [...workers].map(async (worker) => {
          const ended = new Promise((resolve) => worker.once('exit', resolve));
          worker.process.kill('SIGTERM');
          // One that is stuck would keep the primary process running.
          const timer = setTimeout(() => worker.process.kill('SIGKILL'), stopTimeoutMs());
          await ended;
          clearTimeout(timer);
        }),
      );
    },
  };
};
