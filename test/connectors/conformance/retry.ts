import { describe, expect, test } from 'vitest';
import { codeOf, type Harness } from './harness.ts';

/** Retries transient failures, within the retry budget and the client’s deadline. */
export const retry = ({ of, one, withStack, ask, reads, fail }: Harness): void => {
  describe('deadline', () => {
    withStack({ REQUEST_TIMEOUT_MS: '2000' });

    test('given no answer, then the client has one at its deadline, and nothing is asked after it', async () => {
      fail({ hang: true });
      expect(codeOf(await ask([one]))).toBe('UPSTREAM_TIMEOUT');
      await expect.poll(() => reads()[0]?.clientAborted).toBe(true);
      expect(reads()).toHaveLength(1);
    });

    test('given a wait that would outlast the deadline, then the client is told at once how long it is', async () => {
      fail({ status: 429, headers: { 'retry-after': '30' } });
      const { errors } = await ask([one]);
      expect(errors?.[0]?.extensions).toMatchObject({ code: 'UPSTREAM_RATE_LIMITED', retryAfterMs: 30_000 });
      expect(reads()).toHaveLength(1);
    });
  });

  describe('retry', () => {
    withStack({ [of.timeoutVariable]: '1000' });

    test.each([
      ['a 500', { status: 500 }, 3],
      ['a 503', { status: 503 }, 3],
      ['a connection that breaks', { drop: 'before' }, 3],
      ['no answer in time', { hang: true }, 2],
      ['a 400', { status: 400 }, 1],
      ['a 401', { status: 401 }, 1],
      ['a 403', { status: 403 }, 1],
      ['a 404', { status: 404 }, 1],
    ] as const)('given %s each time, then a read is sent so many times', async (_, fault, times) => {
      fail(fault);
      expect((await ask([one])).errors).toHaveLength(1);
      expect(reads()).toHaveLength(times);
    });

    test('given a failure that passes, then the client sees nothing of it', async () => {
      fail({ status: 500, times: 2 });
      expect((await ask([one])).errors).toBeUndefined();
      expect(reads().map(({ status }) => status)).toEqual([500, 500, 200]);
    });

    test('given a Retry-After, then nothing is sent before it has passed', async () => {
      fail({ status: 503, times: 1, headers: { 'retry-after': '1' } });
      expect((await ask([one])).errors).toBeUndefined();
      const [first, second] = reads();
      expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(1_000);
    });

    test('given that every other call fails, then a tenth is repeated and not every one', async () => {
      const startedAt = performance.now();
      // Each failure is followed by a success: consecutive failures would open the circuit.
      for (const key of of.keys.slice(0, 40)) {
        fail({ key, status: 500, times: 1 });
        await ask([key]);
      }
      const seen = reads().map(({ keys }) => keys[0]);
      const repeated = seen.length - new Set(seen).size;
      expect(repeated).toBeGreaterThanOrEqual(10);
      // Ten saved ones, a tenth of the requests, and one a second.
      const granted = 10 + 4 + (performance.now() - startedAt) / 1_000;
      expect(repeated).toBeLessThanOrEqual(granted);
    });
  });
};
