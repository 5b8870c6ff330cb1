/** Spaces out long stretches of synchronous work, so that whatever else is ready runs between any two of them. */
export type TurnQueue = {
  /** Resolves when a long stretch may run: first come, first served, one in each iteration of the event loop. */
  readonly take: () => Promise<void>;
};

/**
 * Creates a queue for the long stretches of one thread. Without it, what twenty clients asked for at once would be done in
 * one iteration of the event loop, and everybody else would wait for all of it.
 */
export const createTurnQueue = (): TurnQueue => {
  const waiting: (() => void)[] = [];

  const run = (): void => {
    const next = waiting.shift();
    if (waiting.length > 0) setImmediate(run);
    next?.();
  };

  return {
    take: () =>
      new Promise((resolve) => {
        waiting.push(resolve);
        if (waiting.length === 1) setImmediate(run);
      }),
  };
};
