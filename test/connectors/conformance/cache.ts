import { describe, expect, test } from 'vitest';
import { advanceClock } from '../../helpers/clock.ts';
import { codeOf, type Harness, reportOf } from './harness.ts';

/** Serves cached values within the cache policy. */
export const cache = ({ of, one, two, three, withStack, ask, write, reads, fail, reset }: Harness): void => {
  describe('cache', () => {
    // Fresh for ten seconds, stale while revalidating for a minute, stale if error for an hour.
    withStack({ CACHE_MAX_MIB: '16', [of.cache.variable]: `${of.cache.type}=10/60/3600` });
    // Retries can take longer than a client waits.
    const outage = expect.stringMatching(/^UPSTREAM_(UNAVAILABLE|TIMEOUT)$/);
    const asStale = { path: ['a0'], subgraph: of.service };

    test('fresh: no call', async () => {
      const first = await ask([one]);
      expect((await ask([one])).data).toEqual(first.data);
      expect(reads()).toHaveLength(1);
      advanceClock(9_000);
      await ask([one]);
      expect(reads()).toHaveLength(1);
    });

    test('past its time: answered, said to be stale, and refreshed behind the client’s back', async () => {
      await ask([one]);
      advanceClock(30_000);
      expect(reportOf(await ask([one]))?.stale?.[0]).toEqual({
        ...asStale,
        ageMs: expect.any(Number),
        reason: 'REFRESHING',
      });
      await expect.poll(() => reads().length).toBe(2);
      await expect.poll(async () => reportOf(await ask([one]))).toBeUndefined();
      expect(reads()).toHaveLength(2);
    });

    test('older: asked anew', async () => {
      await ask([one]);
      advanceClock(61_000);
      expect(reportOf(await ask([one]))).toBeUndefined();
      expect(reads()).toHaveLength(2);
    });

    test('older, and the provider is down: answered, with place, provider, age and reason', async () => {
      const { data } = await ask([one]);
      advanceClock(600_000);
      fail({ status: 500 });
      const answer = await ask([one]);
      expect({ data: answer.data, errors: answer.errors }).toEqual({ data, errors: undefined });
      const [note] = reportOf(answer)?.stale ?? [];
      expect(note).toMatchObject({ ...asStale, reason: outage });
      const { ageMs } = note as { ageMs: number };
      expect(ageMs).toBeGreaterThanOrEqual(600_000);
      expect(ageMs).toBeLessThan(620_000);
    });

    test('older, and the provider is slow: the client waits a second', async () => {
      await ask([one]);
      advanceClock(600_000);
      fail({ delayMs: 4_000 });
      const before = performance.now();
      expect(reportOf(await ask([one]))?.stale?.[0]).toMatchObject({ ...asStale, reason: 'UPSTREAM_TIMEOUT' });
      expect(performance.now() - before).toBeLessThan(2_500);
      // The request continues, and its result is cached.
      await expect.poll(async () => reportOf(await ask([one]))).toBeUndefined();
      expect(reads()).toHaveLength(1 + 1);
    });

    test('too old: an error', async () => {
      await ask([one]);
      advanceClock(3_601_000);
      fail({ status: 500 });
      expect(codeOf(await ask([one]))).toBe('UPSTREAM_UNAVAILABLE');
    });

    test.each([401, 403])('%i: an error, whatever is kept', async (status) => {
      await ask([one]);
      advanceClock(600_000);
      fail({ status });
      expect(codeOf(await ask([one]))).toBe('UPSTREAM_UNAUTHORIZED');
    });

    test('absent: believed for ten seconds', async () => {
      await ask([of.absentKey]);
      await ask([of.absentKey]);
      expect(reads()).toHaveLength(1);
      advanceClock(10_001);
      await ask([of.absentKey]);
      expect(reads()).toHaveLength(2);
    });

    test('errors are not kept', async () => {
      fail({ status: 403, times: 1 });
      await ask([one]);
      expect((await ask([one])).errors).toBeUndefined();
    });

    test('no-cache: asked anew, and kept for others', async () => {
      await ask([one]);
      await ask([one], { headers: { 'cache-control': 'no-cache' } });
      expect(reads()).toHaveLength(2);
      await ask([one]);
      expect(reads()).toHaveLength(2);
    });

    test('no-cache while a call is under way: not joined', async () => {
      fail({ delayMs: 300, times: 1 });
      const slow = ask([one]);
      await expect.poll(() => reads().length).toBe(1);
      await ask([one], { headers: { 'cache-control': 'no-cache' } });
      expect(reads()).toHaveLength(2);
      await slow;
    });

    test('a write: what it changes is asked anew, by everybody', async () => {
      const { key } = of.write(10);
      const other = of.keys.find((one) => one !== key) ?? '';
      const before = await ask([key, other]);
      expect((await write(10)).errors).toBeUndefined();
      reset();
      const after = await ask([key, other]);
      expect(after.data?.['a0']).not.toEqual(before.data?.['a0']);
      expect(after.data?.['a1']).toEqual(before.data?.['a1']);
      expect(reads().flatMap(({ keys }) => keys)).not.toContain(other);
      expect((await ask([key, other])).data).toEqual(after.data);
      expect(reads().length).toBeLessThanOrEqual(1);
    });

    test('a write while a read is under way: the read’s answer is not given to anybody later', async () => {
      const { key } = of.write(11);
      fail({ delayMs: 400, times: 1 });
      const slow = ask([key]);
      await expect.poll(() => reads().length).toBe(1);
      expect((await write(11)).errors).toBeUndefined();
      const fresh = await ask([key]);
      expect((await slow).data).not.toEqual(fresh.data);
      expect((await ask([key])).data).toEqual(fresh.data);
    });

    test('the report says what was had from where', async () => {
      const headers = { 'x-tributary-report': '1' };
      await ask([one]);
      const rows = reportOf(await ask([one, two], { headers }))?.calls;
      expect(rows?.find(({ operation }) => operation === of.readOperation)).toMatchObject({
        subgraph: of.service,
        calls: 1,
        retries: 0,
        failures: 0,
        keys: 1,
        hits: 1,
        misses: 1,
        stale: 0,
        bytesReceived: expect.any(Number),
      });
      fail({ status: 500, times: 1 });
      expect(reportOf(await ask([three], { headers }))?.calls?.[0]).toMatchObject({
        calls: 2,
        retries: 1,
        failures: 1,
      });
    });
  });
};
