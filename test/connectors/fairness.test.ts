import { createClient } from '@keyv/redis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { defineProvider, http } from '../../connectors/define-provider.ts';
import { createInfrastructure } from '../../connectors/infrastructure.ts';
import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import { createProvider } from '../../connectors/provider.ts';
import { byKey, operation } from '../../connectors/reads/read.ts';
import { readSettings, secret, url } from '../../connectors/settings.ts';
import type { Client } from '../../runtime/client-usage.ts';
import { createLog } from '../../runtime/log.ts';
import { createRedis, type Redis } from '../../runtime/redis.ts';
import { advanceClock, resetClock, startClock, stopClock } from '../helpers/clock.ts';
import { startHttpServer } from '../helpers/http-server.ts';
import { freePort, startProcess } from '../helpers/processes.ts';
import { hasTool } from '../helpers/tools.ts';

/* How clients share a provider: its server records the order in which their requests arrive. */

const shop = defineProvider({
  name: 'shop',
  title: 'Shop',
  envPrefix: 'SHOP',
  settings: { BASE_URL: secret(url(), '') },
  identity: ({ BASE_URL }) => [BASE_URL],
  defaults: { timeoutMs: 60_000, concurrency: 1 },
  rateLimits: [{ name: 'account', calls: Number.POSITIVE_INFINITY, windowMs: 600_000 }],
  cachePolicies: { items: { maxAge: 0, staleWhileRevalidate: 0, staleIfError: 0 } },
  transport: http(),
  api: ({ send }, { BASE_URL }) => {
    const request = (path: string, options: RequestOptions) =>
      send({ ...options, operation: '/query', method: 'GET', url: `${BASE_URL}/${path}`, headers: {}, write: false });
    return {
      query: request,
      items: operation('/query', () => async (keys: readonly string[], options: RequestOptions) => {
        await request(keys.join(','), options);
        return new Map(keys.map((key) => [key, key]));
      }),
    };
  },
  reads: (api) => ({ items: byKey(api.items, { batchSize: 2, policy: 'items' }) }),
});

let closing: (() => Promise<unknown> | unknown)[] = [];
// Recorded use would decay on a busy machine.
beforeEach(stopClock);
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
  resetClock();
});

/** Starts a server that answers once `open` was called. `arrived` has the paths of its requests. */
const startServer = async () => {
  const arrived: string[] = [];
  const gate = Promise.withResolvers<void>();
  const server = await startHttpServer(async (request, response) => {
    arrived.push(String(request.url).slice(1));
    await gate.promise;
    response.end('{}');
  });
  closing.push(server.close, gate.resolve);
  return { url: server.url, arrived, open: gate.resolve };
};

type Server = Awaited<ReturnType<typeof startServer>>;

const connect = ({ url: baseUrl }: Server, env: Record<string, string> = {}, redis?: Redis) => {
  const settings = readSettings(shop, { SHOP_BASE_URL: baseUrl, ...env });
  const provider = createProvider(createInfrastructure({ cacheBytes: 0, redis }), shop, { subgraph: 'shop', settings });
  closing.push(provider.close);
  const { api, readers } = provider.connect();
  const optionsOf = (client: Client | undefined, options: Partial<RequestOptions['priority']> = {}) => ({
    priority: { deadlineAt: Number.POSITIVE_INFINITY, isBackground: false, client, flow: {}, ...options },
  });
  return {
    /** Sends a request for a client, as a client request of its own unless `options` has a flow. */
    send: (path: string, client: Client | undefined, options?: Partial<RequestOptions['priority']>) =>
      api.query(path, optionsOf(client, options)),
    /** Reads a key, in batches of two. */
    read: async (key: string, client: Client) => (await readers.items.load([key], optionsOf(client)))[0],
  };
};

const clientOf = (id: string, weight = 1): Client => ({ id, weight });
const [HEAVY, LIGHT] = [clientOf('heavy'), clientOf('light')];
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);
const countOf = (arrived: readonly string[], name: string) => arrived.filter((path) => path.startsWith(name)).length;

/** Pseudorandom integers from 0 to `most - 1`, the same for each seed. */
const createRandom = (seed: number) => {
  let state = seed;
  return (most: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * most);
  };
};

