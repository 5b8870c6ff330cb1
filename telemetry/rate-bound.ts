import { monotonicNow } from '../runtime/clock.ts';

/** Creates a function that returns whether something may happen once more: so often a second, and so often after a pause. */
export const createRateBound = ({ perSecond, atOnce }: { perSecond: number; atOnce: number }): (() => boolean) => {
  let left = atOnce;
  let filledAt = monotonicNow();
  return () => {
    const now = monotonicNow();
    left = Math.min(atOnce, left + ((now - filledAt) / 1000) * perSecond);
    filledAt = now;
    if (left < 1) return false;
    left -= 1;
    return true;
  };
};
