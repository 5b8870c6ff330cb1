import { setImmediate as nextTurn } from 'node:timers/promises';

/** Controls the order in which a test's promises settle, one at a time. */
export type SettleOrder = {
  /** Returns a promise that settles with the result of `produce` when its turn comes. */
  readonly wait: <T>(priority: number, produce: () => T) => Promise<T>;
  /** Settles waiting promises, lowest priority first, until `result` settles. Throws if it never does. */
  readonly until: <T>(result: T | PromiseLike<T>) => Promise<T>;
  /** Settles all remaining promises. */
  readonly finish: () => Promise<void>;
};

/** Settling promises one at a time makes the outcome depend on priorities alone, not on an executor's microtasks. */
export const createSettleOrder = (): SettleOrder => {
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
