import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { advanceClock, startClock, stopClock } from '../../helpers/clock.ts';
import { codeOf, type Harness } from './harness.ts';

/** Opens the circuit of a failing endpoint, and closes it after a successful probe. */
export const breaker = ({ of, one, two, three, withStack, ask, reads, fail, reset }: Harness): void => {
  describe('breaker', () => {
    withStack();
    // The circuit stays open until the test advances the clock, however slow the machine.
    beforeEach(() => stopClock());
    afterEach(() => startClock());

    test('given five failures in a row, then it is left alone; a probe finds it back', async () => {
      fail({ status: 500 });
      await ask([one]);
      await ask([two]);
      expect(reads()).toHaveLength(5);
      expect(codeOf(await ask([three]))).toBe('UPSTREAM_UNAVAILABLE');
      expect(reads()).toHaveLength(5);

      advanceClock(5_000);
      expect(codeOf(await ask([three]))).toBe('UPSTREAM_UNAVAILABLE');
      expect(reads()).toHaveLength(6);

      reset();
      advanceClock(5_000);
      const answers = await Promise.all([ask([one]), ask([two]), ask([three])]);
      expect(answers.flatMap(({ errors }) => errors ?? [])).toEqual([]);
    });

    test('given refusals, then it is not left alone', async () => {
      fail({ status: 400 });
      for (const key of of.keys.slice(0, 8)) await ask([key]);
      expect(reads()).toHaveLength(8);
    });

    test('given clients that leave, then it is not left alone', async () => {
      fail({ hang: true });
      for (const key of of.keys.slice(0, 6)) {
        const client = new AbortController();
        const left = ask([key], { signal: client.signal });
        await expect.poll(() => reads().at(-1)?.keys).toContain(key);
        client.abort();
        await expect(left).rejects.toThrow();
      }
      reset();
      expect((await ask([one])).errors).toBeUndefined();
    });
  });
};
