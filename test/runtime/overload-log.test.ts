import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createOverloadLog } from '../../runtime/overload-log.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test('the first refusal is logged at once, and then once a minute how many there were', () => {
  const counts: number[] = [];
  const count = createOverloadLog({
    warn: ({ refused }: { refused: number }) => counts.push(refused),
  } as never);
  for (let index = 0; index < 5; index += 1) count();
  expect(counts).toEqual([1]);
  vi.advanceTimersByTime(60_000);
  expect(counts).toEqual([1, 4]);
  count();
  vi.advanceTimersByTime(60_000);
  expect(counts).toEqual([1, 4, 1]);
  // A minute without any.
  vi.advanceTimersByTime(60_000);
  expect(counts).toEqual([1, 4, 1]);
  count();
  expect(counts).toEqual([1, 4, 1, 1]);
});
