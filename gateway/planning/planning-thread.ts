import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { GraphQLError } from 'graphql';
import { monotonicNow } from '../../runtime/clock.ts';
import { overloaded } from '../http/overloaded.ts';
import type { PlanningGraph, PlanningJob, PlanningMessage, PlanningRequest, PlanningThreadData } from './messages.ts';
import { operationTooComplex, PlannerError } from './planning-errors.ts';

/** Bounds of one job. */
export type JobLimits = {
  /** Maximum duration, in milliseconds. Infinity for none. */
  readonly timeoutMs: number;
  /** Maximum time in the queue, in milliseconds. Jobs that have waited longer are rejected. */
  readonly maxWaitMs: number;
};

/**
 * Validates supergraphs, and validates and plans documents, in a worker thread, one job at a time, for any number of graphs. The thread starts when it is
 * needed, ends when it has been idle for a minute and no graph keeps it, and restarts after a job that had to be terminated.
 */
export type PlanningThread = {
  /** Starts the thread ahead of its first graph. */
  readonly start: () => void;
  /** Adds a graph. With `keep`, the thread starts now, and stays until the graph is released. */
  readonly add: (options: PlanningGraph, keep: boolean) => ThreadGraph;
};

export type ThreadGraph = {
  /**
   * Runs a job. Rejects with a GraphQLError (OPERATION_TOO_COMPLEX if the job exceeds its time or memory, OVERLOADED if the queue
   * is full), with a PlannerError if the planner rejects the operation, and with a RangeError if it is nested too deeply.
   */
  readonly run: (job: PlanningJob, limits: JobLimits) => Promise<PlanningMessage>;
  /** Frees what the thread holds for the graph. Later jobs add it again, for as long as they run. */
  readonly release: () => void;
};

type QueuedJob = {
  readonly graph: AddedGraph;
  readonly job: PlanningJob;
  readonly limits: JobLimits;
  readonly queuedAt: number;
  readonly resolve: (message: PlanningMessage) => void;
  readonly reject: (error: Error) => void;
};

type AddedGraph = { readonly id: number; readonly options: PlanningGraph; isReleased: boolean };

const QUEUE_FULL = 'Too many operations are waiting to be planned.';

const MAX_HEAP_MIB = 512;

/** Maximum queue lengths. Further jobs are rejected. Admission lets as many requests run as quick jobs may wait. */
const MAX_WAITING_QUICK = 1_000;
const MAX_WAITING = 200;

/** Idle time after which the thread ends, in milliseconds. */
const IDLE_MS = 60_000;

