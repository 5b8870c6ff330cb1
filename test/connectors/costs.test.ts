import { createClient } from '@keyv/redis';
import { afterEach, describe, expect, test } from 'vitest';
import { defineProvider, http } from '../../connectors/define-provider.ts';
import { createInfrastructure } from '../../connectors/infrastructure.ts';
import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import { createProvider } from '../../connectors/provider.ts';
import { createMemoryRateLimiter } from '../../connectors/rate-limits/memory.ts';
import { byKey, operation } from '../../connectors/reads/read.ts';
import { readSettings, secret, url } from '../../connectors/settings.ts';
import { createLog } from '../../runtime/log.ts';
import { createRedis, type Redis } from '../../runtime/redis.ts';
import { startHttpServer } from '../helpers/http-server.ts';
import { freePort, startProcess } from '../helpers/processes.ts';
import { hasTool } from '../helpers/tools.ts';

/* Rate limits by cost, against a server that counts the cost of its requests. */

const LIMIT = 100;

/** Parses a cost figure from a response header. */
const figure = (value: unknown): number | undefined => (typeof value === 'string' ? Number(value) : undefined);

const shop = defineProvider({
  name: 'shop',
  title: 'Shop',
  envPrefix: 'SHOP',
  settings: { BASE_URL: secret(url(), '') },
  identity: ({ BASE_URL }) => [BASE_URL],
  defaults: { timeoutMs: 60_000, concurrency: 20 },
  rateLimits: [{ name: 'points', calls: LIMIT, windowMs: 600_000, unit: 'cost' }],
  parseRateLimit: ({ headers }) => ({
    points: { cost: figure(headers['x-cost']), remaining: figure(headers['x-remaining']) },
  }),
  cachePolicies: { items: { maxAge: 0, staleWhileRevalidate: 0, staleIfError: 0 } },
  transport: http(),
  api: ({ send }, { BASE_URL }) => {
    const request = (path: string, cost?: number, options: RequestOptions = {}) =>
      send({
        ...options,
        operation: path.replace(/\?.*/, ''),
        method: 'GET',
        url: `${BASE_URL}${path}`,
        headers: {},
        write: false,
        ...(cost !== undefined && { cost }),
      });
    const read = (path: string, cost?: number) =>
      operation(path.replace(/\?.*/, ''), () => async (keys: readonly string[], options: RequestOptions) => {
        await request(path, cost, options);
        return new Map(keys.map((key) => [key, key]));
      });
    return {
      /** Costs `actual` at the server. */
      query: (cost: number, { actual = cost, path = '/query', ...options }: QueryOptions = {}) =>
        request(`${path}?${actual}`, cost, options),
      priced: read('/items?30'),
      pricedLate: read('/late?60', 60),
    };
  },
  reads: (api) => ({
    priced: byKey(api.priced, { batchSize: 10, policy: 'items', cost: 30 }),
    pricedLate: byKey(api.pricedLate, { batchSize: 10, policy: 'items' }),
  }),
});

type QueryOptions = RequestOptions & { readonly actual?: number; readonly path?: string };

let closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

type Counted = { readonly path: string; readonly cost: number; readonly at: number };

const startServer = async (more: (cost: number) => Readonly<Record<string, string>> = () => ({})) => {
  const counted: Counted[] = [];
  const server = await startHttpServer((request, response) => {
    const [path = '', cost] = String(request.url).split('?');
    counted.push({ path, cost: Number(cost), at: performance.now() });
    response.writeHead(200, more(Number(cost))).end('{}');
  });
  closing.push(server.close);
  return { url: server.url, counted };
};

const connect = (baseUrl: string, { quota = '', redis }: { quota?: string; redis?: Redis } = {}) => {
  const settings = readSettings(shop, { SHOP_BASE_URL: baseUrl, SHOP_QUOTA: quota });
  const provider = createProvider(createInfrastructure({ cacheBytes: 0, redis }), shop, { subgraph: 'shop', settings });
  closing.push(provider.close);
  return provider.connect();
};

const tellCost = (cost: number) => ({ 'x-cost': String(cost) });

/** A caller whose deadline is before the end of the ten-minute window. */
const soon = (): RequestOptions => ({
  priority: { deadlineAt: performance.now() + 120_000, isBackground: false, flow: {} },
});

/** The maximum units in any period of `windowMs` milliseconds. */
const busiest = (counted: readonly Omit<Counted, 'path'>[], windowMs: number): number =>
  Math.max(
    ...counted.map(({ at }) =>
      counted.filter((other) => other.at >= at && other.at < at + windowMs).reduce((sum, { cost }) => sum + cost, 0),
    ),
  );

const REFUSED = { code: 'UPSTREAM_RATE_LIMITED', details: { mayHaveArrived: false } };

/** Pseudorandom integers from 1 to `most`, the same for each seed. */
const createRandom = (seed: number) => {
  let state = seed;
  return (most: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return 1 + Math.floor((state / 2 ** 32) * most);
  };
};

