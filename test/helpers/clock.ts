import { vi } from 'vitest';

let passedMs = 0;
let steppedMs = 0;
let stoppedAt: { readonly wall: number; readonly monotonic: number } | undefined;

const install = (): void => {
  if (vi.isMockFunction(Date.now)) return;
  const wall = Date.now.bind(Date);
  const monotonic = performance.now.bind(performance);
  vi.spyOn(Date, 'now').mockImplementation(() => (stoppedAt?.wall ?? wall()) + passedMs + steppedMs);
  vi.spyOn(performance, 'now').mockImplementation(() => (stoppedAt?.monotonic ?? monotonic()) + passedMs);
};

/**
 * Advances the clocks of this process (cache ages, rate limits, pauses) without waiting, until `resetClock`. Timers are not
 * affected.
 */
export const advanceClock = (ms: number): void => {
  install();
  passedMs += ms;
};

/**
 * Stops the clocks, so that nothing expires however long a test takes, until `startClock` or `resetClock`. `advanceClock`
 * still works.
 */
export const stopClock = (): void => {
  stoppedAt = { wall: Date.now() - passedMs - steppedMs, monotonic: performance.now() - passedMs };
  install();
};

/** Resumes the clocks at the real time. */
export const startClock = (): void => {
  stoppedAt = undefined;
};

/** Sets the wall clock ahead, or back if `ms` is negative, until `resetClock`. The monotonic clock is not affected. */
export const stepClock = (ms: number): void => {
  install();
  steppedMs += ms;
};

export const resetClock = (): void => {
  passedMs = 0;
  steppedMs = 0;
  stoppedAt = undefined;
  vi.restoreAllMocks();
};
