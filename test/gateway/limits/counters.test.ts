import { createClient } from '@keyv/redis';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type Counter,
  type Counters,
  leftOf,
  type Taken,
  usedOf,
  waitFor,
} from '../../../gateway/cost/counters/counter.ts';
import { createMemoryCounters } from '../../../gateway/cost/counters/memory.ts';
import { createRedisCounters, createSharedCounters } from '../../../gateway/cost/counters/redis.ts';
import { createLog } from '../../../runtime/log.ts';
import { createRedis, type Redis } from '../../../runtime/redis.ts';
import { createRandom } from '../../../sandbox/random.ts';
import { freePort, type Spawned, startProcess } from '../../helpers/processes.ts';
import { hasTool } from '../../helpers/tools.ts';

/* Counters of clients: what they allow, and that Redis and memory count alike. */

const MINUTE = 60_000;
const DAY = 86_400_000;
const START = Date.UTC(2026, 5, 1);
const RESERVATION_MS = 30_000;

const sliding = (limit: number, periodMs = MINUTE): Counter => ({
  name: 'calls',
  key: `calls:${periodMs}`,
  periodMs,
  isSliding: true,
  limit,
});
const daily = (limit: number, subgraph = 'crm'): Counter => ({
  name: `day.${subgraph}`,
  key: `day.${subgraph}:${DAY}`,
  periodMs: DAY,
  isSliding: false,
  limit,
});

const usesOf = (counter: Counter, units: number) => [{ counter, units }];

