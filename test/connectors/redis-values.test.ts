import { createHash } from 'node:crypto';
import { createClient } from '@keyv/redis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import { advanceClock, resetClock, stepClock } from '../helpers/clock.ts';
import { freePort, type Spawned, startProcess } from '../helpers/processes.ts';
import { sandboxEnvironment } from '../helpers/sandboxes.ts';
import { createAsk, operationsOf, type Stack, startStack } from '../helpers/stack.ts';
import { hasTool } from '../helpers/tools.ts';

/* Foreign data in Redis is never used as a value, never blocks for longer than a limit, and never causes an error. */

const HOUR = 3_600_000;
const STOCK = '{ product(sku: "OABR-S") { stock { quantity } } }';
const setStock = (quantity: number) =>
  `mutation { setStock(input: { sku: "OABR-S", quantity: ${quantity} }) { product { sku } } }`;
let quantities = 700;
const nextQuantity = () => {
  quantities += 1;
  return quantities;
};
const stockIs = (quantity: number) => ({ product: { stock: { quantity } } });
const payments = createCompany().accounts.flatMap((account) => account.payments.map(({ id }) => id));

describe.skipIf(!hasTool('redis-server'))('given foreign data in Redis', () => {
  let redis: Spawned;
  let url: string;
  let client: ReturnType<typeof createClient>;
  let stack: Stack;
  // Shared, because starting a stack takes longer than most tests. Redis, which has all caches, is flushed before each.
  const started = new Map<string, Stack>();
  const others: Pick<Stack, 'close'>[] = [];

  beforeAll(async () => {
    const port = await freePort();
    redis = startProcess(['redis-server', '--port', String(port), '--save', '', '--appendonly', 'no'], {});
    url = `redis://127.0.0.1:${port}`;
    client = createClient({ url });
    client.on('error', () => {});
    await client.connect();
  });
  afterAll(async () => {
    await Promise.all([...started.values()].map((gateway) => gateway.close()));
    client.destroy();
    await redis.stop();
  });
  beforeEach(() => client.flushAll());
  afterEach(async () => {
    await Promise.all(others.splice(0).map((gateway) => gateway.close()));
    resetClock();
  });

  const healthOf = async (gateway: { url: string }) =>
    ((await (await fetch(`${gateway.url}/health/ready`)).json()) as { redis: string }).redis;
  const isUp = (gateway: { url: string }) =>
    vi.waitFor(async () => expect(await healthOf(gateway)).toBe('ok'), 120_000);
  const start = async (env: Record<string, string> = {}) => {
    const name = JSON.stringify(env);
    stack =
      started.get(name) ??
      (await startStack({
        openmage: { sessionLifetimeS: 1e9 },
        env: { REDIS_URL: url, CACHE_MAX_MIB: '16', OPENMAGE_CACHE: 'stock=600/600/3600', ...env },
      }));
    started.set(name, stack);
    stack.reset();
    await isUp(stack);
  };
  const startAnother = async () => {
    const other = await stack.startAnother();
    others.push(other);
    await isUp(other);
    return other;
  };
  const keysOf = async (part: string) => (await client.keys('*')).filter((key) => key.includes(part));
  const reads = () => operationsOf(stack.openmage).filter((operation) => operation === 'catalogInventoryStockItemList');
  const stock = async (gateway: Pick<Stack, 'ask'> = stack) => {
    const { data, errors } = await gateway.ask(STOCK);
    expect(errors).toBeUndefined();
    return data;
  };
  /** Replaces the value of a key by one of any type. */
  const put = async (key: string, value: Stored) => {
    await client.del(key);
    if (typeof value === 'string') await client.set(key, value);
    else if ('list' in value) await client.rPush(key, value.list);
    else if ('hash' in value) await client.hSet(key, value.hash);
    else for (const [id, score] of Object.entries(value.zset)) await client.zAdd(key, { value: id, score });
  };

  type Stored = string | { list: string } | { hash: Record<string, string> } | { zset: Record<string, number> };

  describe('in place of a cached value', () => {
    const aged = (value: unknown) => ({ value: { value, fetchedAt: Date.now() } });
    const item = (sku: string) => ({ sku, quantity: 666, isInStock: true });
    const GARBAGE: readonly (readonly [name: string, value: (text: string) => Stored])[] = [
      ['nothing', () => ''],
      ['text', () => 'hello'],
      ['half of the value', (text) => text.slice(0, text.length / 2)],
      ['the value with another digit', (text) => text.replace(/\d(?=\D*$)/, (digit) => String(9 - Number(digit)))],
      ['null', () => 'null'],
      ['true', () => 'true'],
      ['a list', () => '[]'],
      ['an empty object', () => '{}'],
      ['a forgery without a signature', () => JSON.stringify(aged(item('OABR-S')))],
      ['a forgery with a wrong signature', () => JSON.stringify({ mac: 'A'.repeat(43), ...aged(item('OABR-S')) })],
      [
        'the format of an earlier version',
        () => JSON.stringify({ ...aged(item('OABR-S')), expires: Date.now() + HOUR }),
      ],
      ['a prototype', () => '{"mac":"x","__proto__":{"value":1},"value":{"value":1,"askedAt":9e15}}'],
      ['three million bytes', () => 'x'.repeat(3_000_000)],
      ['ten thousand brackets', () => '['.repeat(10_000)],
      ['a value of another type', () => ({ list: 'x' })],
      ['a hash', () => ({ hash: { value: '1' } })],
    ];

    test.each(GARBAGE)('%s: then it is fetched again and cached', async (_, garbage) => {
      await start();
      const before = await stock();
      await expect.poll(() => keysOf(':value ')).not.toEqual([]);
      const [key = ''] = await keysOf(':value ');
      await put(key, garbage((await client.get(key)) ?? ''));
      expect(await stock()).toEqual(before);
      await expect.poll(() => reads().length).toBe(2);
      await expect.poll(() => client.get(key).catch(() => undefined)).toContain('"quantity":');
      expect(await stock()).toEqual(before);
      expect(reads()).toHaveLength(2);
    });

    test('the values of two keys swapped: then both are fetched again', async () => {
      await start();
      await stock();
      await stack.ask('{ product(sku: "OABR-M") { stock { quantity } } }');
      await expect.poll(async () => (await keysOf(':value ')).length).toBe(2);
      const [one = '', other = ''] = (await keysOf(':value ')).sort();
      const [small, medium] = [await client.get(other), await client.get(one)];
      await client.set(one, small ?? '');
      await client.set(other, medium ?? '');
      const before = await stock();
      expect(before).not.toEqual((await stack.ask('{ product(sku: "OABR-M") { stock { quantity } } }')).data);
      expect(reads()).toHaveLength(4);
    });

    test.each(GARBAGE)(
      '%s in place of an invalidation: then earlier values are not used, and later ones are cached',
      async (_, garbage) => {
        await start();
        await stock();
        await expect.poll(() => keysOf(':value ')).not.toEqual([]);
        const [kept = ''] = await keysOf(':value ');
        const before = (await client.get(kept)) ?? '';
        const quantity = nextQuantity();
        await stack.ask(setStock(quantity));
        const [mark = ''] = await keysOf(':mark:');
        const broken = garbage((await client.get(mark)) ?? '');
        await put(mark, broken);
        await client.set(kept, before);
        expect(await stock()).toEqual(stockIs(quantity));
        await isKept(stack);
        expect(await stock()).toEqual(stockIs(quantity));
      },
    );
  });

  /** Waits until the query is served from the cache. */
  const isKept = (...gateways: Pick<Stack, 'ask'>[]) =>
    expect
      .poll(async () => {
        const before = reads().length;
        for (const gateway of gateways) await stock(gateway);
        return reads().length - before;
      })
      .toBe(0);

  describe('in place of the state of a rate limit', () => {
    const future = (ms: number) => String(Date.now() + ms);
    const STATES: readonly (readonly [name: string, state: () => Record<string, string>])[] = [
      ['a pause of 33 years', () => ({ pausedUntil: future(33 * 365 * 24 * HOUR) })],
      ['an infinite pause', () => ({ pausedUntil: 'inf' })],
      ['a pause that is not a number', () => ({ pausedUntil: 'nan' })],
      ['text for a pause', () => ({ pausedUntil: 'tomorrow' })],
      ['no calls', () => ({ calls: '0' })],
      ['a negative number of calls', () => ({ calls: '-5' })],
      ['a number of calls that is not a number', () => ({ calls: 'nan' })],
      ['an infinite number of calls', () => ({ calls: 'inf' })],
      ['a call in the far future', () => ({ lastTakenAt: future(HOUR * 24 * 365) })],
      ['a call at a time that is not a number', () => ({ lastTakenAt: 'nan' })],
      ['a call at infinity', () => ({ lastTakenAt: 'inf' })],
    ];
    const ENV = { CACHE_MAX_MIB: '0', STRIPE_QUOTA: 'account=4/1', REQUEST_TIMEOUT_MS: '3000' };
    const ask = async (index: number) =>
      (await stack.ask(`{ payment(id: "${payments[index]}") { id } }`)).errors?.map(({ extensions }) => extensions);
    const stateKey = async () => (await keysOf(':state'))[0] ?? '';

    const expectLimited = async (_: string, state: () => Record<string, string>): Promise<void> => {
      await start(ENV);
      expect(await ask(0)).toBeUndefined();
      await expect.poll(stateKey).not.toBe('');
      await client.hSet(await stateKey(), state());
      for (const index of [1, 2, 3, 4, 5]) expect(await ask(index)).toBeUndefined();
      const times = stack.stripe.calls.map(({ at }) => at);
      for (const [index, at] of times.entries()) {
        const fifth = times[index + 4];
        if (fifth !== undefined) expect(fifth - at).toBeGreaterThan(950);
      }
    };
    const name = '%s: then calls continue within the rate limit';
    test.each(STATES.slice(0, 4))(name, expectLimited);
    test.each(STATES.slice(4))(name, { tags: ['long'] }, expectLimited);

    test.each<readonly [name: string, places: Stored]>([
      ['text', 'hello'],
      ['a list', { list: 'x' }],
      [
        'slots that never become free',
        { zset: Object.fromEntries([1, 2, 3, 4, 5].map((id) => [id, Number.POSITIVE_INFINITY])) },
      ],
      [
        'slots that become free in the far future',
        { zset: Object.fromEntries([1, 2, 3, 4, 5].map((id) => [id, 1e14])) },
      ],
    ])('%s in place of its slots: then calls continue', async (_, places) => {
      await start(ENV);
      expect(await ask(0)).toBeUndefined();
      await expect.poll(stateKey).not.toBe('');
      await put((await stateKey()).replace(':state', ''), places);
      for (const index of [1, 2, 3, 4, 5]) expect(await ask(index)).toBeUndefined();
      await put(await stateKey(), places);
      expect(await ask(6)).toBeUndefined();
    });

    test('entries from before Redis’s clock was set back: then calls continue after their window', async () => {
      await start({ ...ENV, STRIPE_QUOTA: 'account=4/2', REQUEST_TIMEOUT_MS: '6000' });
      for (const index of [0, 1, 2]) expect(await ask(index)).toBeUndefined();
      const key = await stateKey();
      const places = key.replace(':state', '');
      // As if everything had been written by a clock one hour ahead.
      await expect
        .poll(async () =>
          (await client.zRangeWithScores(places, 0, -1)).every(({ score }) => score < Date.now() + 5_000),
        )
        .toBe(true);
      for (const { value, score } of await client.zRangeWithScores(places, 0, -1)) {
        await client.zAdd(places, { value, score: score + HOUR });
      }
      const state = await client.hGetAll(key);
      await client.hSet(key, {
        lastTakenAt: String(Number(state['lastTakenAt']) + HOUR),
        pausedUntil: String(Date.now() + HOUR - 1),
      });
      for (const index of [3, 4, 5, 6]) expect(await ask(index)).toBeUndefined();
    });
  });

  describe('in place of a persisted query', () => {
    const QUERY = '{ product(sku: "OABR-S") { sku } }';
    const sha256Hash = createHash('sha256').update(QUERY).digest('hex');
    const post = async (body: object) =>
      (
        await fetch(`${stack.url}/graphql`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ ...body, extensions: { persistedQuery: { version: 1, sha256Hash } } }),
        })
      ).json() as Promise<{ data?: unknown; errors?: { extensions: unknown }[] }>;

    test.each<readonly [name: string, value: Stored]>([
      ['another query', '{ product(sku: "OABR-M") { sku } }'],
      ['the format of an earlier version', JSON.stringify({ value: QUERY })],
      ['nothing', ''],
      ['three million bytes', '#'.repeat(3_000_000)],
      ['a value of another type', { list: QUERY }],
    ])('%s: then its text is requested and stored again', async (_, value) => {
      await start();
      expect((await post({ query: QUERY })).data).toEqual({ product: { sku: 'OABR-S' } });
      await expect.poll(() => keysOf(sha256Hash)).not.toEqual([]);
      const [key = ''] = await keysOf(sha256Hash);
      expect(await client.ttl(key)).toBeGreaterThan(0);
      await put(key, value);
      expect((await post({})).errors?.[0]?.extensions).toMatchObject({ code: 'PERSISTED_QUERY_NOT_FOUND' });
      expect((await post({ query: QUERY })).data).toEqual({ product: { sku: 'OABR-S' } });
      await expect.poll(async () => (await post({})).data).toEqual({ product: { sku: 'OABR-S' } });
    });
  });

  describe('given replicas whose wall clocks differ', () => {
    let process: Spawned;
    let other: Pick<Stack, 'ask'>;
    beforeAll(async () => {
      stepClock(0);
      await start({ CACHE_MAX_MIB: '15' });
      process = startProcess(['node', 'gateway/main.ts'], {
        PORT: '0',
        LOG_LEVEL: 'silent',
        REDIS_URL: url,
        REDIS_TIMEOUT_MS: '20000',
        OPENMAGE_CACHE: 'stock=600/600/3600',
        ...sandboxEnvironment('openmage', stack.openmage),
      });
      await vi.waitFor(() => expect(process.output()).toMatch(/answers at \S+/), 120_000);
      const otherUrl = new URL(/answers at (\S+)/.exec(process.output())?.[1] ?? '');
      await isUp({ url: otherUrl.origin });
      other = { ask: createAsk(otherUrl.href) };
    });
    afterAll(() => process.stop());

    test.each([
      ['an hour behind', -HOUR],
      ['an hour ahead', HOUR],
    ])('by being %s, then each sees the other’s writes and caches its reads', async (_, ms) => {
      await start({ CACHE_MAX_MIB: '15' });
      stepClock(ms);
      for (const [reader, writer] of [
        [other, stack],
        [stack, other],
      ] as const) {
        await stock(reader);
        const quantity = nextQuantity();
        await writer.ask(setStock(quantity));
        await expect.poll(() => stock(reader)).toEqual(stockIs(quantity));
        await isKept(stack, other);
        expect(await stock(reader)).toEqual(stockIs(quantity));
      }
    });
  });

  test('given Redis’s clock is set back, then the cache is cleared and used again', async () => {
    advanceClock(0);
    await start({ CACHE_MAX_MIB: '14' });
    await stock();
    await expect.poll(() => keysOf(':value ')).not.toEqual([]);
    // Time passes in this process, but not in Redis.
    advanceClock(HOUR);
    await expect.poll(() => keysOf(':value ')).toEqual([]);
    await isUp(stack);
    // The other gateways of these tests see the same clock and clear the cache too, at other times.
    await isKept(stack);
    expect(await keysOf(':value ')).not.toEqual([]);
  });

  test('given a full Redis, then no client receives a value from before a write', async () => {
    await start();
    const other = await startAnother();
    await stock();
    await stock(other);
    const quantity = nextQuantity();
    await client.configSet('maxmemory', '1');
    try {
      expect((await stack.ask(setStock(quantity))).errors).toBeUndefined();
      expect(await stock()).toEqual(stockIs(quantity));
    } finally {
      await client.configSet('maxmemory', '0');
    }
    await isUp(stack);
    expect(await stock(other)).toEqual(stockIs(quantity));
    expect(await stock()).toEqual(stockIs(quantity));
  });
});