export const createPlanningThread = (data: PlanningThreadData, idleMs = IDLE_MS): PlanningThread => {
  const maxWaiting = data.isQuick ? MAX_WAITING_QUICK : MAX_WAITING;
  const waiting: QueuedJob[] = [];
  const kept = new Set<AddedGraph>();
  let worker: Worker | undefined;
  /** The graphs that the worker has. */
  let known = new Set<AddedGraph>();
  let adding: AddedGraph | undefined;
  let running: QueuedJob | undefined;
  /** Ends the running job or the idle thread. */
  let timer: NodeJS.Timeout | undefined;
  let graphs = 0;

  const post = (request: PlanningRequest): void => worker?.postMessage(request);

  const terminate = (): void => {
    clearTimeout(timer);
    const previous = worker;
    worker = undefined;
    adding = undefined;
    known = new Set();
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

  /** Rejects all jobs of a graph that cannot be added. They would all fail alike. */
  const rejectJobsOf = (graph: AddedGraph, error: Error): void => {
    kept.delete(graph);
    for (const one of waiting.filter((other) => other.graph === graph)) {
      waiting.splice(waiting.indexOf(one), 1);
      one.reject(error);
    }
  };

  const receive = (message: PlanningMessage): void => {
    clearTimeout(timer);
    if (adding) {
      const added = adding;
      adding = undefined;
      if (message.kind === 'added') known.add(added);
      else rejectJobsOf(added, toError(message));
      removeUnused(added);
    } else if (running) {
      const { graph, resolve } = running;
      running = undefined;
      removeUnused(graph);
      resolve(message);
    }
    runNext();
  };

  const removeUnused = (graph: AddedGraph): void => {
    const isUsed = running?.graph === graph || adding === graph || waiting.some((one) => one.graph === graph);
    if (graph.isReleased && !isUsed && known.delete(graph)) post({ kind: 'remove', graph: graph.id });
  };

  const start = (): void => {
    const started = new Worker(join(import.meta.dirname, 'main.ts'), {
      workerData: data,
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB },
    });
    worker = started;
    started.on('message', (message: PlanningMessage) => {
      if (worker === started) receive(message);
    });
    // Running out of memory ends the thread, not the process.
    started.on('error', (cause: Error) => {
      if (worker !== started) return;
      if (adding) rejectJobsOf(adding, cause);
      const isOutOfMemory = 'code' in cause && cause.code === 'ERR_WORKER_OUT_OF_MEMORY';
      fail(isOutOfMemory ? operationTooComplex('It exceeds the memory limit of the planner.', cause) : cause);
    });
    started.on('exit', () => {
      if (worker === started) fail(new Error('The planning thread ended unexpectedly.'));
    });
  };

  const runNext = (): void => {
    startNext();
    // The process may end while nobody waits.
    if (running || waiting.length > 0) worker?.ref();
    else worker?.unref();
  };

  const startNext = (): void => {
    if (running || adding) return;
    const [next] = waiting;
    // A kept graph is added again after the thread was terminated.
    const missing = [...(next ? [next.graph] : []), ...kept].find((graph) => !known.has(graph));
    clearTimeout(timer);
    if (!next && !missing) {
      if (worker && kept.size === 0) timer = setTimeout(terminate, idleMs).unref();
      return;
    }
    if (!worker) start();
    if (missing && (!next || missing === next.graph)) {
      adding = missing;
      post({ kind: 'add', graph: missing.id, options: missing.options });
    } else if (next) run(next);
  };

  const run = (next: QueuedJob): void => {
    waiting.shift();
    const { graph, job, limits } = next;
    if (monotonicNow() - next.queuedAt > limits.maxWaitMs) {
      next.reject(overloaded(QUEUE_FULL));
      runNext();
      return;
    }
    running = next;
    // Node takes infinity for a millisecond.
    if (Number.isFinite(limits.timeoutMs)) {
      timer = setTimeout(
        () => fail(operationTooComplex(`It takes more than ${limits.timeoutMs} ms (PLANNING_TIMEOUT_MS).`)),
        limits.timeoutMs,
      );
    }
    post({ kind: 'run', graph: graph.id, job });
  };

  return {
    start: () => {
      if (!worker) start();
      runNext();
    },
    add: (options, keep) => {
      const graph: AddedGraph = { id: graphs++, options, isReleased: false };
      if (keep) {
        kept.add(graph);
        runNext();
      }
      return {
        run: (job, limits) =>
          new Promise<PlanningMessage>((resolve, reject) => {
            if (waiting.length >= maxWaiting) {
              reject(overloaded(QUEUE_FULL));
              return;
            }
            waiting.push({ graph, job, limits, queuedAt: monotonicNow(), resolve, reject });
            runNext();
          }).then((message) => {
            if (message.kind === 'failed') throw toError(message);
            return message;
          }),
        release: () => {
          graph.isReleased = true;
          kept.delete(graph);
          removeUnused(graph);
          runNext();
        },
      };
    },
  };
};

const toError = (message: PlanningMessage): Error | GraphQLError => {
  if (message.kind !== 'failed') return new Error(`The planning thread answered with ${message.kind}.`);
  return message.isTooDeep ? new RangeError(message.message) : new PlannerError(message.message);
};
