import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { QueryPlan } from '@apollo/query-planner';
import { GraphQLError, Source } from 'graphql';
import { monotonicNow } from '../../runtime/clock.ts';
import { overloaded } from '../http/overloaded.ts';
import type { PlanningJob, PlanningMessage, PlanningThreadData } from './messages.ts';
import { PlannerError, tooComplex } from './planning-errors.ts';

export type PlanningThreadOptions = PlanningThreadData & {
  /** Time that one job may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Jobs that may wait; one more is refused. Default 200. */
  readonly maxWaiting?: number;
  /** Time after which nobody waits for a job any more that has not begun, in milliseconds. Default: `timeoutMs`. */
  readonly maxWaitMs?: number;
  /** The thread ends after this long without a job, in milliseconds. Default one minute. */
  readonly idleMs?: number;
};

/**
 * Validates and plans in a thread of its own, one job at a time. The thread starts with the first job, and again after
 * one that had to be ended.
 *
 * Both reject with a GraphQLError: OPERATION_TOO_COMPLEX for a job over its time or memory, OVERLOADED where too many
 * jobs wait; `plan` also with a PlannerError for what the planner refuses.
 */
export type PlanningThread = {
  readonly validate: (text: string) => Promise<readonly GraphQLError[]>;
  readonly plan: (text: string, overrideConditions: ReadonlyMap<string, boolean>) => Promise<QueryPlan>;
  readonly close: () => Promise<void>;
};

type QueuedJob = PlanningJob & {
  readonly since: number;
  readonly resolve: (message: PlanningMessage) => void;
  readonly reject: (error: Error) => void;
};

const TOO_MANY = 'Too many operations wait to be planned.';

const MAX_HEAP_MIB = 512;

export const createPlanningThread = ({
  timeoutMs,
  maxWaiting = 200,
  maxWaitMs = timeoutMs,
  idleMs = 60_000,
  ...data
}: PlanningThreadOptions): PlanningThread => {
  const waiting: QueuedJob[] = [];
  let worker: Worker | undefined;
  let isReady = false;
  let running: QueuedJob | undefined;
  let timer: NodeJS.Timeout | undefined;

  const end = (): void => {
    clearTimeout(timer);
    const ended = worker;
    worker = undefined;
    isReady = false;
    void ended?.terminate();
  };

  /** Ends the thread together with the job that it runs, and goes on with the next. */
  const fail = (error: Error): void => {
    const failed = running;
    running = undefined;
    end();
    failed?.reject(error);
    next();
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
      next();
    });
    // Out of memory ends the thread and not the process.
    started.on('error', (cause: Error) => {
      if (worker !== started) return;
      const isMemory = 'code' in cause && cause.code === 'ERR_WORKER_OUT_OF_MEMORY';
      if (running) fail(isMemory ? tooComplex('It needs more memory than it may take.', cause) : cause);
      else {
        // It did not start: neither will it for the others.
        for (const job of waiting.splice(0)) job.reject(cause);
        end();
      }
    });
    started.on('exit', () => {
      if (worker === started && running) fail(new Error('The planning thread has ended.'));
    });
  };

  const next = (): void => {
    if (running) return;
    if (waiting.length === 0) {
      if (worker) timer = setTimeout(end, idleMs).unref();
      return;
    }
    clearTimeout(timer);
    if (!worker) start();
    if (!worker || !isReady) return;
    const job = waiting.shift() as QueuedJob;
    if (monotonicNow() - job.since > maxWaitMs) {
      job.reject(overloaded(TOO_MANY));
      next();
      return;
    }
    running = job;
    timer = setTimeout(() => fail(tooComplex(`It takes more than ${timeoutMs} ms (PLANNING_TIMEOUT_MS).`)), timeoutMs);
    const { kind, text, overrideConditions } = job;
    worker.postMessage({ kind, text, overrideConditions } satisfies PlanningJob);
  };

  const run = (job: PlanningJob): Promise<PlanningMessage> =>
    new Promise((resolve, reject) => {
      if (waiting.length >= maxWaiting) {
        reject(overloaded(TOO_MANY));
        return;
      }
      waiting.push({ ...job, since: monotonicNow(), resolve, reject });
      next();
    });

  return {
    validate: async (text) => {
      const message = await run({ kind: 'validate', text, overrideConditions: new Map() });
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
      const message = await run({ kind: 'plan', text, overrideConditions });
      if (message.kind !== 'planned') throw toError(message);
      return JSON.parse(message.plan);
    },
    close: async () => {
      for (const job of waiting.splice(0)) job.reject(overloaded(TOO_MANY));
      fail(overloaded(TOO_MANY));
    },
  };
};

const toError = (message: PlanningMessage): Error => {
  if (message.kind !== 'failed') return new Error(`The planning thread answered with ${message.kind}.`);
  return message.isTooDeep ? new RangeError(message.message) : new PlannerError(message.message);
};
