import { setImmediate as nextTurn } from 'node:timers/promises';

/** Collects unhandled rejections, each of which would end a process, until `stop` is called. */
export const watchRejections = () => {
  const reasons: unknown[] = [];
  const note = (reason: unknown): void => {
    reasons.push(reason);
  };
  // The test runner's own listener would fail the run.
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', note);
  return {
    /** Returns the reasons since the last call. */
    take: async (): Promise<unknown[]> => {
      await nextTurn();
      return reasons.splice(0);
    },
    stop: (): void => {
      process.off('unhandledRejection', note);
      for (const listener of others) process.on('unhandledRejection', listener);
    },
  };
};