describe('in memory', () => {
  let now = START;
  let counters: Counters;
  beforeEach(() => {
    now = START;
    counters = createMemoryCounters(() => now);
  });
  const take = async (counter: Counter, units: number, client = 'a'): Promise<Taken> =>
    (await counters.take(client, usesOf(counter, units))) as Taken;
  const left = async (counter: Counter): Promise<number> => {
    const [usage] = (await take(counter, 0)).usages;
    return usage ? leftOf(usage) : Number.NaN;
  };

  test('a sliding period allows the limit, then more as its use grows old', async () => {
    const counter = sliding(10);
    expect((await take(counter, 10)).isGranted).toBe(true);
    const { isGranted, usages } = await take(counter, 1);
    expect(isGranted).toBe(false);
    // The whole period, and a tenth of the next, in which nine of the ten still count.
    expect(waitFor(usages[0] as never, 1)).toBe(66_000);
    now += 65_999;
    expect((await take(counter, 1)).isGranted).toBe(false);
    now += 1;
    expect((await take(counter, 1)).isGranted).toBe(true);
    now += 2 * MINUTE;
    expect(await left(counter)).toBe(10);
  });

  test('a day ends at midnight, UTC', async () => {
    const counter = daily(5);
    now = START + DAY - 1_500;
    await take(counter, 5);
    const { isGranted, usages } = await take(counter, 1);
    expect([isGranted, waitFor(usages[0] as never, 1)]).toEqual([false, 1_500]);
    now += 1_500;
    expect(await left(counter)).toBe(5);
  });

  test('the announced wait is the shortest after which the units are granted', async () => {
    const random = createRandom(7);
    const pick = (end: number): number => random.int(0, end - 1);
    for (let round = 0; round < 300; round++) {
      const client = `client ${round}`;
      const counter = pick(2) ? sliding(1 + pick(20), 1_000 * (1 + pick(60))) : daily(1 + pick(20));
      for (let step = 0; step < 20; step++) {
        await take(counter, pick(3), client);
        now += pick(counter.periodMs / 4);
      }
      const units = 1 + pick(counter.limit);
      const probe = await take(counter, units, client);
      if (probe.isGranted) continue;
      const waitMs = waitFor(probe.usages[0] as never, units);
      now += waitMs - 1;
      expect((await take(counter, units, client)).isGranted).toBe(false);
      now += 1;
      expect((await take(counter, units, client)).isGranted).toBe(true);
    }
  });

  test('what does not fit the limit never fits', async () => {
    const { isGranted, usages } = await take(sliding(3), 4);
    expect([isGranted, waitFor(usages[0] as never, 4)]).toEqual([false, Number.POSITIVE_INFINITY]);
  });

  test('several counters are taken from together, or not at all', async () => {
    const [calls, day] = [sliding(10), daily(3)];
    const both = (units: number) =>
      counters.take('a', [
        { counter: calls, units },
        { counter: day, units },
      ]);
    expect((await both(4))?.isGranted).toBe(false);
    expect([await left(calls), await left(day)]).toEqual([10, 3]);
    expect((await both(3))?.isGranted).toBe(true);
    expect([await left(calls), await left(day)]).toEqual([7, 0]);
  });

  test('settling returns what was not used, and counts what was used beyond', async () => {
    const counter = sliding(10);
    (await take(counter, 6)).settle([2]);
    expect(await left(counter)).toBe(8);
    (await take(counter, 1)).settle([5]);
    expect(await left(counter)).toBe(3);
  });

  test('units are settled in the period in which they were taken', async () => {
    const counter = sliding(10);
    const taken = await take(counter, 10);
    now += 1.5 * MINUTE;
    expect(await left(counter)).toBe(5);
    taken.settle([0]);
    expect(await left(counter)).toBe(10);
  });

  test('clients count separately, and those that were seen last are kept', async () => {
    const counter = sliding(1);
    expect((await take(counter, 1, 'first')).isGranted).toBe(true);
    expect((await take(counter, 1, 'first')).isGranted).toBe(false);
    for (let index = 0; index < 20_000; index++) await take(counter, 1, `client ${index}`);
    expect((await take(counter, 1, 'client 19999')).isGranted).toBe(false);
    expect((await take(counter, 1, 'first')).isGranted).toBe(true);
  });

  test('the clock may be set back', async () => {
    const counter = sliding(10);
    now += MINUTE + 10;
    await take(counter, 10);
    now -= 20;
    expect((await take(counter, 1)).isGranted).toBe(false);
    now -= 10 * MINUTE;
    expect((await take(counter, 10)).isGranted).toBe(true);
  });

  test('in the long run, no client gets more than its limit for each period', async () => {
    const counter = sliding(60);
    const random = createRandom(1);
    let granted = 0;
    for (const end = START + 50 * MINUTE; now < end; now += random.int(200, 1_200))
      if ((await take(counter, 1)).isGranted) granted += 1;
    expect(granted).toBeLessThanOrEqual(51 * 60);
    expect(granted).toBeGreaterThan(49 * 60);
  });
});