const randomCosts = (seed: number, count: number) => {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => {
    // Some exceed the whole limit.
    const expected = random(10) === 1 ? random(3 * LIMIT) : random(30);
    return { expected, actual: random(Math.min(LIMIT, expected)) };
  });
};

test('given random costs, then no window exceeds the limit, and all requests are sent', async () => {
  const { url: baseUrl, counted } = await startServer(tellCost);
  const { api } = connect(baseUrl, { quota: 'points=100/0.5' });
  const costs = randomCosts(1, 60);
  await Promise.all(costs.map(({ expected, actual }) => api.query(expected, { actual })));
  expect(counted.map(({ cost }) => cost).sort()).toEqual(costs.map(({ actual }) => actual).sort());
  expect(busiest(counted, 500)).toBeLessThanOrEqual(LIMIT);
});

test.each([1, 2, 3, 4, 5, 6, 7, 8])('given random costs and times (%i), then no window exceeds the limit', (seed) => {
  const random = createRandom(seed);
  let now = 0;
  const limiter = createMemoryRateLimiter({ now: () => now });
  const windowMs = 1_000 * random(60);
  const windows = [{ key: 'points', calls: LIMIT, windowMs, unit: 'cost' as const }];
  const counted: { cost: number; at: number }[] = [];
  const running: { end: () => void; at: number }[] = [];
  const finish = (until: number) => {
    running.sort((one, other) => one.at - other.at);
    while (running[0] && running[0].at <= until) {
      now = Math.max(now, running[0].at);
      running.shift()?.end();
    }
    now = until;
  };
  for (const [index, { expected, actual }] of randomCosts(seed, 400).entries()) {
    const reservation = { id: `${index}`, windows, cost: expected };
    for (let blocked = limiter.acquire(reservation); blocked; blocked = limiter.acquire(reservation)) {
      if (blocked instanceof Promise) throw new Error('The limiter of this process waits for nobody.');
      finish(now + blocked.waitMs);
    }
    // The server may count it at any time before it responds.
    const [arrivesAt, answersAt] = [now + random(50), now + 50 + random(200)];
    running.push({
      at: answersAt,
      end: () => {
        counted.push({ cost: actual, at: arrivesAt });
        for (const window of windows) limiter.update(window, { cost: actual }, reservation);
        limiter.settle(reservation, true);
      },
    });
    finish(now + random(20) - 1);
  }
  finish(now + 1_000);
  expect(counted).toHaveLength(400);
  expect(busiest(counted, windowMs)).toBeLessThanOrEqual(LIMIT);
  // The limit is not kept by waiting forever.
  const total = counted.reduce((sum, { cost }) => sum + cost, 0);
  expect(now).toBeLessThan((total / LIMIT) * windowMs * 3);
});

const alikeTests = (connectTo: (baseUrl: string) => Promise<readonly ReturnType<typeof connect>[]>) => {
  test('given a lower actual cost, then the unused units are free immediately', async () => {
    const { url: baseUrl, counted } = await startServer(tellCost);
    const [one, other] = await connectTo(baseUrl);
    await one?.api.query(100, { actual: 10 });
    await one?.api.query(90, { actual: 40 });
    await other?.api.query(50, soon());
    await expect(one?.api.query(1, soon())).rejects.toMatchObject(REFUSED);
    await expect(other?.api.query(1, soon())).rejects.toMatchObject(REFUSED);
    expect(counted.map(({ cost }) => cost)).toEqual([10, 40, 50]);
  });

  test('given a higher actual cost, then the additional units are taken', async () => {
    const { url: baseUrl, counted } = await startServer(tellCost);
    const [one, other] = await connectTo(baseUrl);
    await one?.api.query(1, { actual: 95 });
    await expect(other?.api.query(6, soon())).rejects.toMatchObject(REFUSED);
    await expect(one?.api.query(6, soon())).rejects.toMatchObject(REFUSED);
    await other?.api.query(5, soon());
    expect(counted.map(({ cost }) => cost)).toEqual([95, 5]);
  });

  test('given external usage, then it is taken too, in addition to the actual cost', async () => {
    const { url: baseUrl, counted } = await startServer((cost) => ({ ...tellCost(cost), 'x-remaining': '20' }));
    const [one, other] = await connectTo(baseUrl);
    await one?.api.query(100, { actual: 10 });
    await expect(other?.api.query(21, soon())).rejects.toMatchObject(REFUSED);
    await other?.api.query(20, soon());
    expect(counted).toHaveLength(2);
  });

  test('given a request that was never sent, then its units are free again', async () => {
    const { url: baseUrl } = await startServer(tellCost);
    const [one, other] = await connectTo(baseUrl);
    // Nothing listens on port 1.
    const [nowhere] = await connectTo('http://127.0.0.1:1');
    for (let index = 0; index < 3; index += 1) {
      await expect(nowhere?.api.query(100, soon())).rejects.toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    }
    await one?.api.query(60);
    await other?.api.query(40);
  });

  test('given a cost above the limit, then it takes the whole limit', async () => {
    const { url: baseUrl } = await startServer();
    const [one, other] = await connectTo(baseUrl);
    await one?.api.query(1_000_000);
    await expect(other?.api.query(1, soon())).rejects.toMatchObject(REFUSED);
    // A request that costs nothing takes no units.
    await other?.api.query(0, soon());
  });
};

