import { afterEach, expect, test } from 'vitest';
import { defineProvider, http } from '../../connectors/define-provider.ts';
import { createInfrastructure } from '../../connectors/infrastructure.ts';
import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import { createProvider } from '../../connectors/provider.ts';
import { byKey, operation } from '../../connectors/reads/read.ts';
import { address, readSettings, url } from '../../connectors/settings.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';
import { startHttpServer } from '../helpers/http-server.ts';

/* The permit of a batch, with one request at a time. */

const shelf = defineProvider({
  name: 'shelf',
  title: 'Shelf',
  envPrefix: 'SHELF',
  settings: { BASE_URL: address(url(), '') },
  identity: ({ BASE_URL }) => [BASE_URL],
  defaults: { timeoutMs: 60_000, concurrency: 1 },
  rateLimits: [{ name: 'endpoint', calls: 4, windowMs: 600_000, isPerOperation: true }],
  cachePolicies: { items: { maxAge: 0, staleWhileRevalidate: 0, staleIfError: 0 } },
  transport: http(),
  api: ({ send }, { BASE_URL }) => {
    const request = (name: string, options: RequestOptions) =>
      send({ ...options, operation: name, method: 'GET', url: `${BASE_URL}${name}`, headers: {}, write: false });
    /** Creates a function that makes the requests of a batch, and returns each key as its own value. */
    const requests = (name: string, work: (options: RequestOptions) => Promise<unknown>) =>
      operation(name, () => async (keys: readonly string[], options: RequestOptions) => {
        await work(options);
        return new Map(keys.map((key) => [key, key]));
      });
    return {
      items: requests('/items', (options) => request('/items', options)),
      found: requests('/items', (options) => request('/search', options).then(() => request('/items', options))),
      none: requests('/items', async () => {}),
      several: requests('/items', (options) => Promise.all([1, 2].map(() => request('/items', options)))),
    };
  },
  reads: (api) => ({
    items: byKey(api.items, { batchSize: 10, policy: 'items' }),
    found: byKey(api.found, { batchSize: 10, policy: 'items' }),
    none: byKey(api.none, { batchSize: 10, policy: 'items' }),
    several: byKey(api.several, { batchSize: 10, policy: 'items' }),
  }),
});

let closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

const start = async () => {
  const seen: string[] = [];
  const telemetry = createTelemetry();
  const server = await startHttpServer((request, response) => {
    seen.push(String(request.url));
    response.end('{}');
  });
  closing.push(server.close);
  const settings = readSettings(shelf, { SHELF_BASE_URL: server.url });
  const provider = createProvider(createInfrastructure({ cacheBytes: 0, telemetry }), shelf, {
    subgraph: 'shelf',
    settings,
  });
  closing.push(provider.close);
  const { readers } = provider.connect();
  /** Reads a key for a caller whose deadline is before the end of the rate limit's window. */
  const load = async (name: keyof typeof readers) => {
    const priority = { deadlineAt: performance.now() + 120_000, isBackground: false, flow: {} };
    const [result] = await readers[name].load(['a'], { priority });
    return result;
  };
  return { seen, load, readers, telemetry };
};

const READ = { value: 'a' };
const REJECTED = { code: 'UPSTREAM_RATE_LIMITED', details: { operation: '/items' } };

test('a batch that waits when its caller reaches the deadline is announced as not sent', async () => {
  const { readers, telemetry } = await start();
  const late = new AbortController();
  const priority = { deadlineAt: Number.POSITIVE_INFINITY, isBackground: false, flow: {} };
  const refusals: unknown[] = [];
  telemetry.listen({ on: (event) => void (event.type === 'provider.refusal' && refusals.push(event)) });
  for (let index = 0; index < 4; index += 1) await readers.items.load(['a'], { priority });
  const loading = readers.items.load(['a'], { priority, signal: late.signal });
  await expect.poll(() => telemetry.state().providers[0]?.queued).toBe(1);
  late.abort(new DOMException('The request timed out.', 'TimeoutError'));
  await expect(loading).rejects.toMatchObject(REJECTED);
  expect(refusals).toMatchObject([{ subgraph: 'shelf', operation: '/items', reason: 'rate_limit' }]);
});

test('a batch of one request takes one slot', async () => {
  const { load, seen } = await start();
  for (let index = 0; index < 4; index += 1) expect(await load('items')).toEqual(READ);
  expect(await load('items')).toMatchObject(REJECTED);
  expect(seen).toHaveLength(4);
});

test('given a request of another operation first, then each takes a slot under its own limit', async () => {
  const { load, seen } = await start();
  for (let index = 0; index < 4; index += 1) expect(await load('found')).toEqual(READ);
  expect(await load('items')).toMatchObject(REJECTED);
  expect(seen).toEqual(Array.from({ length: 4 }, () => ['/search', '/items']).flat());
});

test('given a batch of several requests, then each takes a slot', async () => {
  const { load, seen } = await start();
  for (let index = 0; index < 2; index += 1) expect(await load('several')).toEqual(READ);
  expect(await load('items')).toMatchObject(REJECTED);
  expect(seen).toHaveLength(4);
});

test('given a batch that needs no request, then its slot is free again', async () => {
  const { load } = await start();
  for (let index = 0; index < 10; index += 1) expect(await load('none')).toEqual(READ);
  for (let index = 0; index < 4; index += 1) expect(await load('items')).toEqual(READ);
});
