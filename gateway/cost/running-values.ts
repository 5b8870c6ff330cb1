import { overloaded } from '../http/overloaded.ts';

/** Bounds the values of all answers that are being made at once, and so the memory that they take. */
export type RunningValues = {
  /**
   * Waits until an answer of so many values may be made; first come, first served. Resolves with a function that ends the
   * reservation. Rejects with OVERLOADED (503) when the signal fires first.
   */
  readonly reserve: (values: number, signal?: AbortSignal) => Promise<() => void>;
};

type Waiter = { readonly values: number; readonly start: () => void };

/** Creates the bound. An answer that alone is over it is made when no other is. */
export const createRunningValues = (maxValues: number): RunningValues => {
  const waiting = new Set<Waiter>();
  let running = 0;

  const fits = (values: number): boolean => running === 0 || running + values <= maxValues;

  const startNext = (): void => {
    for (const waiter of waiting) {
      if (!fits(waiter.values)) return;
      waiter.start();
    }
  };

  const start = (values: number): (() => void) => {
    running += values;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      running -= values;
      startNext();
    };
  };

  return {
    reserve: async (values, signal) => {
      if (waiting.size === 0 && fits(values)) return start(values);
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          waiting.delete(waiter);
          reject(overloaded('Too many large operations at once.'));
        };
        const waiter: Waiter = {
          values,
          start: () => {
            waiting.delete(waiter);
            signal?.removeEventListener('abort', leave);
            resolve(start(values));
          },
        };
        if (signal?.aborted) return leave();
        signal?.addEventListener('abort', leave, { once: true });
        waiting.add(waiter);
        return undefined;
      });
    },
  };
};
