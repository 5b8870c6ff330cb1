import { vi } from 'vitest';

let aheadMs = 0;

/**
 * Lets time pass for everything that goes by the clock in this process (ages, quotas, pauses), without waiting for it.
 * Timers are not touched: what they wait for is real. Until `resetClock`.
 */
export const skipAhead = (ms: number): void => {
  if (!vi.isMockFunction(Date.now)) {
    const real = Date.now;
    vi.spyOn(Date, 'now').mockImplementation(() => real() + aheadMs);
  }
  aheadMs += ms;
};

export const resetClock = (): void => {
  aheadMs = 0;
  vi.restoreAllMocks();
};
