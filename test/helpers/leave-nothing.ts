import { afterAll, vi } from 'vitest';
import { resetClock } from './clock.ts';

// The files of a process share its clocks. Hooks run from the last to the first, so this one is after those of the file.
afterAll(() => {
  if (!vi.isMockFunction(Date.now) && !vi.isMockFunction(performance.now)) return;
  resetClock();
  throw new Error('This file leaves the clock as it has set it. Call resetClock after its tests.');
});
