import { setImmediate as nextTurn } from 'node:timers/promises';

/** Promises of a test that are settled one at a time. */
export type Turns = {
  /** Returns a promise of what `produce` returns, or of its failure, once it is this promise's turn. */
  readonly wait: <T>(priority: number, produce: () => T) => Promise<T>;
  /** Settles the waiting promises, the lowest priority first, until `result` is there. Throws if it never will be. */
  readonly until: <T>(result: T | PromiseLike<T>) => Promise<T>;
  /** Settles all that are still waiting. */
  readonly finish: () => Promise<void>;
};

/** With each promise settled by itself, what happens depends on the priorities alone and not on an executor's microtasks. */
export const createRequestScheduler = (): Turns => {
  const waiting: { priority: number; settle: () => void }[] = [];
  const settleNext = (): void => {
    let next = 0;
    for (const [index, { priority }] of waiting.entries()) {
      if (priority < (waiting[next]?.priority ?? 0)) next = index;
    }
    waiting.splice(next, 1)[0]?.settle();
  };
  return {
    wait: (priority, produce) =>
      new Promise((resolve, reject) => {
        const settle = (): void => {
          try {
            resolve(produce());
          } catch (error) {
            reject(error);
          }
        };
        waiting.push({ priority, settle });
      }),
    until: async (result) => {
      let isDone = false;
      const done = Promise.resolve(result).finally(() => {
        isDone = true;
      });
      for (;;) {
        await nextTurn();
        if (isDone) return done;
        if (waiting.length === 0) throw new Error('Nothing is left to wait for, and there is no result.');
        settleNext();
      }
    },
    finish: async () => {
      while (waiting.length > 0) {
        settleNext();
        await nextTurn();
      }
      await nextTurn();
    },
  };
};