describe('the order of waiting requests', () => {
  test('given 1,000 queued requests of a client, then another’s first is the next', async () => {
    const server = await startServer();
    const { send } = connect(server);
    const requests = numbers(1_000).map((index) => send(`heavy-${index}`, HEAVY));
    await expect.poll(() => server.arrived).toEqual(['heavy-0']);
    requests.push(send('light', LIGHT));
    server.open();
    await Promise.all(requests);
    expect(server.arrived.indexOf('light')).toBe(1);
    expect(server.arrived.filter((path) => path !== 'light')).toEqual(numbers(1_000).map((index) => `heavy-${index}`));
  });

  test('given many requests of one client request, then another of the same client does not wait for all', async () => {
    const server = await startServer();
    const { send } = connect(server);
    const flow = {};
    const requests = numbers(10).map((index) => send(`long-${index}`, HEAVY, { flow }));
    await expect.poll(() => server.arrived).toHaveLength(1);
    requests.push(send('short', HEAVY));
    server.open();
    await Promise.all(requests);
    expect(server.arrived.indexOf('short')).toBeLessThanOrEqual(2);
  });

  test.each([1, 2, 3, 4, 5, 6])(
    'given clients that all wait, then shares follow their weights (seed %i)',
    async (seed) => {
      const random = createRandom(seed);
      const clients = numbers(2 + random(5)).map((index) => clientOf(`c${index}`, 1 + random(4)));
      const server = await startServer();
      const { send } = connect(server);
      const first = send('first', clientOf('other'));
      await expect.poll(() => server.arrived).toHaveLength(1);
      const requests = numbers(60).flatMap((index) => clients.map((client) => send(`${client.id}-${index}`, client)));
      server.open();
      await Promise.all([first, ...requests]);
      const sharesAfter = (count: number) =>
        clients.map(({ id, weight }) => countOf(server.arrived.slice(1, 1 + count), `${id}-`) / weight);
      for (let count = 1; ; count += 1) {
        const shares = sharesAfter(count);
        // From here on, a client waits for nothing.
        if (clients.some(({ weight }, index) => (shares[index] ?? 0) * weight >= 60)) break;
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1.001);
      }
      expect(server.arrived).toHaveLength(1 + requests.length);
    },
  );

  test.each([1, 2, 3])('given ever new clients, then a heavy one gets one permit in 16 (seed %i)', async (seed) => {
    const random = createRandom(seed);
    const server = await startServer();
    const { send } = connect(server);
    const requests = numbers(10).map((index) => send(`heavy-${index}`, HEAVY));
    await expect.poll(() => server.arrived).toHaveLength(1);
    requests.push(...numbers(160).map((index) => send(`new-${index}`, clientOf(`new-${index}`, 1 + random(4)))));
    server.open();
    await Promise.all(requests);
    const places = server.arrived.flatMap((path, index) => (path.startsWith('heavy') ? [index] : []));
    const gaps = places.slice(1).map((place, index) => place - (places[index] ?? 0));
    expect(places).toHaveLength(10);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(16);
    // The others go first otherwise.
    expect(Math.min(...gaps.slice(0, -1))).toBe(16);
  });

  test('given use long ago, then it does not count', async () => {
    const server = await startServer();
    const { send } = connect(server);
    server.open();
    for (const index of numbers(5)) await send(`old-${index}`, HEAVY);
    advanceClock(600_000);
    await send('recent', LIGHT);
    // Both are sent in one step: the order is by use, not by arrival.
    const sent = server.arrived.length;
    await Promise.all([send('holds', clientOf('other')), send('light', LIGHT), send('heavy', HEAVY)]);
    expect(server.arrived.slice(sent)).toEqual(['holds', 'heavy', 'light']);
  });

  test('given a batch of a heavy client that a light one joins, then it takes the light one’s place', async () => {
    const server = await startServer();
    const { send, read } = connect(server);
    const requests: Promise<unknown>[] = [send('first', HEAVY)];
    await expect.poll(() => server.arrived).toHaveLength(1);
    requests.push(...['h1', 'h2', 'h3', 'h4', 'h5'].map((key) => read(key, HEAVY)));
    requests.push(read('l1', LIGHT));
    server.open();
    await Promise.all(requests);
    expect(server.arrived).toEqual(['first', 'h5,l1', 'h1,h2', 'h3,h4']);
  });
});

describe('the bounds of the queue', () => {
  test('given a client that fills the queue, then its latest requests are rejected for another’s', async () => {
    const server = await startServer();
    const { send } = connect(server);
    const rejected: string[] = [];
    const sendOrNote = (path: string, client: Client) =>
      send(path, client).catch(({ code, message }) => {
        expect({ code, message }).toMatchObject({
          code: 'UPSTREAM_RATE_LIMITED',
          message: expect.stringContaining('cannot be sent in time'),
        });
        rejected.push(path);
      });
    const requests = [sendOrNote('heavy-first', HEAVY)];
    await expect.poll(() => server.arrived).toHaveLength(1);
    requests.push(...numbers(2_000).map((index) => sendOrNote(`heavy-${index}`, HEAVY)));
    requests.push(sendOrNote('light-0', LIGHT), sendOrNote('light-1', LIGHT), sendOrNote('heavy-more', HEAVY));
    server.open();
    await Promise.all(requests);
    expect(rejected.sort()).toEqual(['heavy-1998', 'heavy-1999', 'heavy-more']);
    expect(server.arrived.slice(0, 2)).toEqual(['heavy-first', 'light-0']);
  });

  test('given a long queue of a client, then another’s request is not refused for it', async () => {
    const server = await startServer();
    const { send } = connect(server, { SHOP_QUOTA: 'account=4/600', SHOP_CONCURRENCY: '10' });
    const heavy = numbers(40).map((index) =>
      send(`heavy-${index}`, HEAVY, { deadlineAt: performance.now() + 1_300_000 }).catch(({ code }) => code),
    );
    // Two are sent at once, and the spacing of the others does not pass while the clock stands still.
    await expect.poll(() => server.arrived).toHaveLength(2);
    const light = send('light', LIGHT, { deadlineAt: performance.now() + 700_000 }).catch(({ code }) => code);
    advanceClock(601_000);
    server.open();
    expect(await light).toMatchObject({ status: 200 });
    // Those that cannot be sent in time are refused as before.
    expect(await heavy[39]).toBe('UPSTREAM_RATE_LIMITED');
  });
});

