import { describe, expect, test } from 'vitest';
import { advanceClock } from '../../helpers/clock.ts';
import { busiest, codeOf, type Harness } from './harness.ts';

/** Keeps to the provider’s rate limits, and fails immediately if a request cannot be sent in time. */
export const quota = ({ of, one, two, three, withStack, ask, sandbox, reads, holdingReads, fail }: Harness): void => {
  describe('bulkhead', () => {
    withStack({ [of.concurrencyVariable]: '2' });

    test('given ten calls to a slow provider, then two run at once, and none fails', async () => {
      const askAll = async () => {
        const answers: ReturnType<typeof ask>[] = [];
        for (const [index, key] of of.keys.slice(0, 10).entries()) {
          answers.push(ask([key]));
          // The first two are separate requests; keys that wait for a permit are batched.
          if (of.maxBatch > 1 && index < 2) await expect.poll(() => reads().length, { interval: 5 }).toBe(index + 1);
        }
        return Promise.all(answers);
      };
      const answers = await holdingReads(10, askAll, () => expect(reads()).toHaveLength(2));
      expect(answers.flatMap(({ errors }) => errors ?? [])).toEqual([]);
      expect(reads()).toHaveLength(of.maxBatch > 1 ? 3 : 10);
    });
  });

  describe('quota', () => {
    const quotaOf = (calls: number, seconds: number) => ({
      [of.quota.variable]: of.quota.value.replaceAll('N', `${calls}`).replaceAll('S', `${seconds}`),
    });

    describe('of ten calls a second', () => {
      withStack(quotaOf(10, 1));

      test('given 30 calls, then they go ten a second, and none fails', async () => {
        const answers: ReturnType<typeof ask>[] = [];
        for (const [index, key] of of.keys.slice(0, 30).entries()) {
          answers.push(ask([key]));
          // Wait, so that they are separate requests.
          if (of.maxBatch > 1) await expect.poll(() => reads().length, { interval: 5 }).toBe(index + 1);
        }
        const errors = (await Promise.all(answers)).flatMap((answer) => answer.errors ?? []);
        expect(errors).toEqual([]);
        expect(reads()).toHaveLength(30);
        expect(busiest(sandbox().calls, 1_000)).toBeLessThanOrEqual(10);
      });
    });

    describe('that lasts longer than clients wait', () => {
      withStack(quotaOf(3, 60));

      test('given one call too many, then it fails at once and says when to come again', async () => {
        for (const key of [one, two, three]) expect((await ask([key])).errors).toBeUndefined();
        const before = performance.now();
        const { errors } = await ask([one]);
        expect(performance.now() - before).toBeLessThan(5_000);
        expect(errors?.[0]?.extensions).toMatchObject({ code: 'UPSTREAM_RATE_LIMITED' });
        expect(errors?.[0]?.extensions?.['retryAfterMs']).toBeGreaterThan(50_000);
        expect(errors?.[0]?.extensions?.['retryAfterMs']).toBeLessThanOrEqual(60_000);
        expect(reads()).toHaveLength(3);
        advanceClock(60_000);
        expect((await ask([one])).errors).toBeUndefined();
      });
    });

    describe('that the provider says is spent', () => {
      withStack(quotaOf(10, 1));

      test('given a 429, then no further call is made until its time has come', async () => {
        fail({ status: 429, times: 1, headers: { 'retry-after': '300' } });
        await ask([one]);
        expect(codeOf(await ask([two]))).toBe('UPSTREAM_RATE_LIMITED');
        expect(reads()).toHaveLength(1);
        advanceClock(300_000);
        expect((await ask([two])).errors).toBeUndefined();
      });
    });
  });
};
