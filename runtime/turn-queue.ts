/** Spaces out stretches of synchronous work, so that whatever else is ready runs between any two long ones. */
export type TurnQueue = {
  /** Resolves when a stretch of work may run: first come, first served. */
  readonly take: () => Promise<void>;
};

/** Time in one iteration of the event loop after which further stretches wait for the next, in milliseconds. */
const BUDGET_MS = 5;

/**
 * Creates a queue for the stretches of one thread. In each iteration of the event loop they run as long as they have taken
 * less than 5 ms together; then one in each iteration. Without it, what twenty clients asked for at once would be done in
 * one iteration, and everybody else would wait for all of it.
 */
export const createTurnQueue = (): TurnQueue => {
  const waiting: (() => void)[] = [];
  /** When the first stretch of this iteration began. */
  let since: number | undefined;

  const startIteration = (): void => {
    const next = waiting.shift();
    since = next && performance.now();
    if (next) setImmediate(startIteration);
    next?.();
  };

  return {
    take: async () => {
      if (since === undefined) {
        since = performance.now();
        setImmediate(startIteration);
        return;
      }
      if (waiting.length === 0 && performance.now() - since < BUDGET_MS) return;
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
      });
    },
  };
};
