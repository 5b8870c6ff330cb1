import { afterAll, vi } from 'vitest';
import { resetClock } from './clock.ts';

// Test files in one process share its clocks. `afterAll` hooks run in reverse order, so this one runs after the file's own.
afterAll(() => {
  if (!vi.isMockFunction(Date.now) && !vi.isMockFunction(performance.now)) return;
  resetClock();
  throw new Error('This file does not reset the clock. Call resetClock after its tests.');
});
