/** Thrown to who finds the queue full. */
export class OverloadedError extends Error {}

export type Admission = {
  /**
   * Waits until the request may run, and gives what ends that. Throws OverloadedError: at once where too many wait, and
   * when the signal fires before its turn.
   */
  readonly enter: (signal: AbortSignal) => Promise<() => void>;
};

/**
 * Lets so many requests run at once and so many more wait, first come first served. More would only make each of them
 * slower: those are better off told at once.
 */
export const createAdmission = ({
  running: maxRunning,
  waiting: maxWaiting,
}: {
  running: number;
  waiting: number;
}): Admission => {
  // A Set keeps its order, and who leaves is taken out of its middle at once.
  const queue = new Set<() => void>();
  let running = 0;

  const leaveOnce = (): (() => void) => {
    let hasLeft = false;
    return () => {
      if (hasLeft) return;
      hasLeft = true;
      running -= 1;
      const [next] = queue;
      next?.();
    };
  };

  const admit = (): (() => void) => {
    running += 1;
    return leaveOnce();
  };

  return {
    enter: async (signal) => {
      if (running < maxRunning && queue.size === 0) return admit();
      if (queue.size >= maxWaiting) throw new OverloadedError('Too many requests wait already.');
      return new Promise((resolve, reject) => {
        const giveUp = () => {
          queue.delete(takeTurn);
          reject(new OverloadedError('The time was up before its turn.'));
        };
        const takeTurn = () => {
          queue.delete(takeTurn);
          signal.removeEventListener('abort', giveUp);
          resolve(admit());
        };
        signal.addEventListener('abort', giveUp, { once: true });
        queue.add(takeTurn);
      });
    },
  };
};
