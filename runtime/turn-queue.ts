import { monotonicNow } from './clock.ts';

/** Spaces out stretches of synchronous work, so that whatever else is ready runs between any two long ones. */
export type TurnQueue = {
  /**
   * Returns undefined if a stretch of work may run now, without waiting for anything, else a promise that resolves when
   * it may. Of the stretches that wait, the one that is due first runs first; `dueAt` is in milliseconds of the monotonic
   * clock, by default now.
   */
  readonly take: (dueAt?: number) => Promise<void> | undefined;
};

/** Time in one iteration of the event loop after which further stretches wait for the next, in milliseconds. */
const BUDGET_MS = 5;

type Waiter = { readonly dueAt: number; readonly resume: () => void };

/**
 * Creates a queue for the stretches of one thread. In each iteration of the event loop they run until they have taken
 * 5 ms together, and at least one of them. Without it, what twenty clients asked for at once would be done in one
 * iteration, and everybody else would wait for all of it.
 */
export const createTurnQueue = (): TurnQueue => {
  /** Those due last come first. */
  const waiting: Waiter[] = [];
  /** When the first stretch of this iteration began; undefined where none has. */
  let since: number | undefined;

  const hasTime = (): boolean => since === undefined || monotonicNow() - since < BUDGET_MS;

  const startIteration = (): void => {
    since = undefined;
    runNext();
  };

  const begin = (): void => {
    if (since !== undefined) return;
    since = monotonicNow();
    setImmediate(startIteration);
  };

  const runNext = (): void => {
    if (!hasTime()) return;
    const next = waiting.pop();
    if (!next) return;
    begin();
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
      begin();
      return undefined;
    },
  };
};

/** Calls a function when the stretch that has just been resumed has come to its end: it may go on over several microtasks. */
const afterMicrotasks = (callback: () => void): void => queueMicrotask(() => process.nextTick(callback));
