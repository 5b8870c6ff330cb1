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
 * Lets time pass for everything in this process that looks at a clock (ages, rate limits, pauses), without waiting for it.
 * Timers are not touched: what they wait for is real. Until `resetClock`.
 */
export const advanceClock = (ms: number): void => {
  install();
  passedMs += ms;
};

/**
 * Lets no time pass but what is skipped: whatever is kept is kept however long a test takes. Until `startClock` or
 * `resetClock`.
 */
export const stopClock = (): void => {
  stoppedAt = { wall: Date.now() - passedMs - steppedMs, monotonic: performance.now() - passedMs };
  install();
};

/** Lets time pass again; what has passed meanwhile has passed for all now. */
export const startClock = (): void => {
  stoppedAt = undefined;
};

/** Sets the wall clock ahead, or back where `ms` is negative, while no time passes. Until `resetClock`. */
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
