import { expect, test } from 'vitest';
import { defineProvider, http } from '../../connectors/define-provider.ts';
import { createInfrastructure } from '../../connectors/infrastructure.ts';
import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import { createProvider } from '../../connectors/provider.ts';
import { byKey, operation } from '../../connectors/reads/read.ts';
import { readSettings, secret, url } from '../../connectors/settings.ts';
import { advanceClock, resetClock } from '../helpers/clock.ts';
import { startHttpServer } from '../helpers/http-server.ts';

/* The remaining freshness that responses report. */

const words = defineProvider({
  name: 'words',
  title: 'Words',
  envPrefix: 'WORDS',
  settings: { BASE_URL: secret(url(), 'Where the API is.') },
  identity: ({ BASE_URL }) => [BASE_URL],
  defaults: { timeoutMs: 1_000, concurrency: 2 },
  rateLimits: [{ name: 'account', calls: 1_000, windowMs: 1_000 }],
  cachePolicies: { words: { maxAge: 86_400, staleWhileRevalidate: 172_800, staleIfError: 172_800 } },
  transport: http(),
  api: ({ send }, { BASE_URL }) => {
    const request = (options: RequestOptions) =>
      send({ ...options, operation: 'GET /', method: 'GET', url: BASE_URL, headers: {}, write: false });
    return {
      request,
      words: operation('GET /', () => async (keys: readonly string[], options: RequestOptions) => {
        await request(options);
        return new Map(keys.flatMap((key) => (key === 'absent' ? [] : [[key, key] as const])));
      }),
    };
  },
  reads: (api) => ({ words: byKey(api.words, { batchSize: 10, policy: 'words' }) }),
});

const start = async (cacheBytes = 1024 * 1024) => {
  const server = await startHttpServer((_request, response) => response.end('{}'));
  const settings = readSettings(words, { WORDS_BASE_URL: server.url });
  const provider = createProvider(createInfrastructure({ cacheBytes }), words, { subgraph: 'words', settings });
  const { api, readers } = provider.connect();
  const leftAfter = async (read: (freshness: { leftMs: number }) => Promise<unknown>): Promise<number> => {
    const freshness = { leftMs: Number.POSITIVE_INFINITY };
    await read(freshness);
    return freshness.leftMs;
  };
  return {
    send: api.request,
    words: readers.words,
    leftAfter,
    close: () => Promise.all([provider.close(), server.close()]),
  };
};

test('a value is fresh for its max age, fetched or cached; a missing one for less', async () => {
  const { words, leftAfter, close } = await start();
  for (const _ of ['fetched', 'cached']) {
    const left = await leftAfter((freshness) => words.load(['a', 'b'], { freshness }));
    expect(left).toBeGreaterThan(86_390_000);
    expect(left).toBeLessThanOrEqual(86_400_000);
  }
  const left = await leftAfter((freshness) => words.load(['a', 'absent'], { freshness }));
  expect(left).toBeGreaterThan(9_000);
  expect(left).toBeLessThanOrEqual(10_000);
  await close();
});

test('given a stale value, then it is returned with no remaining freshness', async () => {
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

test('direct calls, and all reads without a cache, have no remaining freshness', async () => {
  const { send, leftAfter, close } = await start();
  expect(await leftAfter((freshness) => send({ freshness }))).toBe(0);
  await close();
  const without = await start(0);
  expect(await without.leftAfter((freshness) => without.words.load(['a'], { freshness }))).toBe(0);
  await without.close();
});