describe('in one process', () => {
  alikeTests(async (baseUrl) => {
    const connection = connect(baseUrl);
    return [connection, connection];
  });

  test('given a request that waits for units, then cheaper ones do not overtake it', async () => {
    const { url: baseUrl, counted } = await startServer(tellCost);
    const { api } = connect(baseUrl, { quota: 'points=100/1' });
    await api.query(60, { path: '/first' });
    await Promise.all([
      api.query(100, { path: '/dear' }),
      ...Array.from({ length: 3 }, () => api.query(5, { path: '/cheap' })),
    ]);
    expect(counted.map(({ path }) => path)).toEqual(['/first', '/dear', '/cheap', '/cheap', '/cheap']);
  });

  test('given a request that cannot get its units in time, then cheaper ones do not wait for it', async () => {
    const { url: baseUrl, counted } = await startServer(tellCost);
    const { api } = connect(baseUrl);
    // The others wait for the units that the first leaves.
    const first = api.query(60);
    const dear = api.query(100, soon());
    await Promise.all([first, expect(dear).rejects.toMatchObject(REFUSED), api.query(5, soon())]);
    expect(counted.map(({ cost }) => cost)).toEqual([60, 5]);
  });

  test('a batch takes the cost that its read declares', async () => {
    const { url: baseUrl, counted } = await startServer();
    const { readers } = connect(baseUrl);
    for (const key of ['a', 'b', 'c']) expect(await readers.priced.load([key], soon())).toEqual([{ value: key }]);
    expect(await readers.priced.load(['d'], soon())).toMatchObject([{ code: 'UPSTREAM_RATE_LIMITED' }]);
    expect(counted).toHaveLength(3);
  });

  test('given a batch whose cost is known only when it is sent, then it takes that cost', async () => {
    const { url: baseUrl, counted } = await startServer();
    const { readers } = connect(baseUrl);
    for (const key of ['a', 'b']) expect(await readers.pricedLate.load([key], soon())).toEqual([{ value: key }]);
    expect(await readers.pricedLate.load(['c'], soon())).toMatchObject([{ code: 'UPSTREAM_RATE_LIMITED' }]);
    expect(counted).toHaveLength(2);
  });
});

describe.skipIf(!hasTool('redis-server'))('in two processes that share a Redis', () => {
  const start = async () => {
    const port = await freePort();
    const process = startProcess(['redis-server', '--port', String(port), '--save', '', '--appendonly', 'no'], {});
    closing.push(process.stop);
    const redisUrl = `redis://127.0.0.1:${port}`;
    const open = async () => {
      const redis = createRedis({ url: redisUrl, timeoutMs: 60_000, log: createLog('silent') });
      closing.push(redis.close);
      await expect.poll(redis.isUp).toBe(true);
      return redis;
    };
    return { redisUrl, redises: [await open(), await open()] };
  };
  let shared: Promise<Awaited<ReturnType<typeof start>>> | undefined;
  afterEach(() => {
    shared = undefined;
  });
  const connectBoth = async (baseUrl: string, quota = '') => {
    shared ??= start();
    return (await shared).redises.map((redis) => connect(baseUrl, { quota, redis }));
  };

  alikeTests(connectBoth);

  test('given random costs, then together they exceed the limit in no window, and all requests are sent', async () => {
    const { url: baseUrl, counted } = await startServer(tellCost);
    const both = await connectBoth(baseUrl, 'points=100/0.5');
    const costs = randomCosts(2, 60);
    await Promise.all(costs.map(({ expected, actual }, index) => both[index % 2]?.api.query(expected, { actual })));
    expect(counted.map(({ cost }) => cost).sort()).toEqual(costs.map(({ actual }) => actual).sort());
    expect(busiest(counted, 500)).toBeLessThanOrEqual(LIMIT);
  });

  test('the number of stored entries grows with time, not with requests', async () => {
    const { url: baseUrl } = await startServer(tellCost);
    const startedAt = performance.now();
    const [one, other] = await connectBoth(baseUrl, 'points=1000000/1000');
    await Promise.all(Array.from({ length: 400 }, (_, index) => (index % 2 ? one : other)?.api.query(2)));
    const client = createClient({ url: (await shared)?.redisUrl ?? '' });
    closing.push(() => client.destroy());
    await client.connect();
    const [key = ''] = (await client.keys('*')).filter((name) => name.endsWith(':cost'));
    const places = async () => await client.zRange(key, 0, -1);
    await expect.poll(async () => (await places()).filter((place) => place.startsWith('running '))).toEqual([]);
    const units = (await places()).map((place) => Number(place.split(' ').at(-1)));
    expect(units.reduce((sum, one) => sum + one, 0)).toBe(800);
    // A thousandth of the window is one second.
    expect(units.length).toBeLessThanOrEqual((performance.now() - startedAt) / 1_000 + 2);
  });
});
