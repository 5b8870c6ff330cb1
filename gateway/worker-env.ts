import type { Env } from '../runtime/env.ts';

/** What distinguishes a worker of a cluster from the others. */
export type WorkerSettings = {
  /** From 1. A replacement has the number of the worker that it replaces. */
  readonly number: number;
  /** The port that the first worker has chosen. Undefined for that one. */
  readonly port: number | undefined;
};

// Not in PORT or AUDIT_LOG, so that the configuration is the same for all workers.
const VARIABLE = 'TRIBUTARY_WORKER';

/** Returns the variables with which the primary process starts a worker. */
export const toWorkerEnv = (settings: WorkerSettings): Env => ({ [VARIABLE]: JSON.stringify(settings) });

/** Returns the settings of this worker. Undefined in any other process. */
export const readWorkerEnv = ({ [VARIABLE]: text }: Env): WorkerSettings | undefined =>
  text === undefined ? undefined : JSON.parse(text);
