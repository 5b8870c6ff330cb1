import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { QueryPlan } from '@apollo/query-planner';
import { GraphQLError, Source } from 'graphql';
import { monotonicNow } from '../../runtime/clock.ts';
import { overloaded } from '../http/overloaded.ts';
import type { PlanningJob, PlanningMessage, PlanningThreadData } from './messages.ts';
import { operationTooComplex, PlannerError } from './planning-errors.ts';

export type PlanningThreadOptions = PlanningThreadData & {
  /** Maximum duration of one job, in milliseconds. */
  readonly timeoutMs: number;
  /** Maximum time in the queue, in milliseconds. Jobs that have waited longer are rejected. */
  readonly maxWaitMs: number;
};

/**
 * Validates and plans documents in a worker thread, one job at a time. The thread starts with the first job, and restarts after
 * a job that had to be terminated.
 *
 * Both methods reject with a GraphQLError: OPERATION_TOO_COMPLEX for a job that exceeds its time or memory, OVERLOADED if the
 * queue is full. `plan` also rejects with a PlannerError if the planner rejects the operation.
 */
export type PlanningThread = {
  readonly validate: (text: string) => Promise<readonly GraphQLError[]>;
  readonly plan: (text: string, overrideConditions: ReadonlyMap<string, boolean>) => Promise<QueryPlan>;
  readonly close: () => Promise<void>;
};

type QueuedJob = PlanningJob & {
  readonly queuedAt: number;
  readonly resolve: (message: PlanningMessage) => void;
  readonly reject: (error: Error) => void;
};

const QUEUE_FULL = 'Too many operations are waiting to be planned.';

const MAX_HEAP_MIB = 512;

/** Maximum queue length. Further jobs are rejected. */
const MAX_WAITING = 200;

/** Idle time after which the thread ends, in milliseconds. */
const IDLE_MS = 60_000;

export const createPlanningThread = ({ timeoutMs, maxWaitMs, ...data }: PlanningThreadOptions): PlanningThread => {
  const waiting: QueuedJob[] = [];
  let worker: Worker | undefined;
  let isReady = false;
  let running: QueuedJob | undefined;
  let timer: NodeJS.Timeout | undefined;

  const terminate = (): void => {
    clearTimeout(timer);
    const previous = worker;
    worker = undefined;
    isReady = false;
    void previous?.terminate();
  };

  /** Terminates the thread with its running job, then continues with the next job. */
  const fail = (error: Error): void => {
    const failed = running;
    running = undefined;
    terminate();
    failed?.reject(error);
    runNext();
  };

  const start = (): void => {
    const started = new Worker(join(import.meta.dirname, 'main.ts'), {
      workerData: data,
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB },
    });
    worker = started;
    started.unref();
    started.on('message', (message: PlanningMessage) => {
      if (worker !== started) return;
      if (message.kind === 'ready') isReady = true;
      else {
        clearTimeout(timer);
        running?.resolve(message);
        running = undefined;
      }
      runNext();
    });
    // Running out of memory ends the thread, not the process.
    started.on('error', (cause: Error) => {
      if (worker !== started) return;
      const isOutOfMemory = 'code' in cause && cause.code === 'ERR_WORKER_OUT_OF_MEMORY';
      if (running)
        fail(isOutOfMemory ? operationTooComplex('It exceeds the memory limit of the planner.', cause) : cause);
      else {
        // The thread failed to start, and would fail again for the other jobs.
        for (const job of waiting.splice(0)) job.reject(cause);
        terminate();
      }
    });
    started.on('exit', () => {
      if (worker === started && running) fail(new Error('The planning thread ended unexpectedly.'));
    });
  };

  const runNext = (): void => {
    if (running) return;
    if (waiting.length === 0) {
      if (worker) timer = setTimeout(terminate, IDLE_MS).unref();
      return;
    }
    clearTimeout(timer);
    if (!worker) start();
    if (!worker || !isReady) return;
    const job = waiting.shift() as QueuedJob;
    if (monotonicNow() - job.queuedAt > maxWaitMs) {
      job.reject(overloaded(QUEUE_FULL));
      runNext();
      return;
    }
    running = job;
    timer = setTimeout(
      () => fail(operationTooComplex(`It takes more than ${timeoutMs} ms (PLANNING_TIMEOUT_MS).`)),
      timeoutMs,
    );
    const { kind, text, overrideConditions } = job;
    worker.postMessage({ kind, text, overrideConditions } satisfies PlanningJob);
  };

  const enqueue = (job: PlanningJob): Promise<PlanningMessage> =>
    new Promise((resolve, reject) => {
      if (waiting.length >= MAX_WAITING) {
        reject(overloaded(QUEUE_FULL));
        return;
      }
      waiting.push({ ...job, queuedAt: monotonicNow(), resolve, reject });
      runNext();
    });

  return {
    validate: async (text) => {
      const message = await enqueue({ kind: 'validate', text, overrideConditions: new Map() });
      if (message.kind !== 'validated') throw toError(message);
      const source = new Source(text);
      return message.problems.map(
        ({ message: problem, positions, code }) =>
          new GraphQLError(problem, {
            source,
            positions: positions ?? null,
            ...(code !== undefined && { extensions: { code } }),
          }),
      );
    },
    plan: async (text, overrideConditions) => {
      const message = await enqueue({ kind: 'plan', text, overrideConditions });
      if (message.kind !== 'planned') throw toError(message);
      return JSON.parse(message.plan);
    },
    close: async () => {
      for (const job of waiting.splice(0)) job.reject(overloaded(QUEUE_FULL));
      fail(overloaded(QUEUE_FULL));
    },
  };
};

const toError = (message: PlanningMessage): Error => {
  if (message.kind !== 'failed') return new Error(`The planning thread answered with ${message.kind}.`);
  return message.isTooDeep ? new RangeError(message.message) : new PlannerError(message.message);
};
