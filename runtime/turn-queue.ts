/** Spaces out long stretches of synchronous work, so that whatever else is ready runs between any two of them. */
export type TurnQueue = {
  /**
   * Resolves when a long stretch may run: first come, first served, one in each iteration of the event loop. Rejects with
   * the signal's reason when that fires first.
   */
  readonly take: (signal?: AbortSignal) => Promise<void>;
};

/**
 * Creates a queue for the long stretches of one thread. Without it, what twenty clients asked for at once would be done in
 * one iteration of the event loop, and everybody else would wait for all of it.
 */
export const createTurnQueue = (): TurnQueue => {
  // A Set keeps its order, and whoever leaves is taken out of its middle at once.
  const waiting = new Set<() => void>();
  let isScheduled = false;

  const run = (): void => {
    const [next] = waiting;
    isScheduled = waiting.size > 1;
    if (isScheduled) setImmediate(run);
    next?.();
  };

  return {
    take: (signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const leave = (): void => {
          waiting.delete(start);
          reject(signal?.reason);
        };
        const start = (): void => {
          waiting.delete(start);
          signal?.removeEventListener('abort', leave);
          resolve();
        };
        signal?.addEventListener('abort', leave, { once: true });
        waiting.add(start);
        if (isScheduled) return;
        isScheduled = true;
        setImmediate(run);
      }),
  };
};
