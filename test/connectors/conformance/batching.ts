import { describe, expect, test } from 'vitest';
import type { Harness } from './harness.ts';

/** Batches keys over all clients, without one client’s failure affecting another. */
export const batching = ({ of, one, two, three, withStack, ask, reads, fail, holdingReads }: Harness): void => {
  describe('batching', () => {
    withStack();

    test('given 40 clients that ask for 20 keys at once, then each key is asked once', async () => {
      const keys = of.keys.slice(0, 20);
      const answers = await holdingReads(40, () => Promise.all([...keys, ...keys].map((key) => ask([key]))));
      expect(answers.flatMap(({ errors }) => errors ?? [])).toEqual([]);
      expect(
        reads()
          .flatMap((call) => call.keys)
          .sort(),
      ).toEqual([...keys].sort());
    });

    test('given more keys than one call may carry, then calls are full', async () => {
      const keys = of.keys.slice(0, 60);
      const { errors } = await ask(keys);
      expect(errors).toBeUndefined();
      expect(reads()).toHaveLength(Math.ceil(keys.length / of.maxBatch));
    });

    test('given one key that the provider refuses, then it alone is an error', async () => {
      fail({ key: two, status: 400 });
      const { data, errors } = await ask([one, two, three]);
      expect(errors?.map(({ path }) => path?.[0])).toEqual(['a1']);
      expect(data).toMatchObject({ a0: expect.anything(), a1: null, a2: expect.anything() });
    });

    test('given one of two clients leaves, then the other is answered by the same call', async () => {
      fail({ delayMs: 300, times: 1 });
      const client = new AbortController();
      const left = ask([one], { signal: client.signal });
      const stayed = ask([one]);
      await expect.poll(() => reads().length).toBe(1);
      client.abort();
      await expect(left).rejects.toThrow();
      expect((await stayed).errors).toBeUndefined();
      expect(reads()).toHaveLength(1);
    });

    test('given all clients leave, then the call is given up, and the next client is answered by another', async () => {
      fail({ hang: true, times: 1 });
      const clients = [new AbortController(), new AbortController()];
      const left = clients.map(({ signal }) => ask([one], { signal }));
      await expect.poll(() => reads().length).toBe(1);
      for (const client of clients) client.abort();
      await Promise.allSettled(left);
      await expect.poll(() => reads()[0]?.clientAborted).toBe(true);
      expect((await ask([one])).errors).toBeUndefined();
    });
  });
};