describe.skipIf(!hasTool('redis-server'))('in Redis', () => {
  let server: Spawned;
  let redis: Redis;
  let client: ReturnType<typeof createClient>;
  let now = START;
  beforeAll(async () => {
    const port = await freePort();
    server = startProcess(['redis-server', '--port', String(port), '--save', '', '--appendonly', 'no'], {});
    const url = `redis://127.0.0.1:${port}`;
    redis = { ...createRedis({ url, timeoutMs: 20_000, log: createLog('silent') }), now: () => now };
    client = createClient({ url });
    client.on('error', () => {});
    await client.connect();
    await vi.waitFor(() => expect(redis.isUp()).toBe(true), 120_000);
  });
  afterAll(async () => {
    redis.close();
    client.destroy();
    await server.stop();
  });
  beforeEach(async () => {
    now = START;
    await client.flushAll();
  });

  const create = () => createRedisCounters({ redis, reservationMs: RESERVATION_MS });
  const take = async (counter: Counter, units: number, options = {}): Promise<Taken> =>
    (await create().take('a', usesOf(counter, units), options)) as Taken;
  const left = async (counter: Counter): Promise<number> => {
    const [usage] = (await take(counter, 0)).usages;
    return usage ? leftOf(usage) : Number.NaN;
  };

  test.each([1, 2, 3])('any history has the same results as in memory (%i)', async (seed) => {
    const random = createRandom(seed);
    const pick = (end: number): number => random.int(0, end - 1);
    const [inRedis, inMemory] = [create(), createMemoryCounters(() => now)];
    const counters = [sliding(20, 10_000), { ...sliding(30, 7_000), name: 'requests' }, daily(500), daily(300, 'pay')];
    const running: (readonly [Taken, Taken])[] = [];
    const seen = new Set<boolean>();
    for (let step = 0; step < 400; step++) {
      // Shorter than a reservation lives: memory has none that expire.
      now += pick(3) === 0 ? pick(4_000) : 0;
      const oldest = running.length > 4 || pick(4) === 0 ? running.shift() : undefined;
      if (oldest) {
        const used = counters.map(() => pick(6));
        for (const one of oldest) one.settle(used);
      }
      const uses = counters.map((counter) => ({ counter, units: pick(5) }));
      const options = { isReservation: true };
      const [shared, own] = [await inRedis.take('b', uses, options), await inMemory.take('b', uses, options)];
      expect([step, shared?.isGranted, shared?.usages]).toEqual([step, own?.isGranted, own?.usages]);
      seen.add(own?.isGranted ?? false);
      if (shared?.isGranted && own) running.push([shared, own]);
    }
    expect(seen.size).toBe(2);
  });

  test('processes share one limit exactly', async () => {
    const counter = sliding(500);
    const processes = [create(), create(), create()];
    const all = await Promise.all(
      Array.from({ length: 1_500 }, (_, index) => processes[index % 3]?.take('a', usesOf(counter, 1))),
    );
    expect(all.filter((taken) => taken?.isGranted)).toHaveLength(500);
  });

  test('the reservation of a process that has died expires, and only what was not settled returns', async () => {
    const counter = daily(10);
    const [lost, ended] = [
      await take(counter, 4, { isReservation: true }),
      await take(counter, 5, { isReservation: true }),
    ];
    expect([lost.isGranted, ended.isGranted, await left(counter)]).toEqual([true, true, 1]);
    ended.settle([3]);
    await expect.poll(() => left(counter)).toBe(3);
    now += RESERVATION_MS - 1;
    expect(await left(counter)).toBe(3);
    now += 1;
    expect(await left(counter)).toBe(7);
    // It was only slow.
    lost.settle([2]);
    await expect.poll(() => left(counter)).toBe(5);
  });

  test('an expired reservation returns to all of its counters, also if a request looks at some of them first', async () => {
    const [requests, calls, day] = [{ ...sliding(10), name: 'requests' }, sliding(10), daily(10)];
    const reserve = async (units: number): Promise<Taken> =>
      (await create().take('a', [...usesOf(calls, units), ...usesOf(day, units)], { isReservation: true })) as Taken;
    await reserve(4);
    now += RESERVATION_MS;
    await create().take('a', [...usesOf(requests, 1), ...usesOf(calls, 0)]);
    const { usages } = await reserve(1);
    expect(usages.map(leftOf)).toEqual([9, 9]);
  });

  test('reservations are kept for as long as the counts, so that they are returned however late', async () => {
    await take(daily(10), 4, { isReservation: true });
    const [key = ''] = await client.keys('*:reservations');
    expect(await client.pTTL(key)).toBeGreaterThan(2 * DAY);
  });

  test('given that Redis has lost everything, then a running operation counts what it has used', async () => {
    const counter = sliding(10);
    const taken = await take(counter, 8, { isReservation: true });
    await client.flushAll();
    taken.settle([3]);
    await expect.poll(() => left(counter)).toBe(7);
  });

  test('keys of a client share a slot, name nobody, and expire', async () => {
    const subject = 'jwt  ada@customers.example}{x';
    await create().take(subject, [...usesOf(sliding(5), 1), ...usesOf(daily(5), 1)], { isReservation: true });
    const keys = (await client.keys('*')).sort();
    expect(keys).toHaveLength(3);
    for (const key of keys) {
      expect(key).toMatch(/^tributary:limits:\{[\w-]{24}\}:[\w.:]+$/);
      expect(await client.pTTL(key)).toBeGreaterThan(0);
    }
    expect(new Set(keys.map((key) => /\{(.*)\}/.exec(key)?.[1])).size).toBe(1);
  });

  const index = String(START / MINUTE);
  test.each<readonly [name: string, fields: Record<string, string> | string, left: number]>([
    ['text', 'hello', 10],
    ['no fields', { other: '1' }, 10],
    ['empty fields', { index: '', current: '', previous: '' }, 10],
    ['words', { index, current: 'many', previous: '[object Object]' }, 10],
    ['a negative count', { index, current: '-5', previous: '-1e9' }, 10],
    ['a fraction', { index, current: '4.5', previous: '0' }, 10],
    ['not a number', { index, current: 'nan', previous: 'nan' }, 10],
    ['infinity', { index, current: 'inf', previous: '1e999' }, 10],
    ['too many digits', { index, current: '9'.repeat(400), previous: '0' }, 10],
    ['a period long ago', { index: '5', current: '10', previous: '10' }, 10],
    ['a period far ahead', { index: '9e14', current: '10', previous: '10' }, 10],
    ['counts of this product', { index, current: '4', previous: '0' }, 6],
  ])('foreign data instead of a count (%s) limits nobody', async (_, fields, expected) => {
    const counter = sliding(10);
    await take(counter, 1);
    const [key = ''] = await client.keys('*:calls:*');
    await client.del(key);
    if (typeof fields === 'string') await client.set(key, fields);
    else await client.hSet(key, fields);
    expect(await left(counter)).toBe(expected);
    expect((await take(counter, 1)).isGranted).toBe(true);
    expect(await left(counter)).toBe(expected - 1);
  });

  test.each([
    ['text', 'hello'],
    ['a member without parts', { member: '' }],
    [
      'a member with odd parts',
      { member: 'x calls=abc=1 calls=1 =1=1 other=1=1 calls=99999999999999999999=99999999999999999999' },
    ],
  ])('foreign data instead of reservations (%s) changes no count', async (_, value) => {
    const counter = sliding(10);
    await take(counter, 3, { isReservation: true });
    const [key = ''] = await client.keys('*:reservations');
    await client.del(key);
    if (typeof value === 'string') await client.set(key, value);
    else await client.zAdd(key, { value: value.member, score: 1 });
    expect(await left(counter)).toBe(7);
    expect((await take(counter, 1, { isReservation: true })).isGranted).toBe(true);
    expect(await left(counter)).toBe(6);
  });

  test.each([
    ['nothing'],
    [[1]],
    [[1, 2, 3]],
    [[1, START / MINUTE, -1, 0]],
    [[1, START / MINUTE, 0.5, 0]],
    [[1, 5, 0, 0]],
  ])('an answer that the script cannot give (%j) counts as none', async (answer) => {
    const odd: Redis = { ...redis, attempt: async () => answer as never };
    const options = { redis: odd, reservationMs: RESERVATION_MS };
    expect(await createRedisCounters(options).take('a', usesOf(sliding(1), 1))).toBeUndefined();
    const local = createSharedCounters({ ...options, withoutRedis: 'local' });
    expect((await local.take('a', usesOf(sliding(1), 1)))?.isGranted).toBe(true);
    expect((await local.take('a', usesOf(sliding(1), 1)))?.isGranted).toBe(false);
    const refusing = createSharedCounters({ ...options, withoutRedis: 'refuse' });
    expect(await refusing.take('a', usesOf(sliding(1), 1))).toBeUndefined();
  });

  test('the used units are those of both periods', async () => {
    const counter = sliding(10);
    await take(counter, 10);
    now += 1.25 * MINUTE;
    const [usage] = (await take(counter, 2)).usages;
    expect(usage && usedOf(usage)).toBe(9.5);
  });
});