/** Advances the clock in steps until a client has had time to send all that it may within the window. */
const letPass = async (server: Server, total: number) => {
  for (let step = 0; server.arrived.length < total; step += 1) {
    advanceClock(250);
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (step > 500) throw new Error(`${server.arrived.length} of ${total} requests arrived.`);
  }
};

describe('the reserve', () => {
  const WINDOW = { SHOP_QUOTA: 'account=16/600', SHOP_CONCURRENCY: '100' };

  test('given one active client, then it has the whole window', async () => {
    const server = await startServer();
    const { send } = connect(server, WINDOW);
    server.open();
    for (const index of numbers(20)) void send(`heavy-${index}`, HEAVY).catch(() => {});
    await letPass(server, 16);
  });

  test('given two active clients, then the heavier leaves a quarter of the window', async () => {
    const server = await startServer();
    const { send } = connect(server, WINDOW);
    server.open();
    await send('light-0', LIGHT);
    for (const index of numbers(30)) void send(`heavy-${index}`, HEAVY).catch(() => {});
    await expect.poll(() => server.arrived).toHaveLength(8);
    // In the second half of the window, without being spaced: the clock stands still.
    await send('light-1', LIGHT);
    await letPass(server, 12);
    for (const index of [2, 3, 4, 5]) {
      await send(`light-${index}`, LIGHT);
      // The end of its request has let the heavy client try again.
      expect(countOf(server.arrived, 'heavy')).toBe(10);
      advanceClock(250);
    }
    expect(server.arrived).toHaveLength(16);
  });

  test('given two active clients, then the heavier leaves a quarter of the concurrency', async () => {
    const server = await startServer();
    const { send } = connect(server, { SHOP_CONCURRENCY: '8' });
    const requests = [send('light-0', LIGHT)];
    await expect.poll(() => server.arrived).toHaveLength(1);
    requests.push(...numbers(30).map((index) => send(`heavy-${index}`, HEAVY)));
    await expect.poll(() => countOf(server.arrived, 'heavy')).toBe(5);
    requests.push(send('light-1', LIGHT));
    await expect.poll(() => countOf(server.arrived, 'light')).toBe(2);
    expect(countOf(server.arrived, 'heavy')).toBe(5);
    server.open();
    await Promise.all(requests);
  });
});

