import { expect, test } from 'vitest';
import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import { createInfrastructure, createProvider } from '../../connectors/provider.ts';
import { advanceClock, resetClock } from '../helpers/clock.ts';
import { startHttpServer } from '../helpers/http-server.ts';

/* What a request is told of how long its answer is good. */

const DAY = {
  maxAgeMs: 86_400_000,
  staleWhileRevalidateMs: 172_800_000,
  staleIfErrorMs: 172_800_000,
  negativeTtlMs: 10_000,
};

const start = async (cacheBytes = 1024 * 1024) => {
  const server = await startHttpServer((_request, response) => response.end('{}'));
  const provider = createProvider(createInfrastructure({ cacheBytes }), {
    upstream: 'words',
    account: ['a'],
    timeoutMs: 1_000,
    concurrency: 2,
    limits: [{ name: 'account', calls: 1_000, windowMs: 1_000 }],
    cachePolicies: { words: DAY },
  });
  const send = (options: RequestOptions) =>
    provider.http.send({
      ...options,
      operation: 'GET /',
      method: 'GET',
      url: server.url,
      headers: {},
      write: false,
    });
  const words = provider.createReader<string>({
    type: 'words',
    cachePolicy: 'words',
    operation: 'GET /',
    maxBatch: 10,
    fetch: async (keys, call) => {
      await send(call);
      return new Map(keys.flatMap((key) => (key === 'absent' ? [] : [[key, key]])));
    },
  });
  const leftAfter = async (read: (freshness: { leftMs: number }) => Promise<unknown>): Promise<number> => {
    const freshness = { leftMs: Number.POSITIVE_INFINITY };
    await read(freshness);
    return freshness.leftMs;
  };
  return { send, words, leftAfter, close: () => Promise.all([provider.close(), server.close()]) };
};

test('what is read is good as long as its lifetime says, new or kept; what is not there for less', async () => {
  const { words, leftAfter, close } = await start();
  for (const _ of ['asked', 'kept']) {
    const left = await leftAfter((freshness) => words.load(['a', 'b'], { freshness }));
    expect(left).toBeGreaterThan(86_390_000);
    expect(left).toBeLessThanOrEqual(86_400_000);
  }
  const left = await leftAfter((freshness) => words.load(['a', 'absent'], { freshness }));
  expect(left).toBeGreaterThan(9_000);
  expect(left).toBeLessThanOrEqual(10_000);
  await close();
});

test('what is past its time is good for no time, though it is given', async () => {
  advanceClock(0);
  const { words, leftAfter, close } = await start();
  await words.load(['a'], {});
  advanceClock(86_400_000 + 1_000);
  let found: unknown;
  const left = await leftAfter(async (freshness) => {
    found = await words.load(['a'], { freshness });
  });
  expect(found).toMatchObject([{ value: 'a', stale: { ageMs: expect.any(Number), reason: 'REFRESHING' } }]);
  expect(left).toBe(0);
  await close();
  resetClock();
});

test('what nobody keeps is good for no time: a call by itself, and anything where there is no cache', async () => {
  const { send, leftAfter, close } = await start();
  expect(await leftAfter((freshness) => send({ freshness }))).toBe(0);
  await close();
  const without = await start(0);
  expect(await without.leftAfter((freshness) => without.words.load(['a'], { freshness }))).toBe(0);
  await without.close();
});
