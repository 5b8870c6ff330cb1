import { vi } from 'vitest';

let passedMs = 0;
let steppedMs = 0;

const install = (): void => {
  if (vi.isMockFunction(Date.now)) return;
  const wall = Date.now.bind(Date);
  const monotonic = performance.now.bind(performance);
  vi.spyOn(Date, 'now').mockImplementation(() => wall() + passedMs + steppedMs);
  vi.spyOn(performance, 'now').mockImplementation(() => monotonic() + passedMs);
};

/**
 * Lets time pass for everything in this process that looks at a clock (ages, rate limits, pauses), without waiting for it.
 * Timers are not touched: what they wait for is real. Until `resetClock`.
 */
export const skipAhead = (ms: number): void => {
  install();
  passedMs += ms;
};

/** Sets the wall clock ahead, or back where `ms` is negative, while no time passes. Until `resetClock`. */
export const stepClock = (ms: number): void => {
  install();
  steppedMs += ms;
};

export const resetClock = (): void => {
  passedMs = 0;
  steppedMs = 0;
  vi.restoreAllMocks();
};
