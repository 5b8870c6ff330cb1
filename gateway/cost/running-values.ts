import { isDisconnected } from '../../runtime/race-abort.ts';
import { overloaded } from '../http/overloaded.ts';

/** Bounds the estimated values of all responses in progress, and thereby their memory. */
export type RunningValues = {
  /**
   * Waits until a response of this size may be produced, in order of arrival. Resolves with a function that releases the
   * reservation. Rejects if the signal fires first: with OVERLOADED (503), or with the signal's reason if the client
   * has disconnected.
   */
  readonly reserve: (values: number, signal?: AbortSignal) => Promise<() => void>;
};

type Waiter = { readonly values: number; readonly start: () => void };

/** Creates the bound. A response that exceeds it alone is produced when no other is in progress. */
export const createRunningValues = (maxValues: number): RunningValues => {
  const waiting = new Set<Waiter>();
  let reserved = 0;

  const fits = (values: number): boolean => reserved === 0 || reserved + values <= maxValues;

  const startNext = (): void => {
    for (const waiter of waiting) {
      if (!fits(waiter.values)) return;
      waiter.start();
    }
  };

  const start = (values: number): (() => void) => {
    reserved += values;
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      reserved -= values;
      startNext();
    };
  };

  return {
    reserve: async (values, signal) => {
      if (waiting.size === 0 && fits(values)) return start(values);
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          waiting.delete(waiter);
          const hasLeft = signal && isDisconnected(signal);
          reject(hasLeft ? signal.reason : overloaded('Too many large operations are running.'));
        };
        const waiter: Waiter = {
          values,
          start: () => {
            waiting.delete(waiter);
            signal?.removeEventListener('abort', onAbort);
            resolve(start(values));
          },
        };
        if (signal?.aborted) return onAbort();
        signal?.addEventListener('abort', onAbort, { once: true });
        waiting.add(waiter);
        return undefined;
      });
    },
  };
};
