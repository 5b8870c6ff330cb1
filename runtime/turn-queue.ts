import { monotonicNow } from './clock.ts';

/** Schedules long stretches of synchronous work cooperatively, so that other ready work runs between any two of them. */
export type TurnQueue = {
  /**
   * Requests a turn. Returns undefined if the work may run immediately, otherwise a promise that resolves when it may. Waiting
   * work runs in order of its due time. `dueAt` is in milliseconds of the monotonic clock; default now.
   */
  readonly take: (dueAt?: number) => Promise<void> | undefined;
};

/** Time budget per event loop iteration, in milliseconds. Further work waits for the next iteration. */
const BUDGET_MS = 5;

type Waiter = { readonly dueAt: number; readonly resume: () => void };

/**
 * Creates the queue of one thread. In each event loop iteration, work runs until it has taken 5 ms in total, but at least one
 * stretch. Without the queue, the work of twenty simultaneous clients would run in one iteration and block everyone else.
 */
export const createTurnQueue = (): TurnQueue => {
  /** Sorted by due time, latest first. */
  const waiting: Waiter[] = [];
  /** Start of the first stretch in this iteration. Undefined if there was none. */
  let iterationStartedAt: number | undefined;

  const hasTime = (): boolean => iterationStartedAt === undefined || monotonicNow() - iterationStartedAt < BUDGET_MS;

  const startIteration = (): void => {
    iterationStartedAt = undefined;
    runNext();
  };

  const beginIteration = (): void => {
    if (iterationStartedAt !== undefined) return;
    iterationStartedAt = monotonicNow();
    setImmediate(startIteration);
  };

  const runNext = (): void => {
    if (!hasTime()) return;
    const next = waiting.pop();
    if (!next) return;
    beginIteration();
    next.resume();
    afterMicrotasks(runNext);
  };

  const enqueue = (waiter: Waiter): void => {
    const index = waiting.findLastIndex(({ dueAt }) => dueAt > waiter.dueAt);
    waiting.splice(index + 1, 0, waiter);
  };

  return {
    take: (dueAt = monotonicNow()) => {
      const isFirst = (waiting.at(-1)?.dueAt ?? Number.POSITIVE_INFINITY) >= dueAt;
      if (!isFirst || !hasTime()) return new Promise((resume) => enqueue({ dueAt, resume }));
      beginIteration();
      return undefined;
    },
  };
};

/** Calls a function after the resumed stretch has ended, which may span several microtasks. */
const afterMicrotasks = (callback: () => void): void => queueMicrotask(() => process.nextTick(callback));