describe.skipIf(!hasTool('redis-server'))('two replicas with one Redis', () => {
  const WINDOW = { SHOP_QUOTA: 'account=16/600', SHOP_CONCURRENCY: '100' };

  const start = async () => {
    const port = await freePort();
    const process = startProcess(['redis-server', '--port', String(port), '--save', '', '--appendonly', 'no'], {});
    closing.push(process.stop);
    // Redis has a clock of its own.
    startClock();
    const open = async () => {
      const redis = createRedis({ url: `redis://127.0.0.1:${port}`, timeoutMs: 60_000, log: createLog('silent') });
      closing.push(redis.close);
      await expect.poll(redis.isUp, { timeout: 10_000 }).toBe(true);
      return redis;
    };
    const server = await startServer();
    server.open();
    const [one, other] = [connect(server, WINDOW, await open()), connect(server, WINDOW, await open())];
    const client = createClient({ url: `redis://127.0.0.1:${port}` });
    await client.connect();
    closing.push(() => client.destroy());
    return { server, client, one, other };
  };

  const clientsKey = async (client: Awaited<ReturnType<typeof start>>['client']) => {
    const keys = await client.keys('*:clients');
    expect(keys).toHaveLength(1);
    return keys[0] ?? '';
  };

  test('given a heavy client at one and a light one at the other, then the heavy one leaves a quarter', async () => {
    const { server, client, one, other } = await start();
    await other.send('light-0', LIGHT);
    for (const index of numbers(30)) void one.send(`heavy-${index}`, HEAVY).catch(() => {});
    await expect.poll(() => countOf(server.arrived, 'heavy'), { timeout: 10_000 }).toBe(11);
    for (const index of [1, 2, 3, 4]) await other.send(`light-${index}`, LIGHT);
    expect(countOf(server.arrived, 'heavy')).toBe(11);
    expect(server.arrived).toHaveLength(16);
    // It expires, and names only digests.
    const key = await clientsKey(client);
    expect(key).toMatch(/^tributary:quota:\{shop:[\w-]+\}:account:clients$/);
    expect(await client.pTTL(key)).toBeGreaterThan(0);
    expect((await client.zRange(key, 0, -1)).sort()).toEqual(['1.00 heavy', '1.00 light']);
  });

  test('given a light client that waits for the window of a heavy one, then it gets the next slot', async () => {
    const { server, client, one, other } = await start();
    for (const index of numbers(30)) void one.send(`heavy-${index}`, HEAVY).catch(() => {});
    await expect.poll(() => server.arrived.length, { timeout: 10_000 }).toBe(16);
    const light = other.send('light', LIGHT);
    const key = await clientsKey(client);
    await expect.poll(() => client.zScore(key, '1.00 light')).not.toBeNull();
    // One slot becomes free: the heavy client has to leave it.
    const reservations = key.replace(/:clients$/, '');
    const [first = ''] = await client.zRange(reservations, 0, 0);
    await client.zRem(reservations, first);
    const more = one.send('heavy-more', HEAVY, { deadlineAt: performance.now() + 60_000 }).catch(({ code }) => code);
    expect(await more).toBe('UPSTREAM_RATE_LIMITED');
    expect(countOf(server.arrived, 'heavy')).toBe(16);
    void other.send('light-more', LIGHT).catch(() => {});
    await light;
  });

  test('given many requests that wait for the other replica’s slots, then they cost few Redis commands', async () => {
    const { server, client, one, other } = await start();
    await Promise.all(numbers(16).map((index) => (index === 0 ? other : one).send(`heavy-${index}`, HEAVY)));
    const countCommands = async () => Number(/cmdstat_eval:calls=(\d+)/.exec(await client.info('commandstats'))?.[1]);
    // The clock stands still, so that no time passes in which a slot could become free.
    stopClock();
    const before = await countCommands();
    for (const index of numbers(100)) {
      void other.send(`waiting-${index}`, HEAVY).catch(() => {});
      // Each is looked at before the next arrives.
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.ping();
    expect((await countCommands()) - before).toBeLessThan(5);
    expect(server.arrived).toHaveLength(16);
    // A client that has not been refused is asked for.
    void other.send('light', LIGHT).catch(() => {});
    const key = await clientsKey(client);
    await expect.poll(() => client.zScore(key, '1.00 light')).not.toBeNull();
  });

  test('given a client that is heavy at the other replica only, then it does not hold back a light one', async () => {
    const { server, one, other } = await start();
    await other.send('light-0', LIGHT);
    for (const index of numbers(30)) void one.send(`heavy-${index}`, HEAVY).catch(() => {});
    await expect.poll(() => countOf(server.arrived, 'heavy'), { timeout: 10_000 }).toBe(11);
    // At this replica, the light client has used more.
    const requests = [other.send('heavy-more', HEAVY), other.send('light-1', LIGHT)];
    for (const request of requests) request.catch(() => {});
    await requests[1];
    expect(server.arrived).not.toContain('heavy-more');
  });

  test.each<[string, (key: string, client: Awaited<ReturnType<typeof start>>['client']) => Promise<unknown>]>([
    ['a key of another type', (key, client) => client.set(key, 'text')],
    ['impossible scores', (key, client) => client.zAdd(key, [{ value: '1.00 light', score: 1e300 }])],
    ['endless scores', (key, client) => client.zAdd(key, [{ value: '1.00 light', score: Number.POSITIVE_INFINITY }])],
    ['impossible weights', (key, client) => client.zAdd(key, [{ value: '-9 x', score: Date.now() }])],
    [
      'a thousand clients',
      (key, client) =>
        client.zAdd(
          key,
          numbers(1_000).map((index) => ({ value: `1.00 c${index}`, score: Date.now() - 30_000 })),
        ),
    ],
  ])('given %s in place of the clients, then requests are sent, and the set stays bounded', async (_, write) => {
    const { server, client, one, other } = await start();
    await one.send('light-0', LIGHT);
    const key = await clientsKey(client);
    await client.del(key);
    await write(key, client);
    for (const index of numbers(5)) await other.send(`light-${index}`, LIGHT);
    expect(server.arrived).toHaveLength(6);
    expect(await client.zCard(key)).toBeLessThanOrEqual(250);
    expect(Number(await client.zScore(key, '1.00 light'))).toBeLessThan(Date.now() + 60_000);
  });
});
