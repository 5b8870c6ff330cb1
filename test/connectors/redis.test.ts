import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { createClient } from '@keyv/redis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import { advanceClock, resetClock } from '../helpers/clock.ts';
import { freePort, type Spawned, startProcess } from '../helpers/processes.ts';
import { operationsOf, type Stack, type StackOptions, startStack } from '../helpers/stack.ts';
import { hasTool } from '../helpers/tools.ts';
import { busiest } from './conformance/harness.ts';

const company = createCompany();
const STOCK = '{ product(sku: "OABR-S") { stock { quantity } } }';
const setStock = (quantity: number) =>
  `mutation { setStock(input: { sku: "OABR-S", quantity: ${quantity} }) { product { stock { quantity } } } }`;
const stockIs = (quantity: number) => ({ product: { stock: { quantity } } });

describe.skipIf(!hasTool('redis-server'))('two gateways that share a Redis', () => {
  let port: number;
  let redis: Spawned;
  let one: Stack;
  let other: Awaited<ReturnType<Stack['startAnother']>>;

  const startRedis = () =>
    startProcess(['redis-server', '--port', String(port), '--save', '', '--appendonly', 'no'], {});
  const healthOf = async ({ url }: { url: string }) =>
    ((await (await fetch(`${url}/health/ready`)).json()) as { redis: string }).redis;
  const bothAre = async (state: string) => {
    for (const gateway of [one, other]) await expect.poll(() => healthOf(gateway)).toBe(state);
  };

  const start = async ({ env, ...options }: StackOptions = {}) => {
    one = await startStack({
      ...options,
      env: { REDIS_URL: `redis://127.0.0.1:${port}`, CACHE_MAX_MIB: '16', OPENMAGE_CACHE: 'stock=60/60/3600', ...env },
    });
    other = await one.startAnother();
    await bothAre('ok');
  };

  beforeEach(async () => {
    port = await freePort();
    redis = startRedis();
  });
  afterEach(async () => {
    await Promise.all([one.close(), other.close()]);
    redis.process.kill('SIGCONT');
    await redis.stop();
    resetClock();
  });

  test('given a value read by one, then the other does not fetch it', async () => {
    await start();
    const first = await one.ask(STOCK);
    one.reset();
    await expect.poll(async () => (await other.ask(STOCK)).data).toEqual(first.data);
    // It may have logged in, but not read.
    expect(operationsOf(one.openmage)).toEqual([]);
  });

  test('given a write by one, then the other fetches the value again', async () => {
    await start();
    await other.ask(STOCK);
    await one.ask(setStock(77));
    expect((await other.ask(STOCK)).data).toEqual(stockIs(77));
    expect((await one.ask(STOCK)).data).toEqual(stockIs(77));
  });

  test.each([
    ['a deal', 'updateDeal', '{ deal(id: "50001") { name } }', '{ id name }'],
    ['a list', 'updateDeal', '{ deals(first: 2) { edges { node { name } } } }', '{ id name }'],
  ])('given one writes while the other is reading %s, then the next read returns the new value', async (...args) => {
    const [, mutation, query] = args;
    await start();
    const gate = Promise.withResolvers<void>();
    one.hubspot.fail({ on: '/deals', times: 1, until: gate.promise });
    const early = other.ask(query);
    await expect.poll(() => one.hubspot.calls.length).toBe(1);
    const { errors } = await one.ask(`mutation { ${mutation}(input: { id: "50001", name: "After" }) { deal { id } } }`);
    expect(errors).toBeUndefined();
    const next = other.ask(query);
    // It does not join the request in flight.
    expect(JSON.stringify((await next).data)).toContain('"After"');
    gate.resolve();
    expect(JSON.stringify((await early).data)).not.toContain('"After"');
  });

  test('given cached payments, then their client secrets are not stored', async () => {
    await start();
    const [{ id } = { id: '' }] = company.accounts.flatMap((account) => account.payments);
    await one.ask(`{ payment(id: "${id}") { id } payments(first: 100) { edges { node { id } } } }`);
    const client = createClient({ url: `redis://127.0.0.1:${port}` });
    await client.connect();
    const keptOf = async () => {
      const keys = (await client.keys('*')).filter((key) => key.includes(':payments:') && key.includes(':value '));
      return Promise.all(keys.map((key) => client.get(key)));
    };
    await expect.poll(async () => (await keptOf()).length).toBe(2);
    const kept = (await keptOf()).join('\n');
    client.destroy();
    expect(kept).toContain(id);
    expect(kept).not.toMatch(/secret/i);
  });

  test('given another account in the same Redis, then the two share no cached values', async () => {
    await start();
    const elsewhere = await startStack({ env: { REDIS_URL: `redis://127.0.0.1:${port}`, CACHE_MAX_MIB: '16' } });
    await expect.poll(() => healthOf(elsewhere)).toBe('ok');
    await one.ask(setStock(78));
    await one.ask(STOCK);
    expect((await elsewhere.ask(STOCK)).data).not.toEqual(stockIs(78));
    expect(operationsOf(elsewhere.openmage)).toContain('catalogInventoryStockItemList');
    await elsewhere.close();
  });

  test('given 60 concurrent calls over both, then together they stay within the quota', async () => {
    const quota = { calls: 20, windowMs: 1_000 };
    await start({
      env: { CACHE_MAX_MIB: '0', STRIPE_QUOTA: 'account=20/1,endpoint=20/1' },
      stripe: { quota: { account: quota, endpoint: quota, search: quota } },
    });
    const ids = company.accounts.flatMap(({ payments }) => payments.map(({ id }) => id)).slice(0, 60);
    const answers = await Promise.all(
      ids.map((id, index) => (index % 2 === 0 ? one : other).ask(`{ payment(id: "${id}") { id } }`)),
    );
    expect(answers.flatMap(({ errors }) => errors ?? [])).toEqual([]);
    expect(one.stripe.calls.map(({ status }) => status)).not.toContain(429);
    expect(busiest(one.stripe.calls, 1_000)).toBeLessThanOrEqual(20);
  });

  test('given a 429 to one, then the other pauses too', async () => {
    advanceClock(0);
    await start({ env: { STRIPE_QUOTA: 'account=20/1,endpoint=20/1' } });
    one.stripe.fail({ status: 429, times: 1, headers: { 'retry-after': '60' } });
    await one.ask('{ payment(id: "pi_3x") { id } }');
    const { errors } = await other.ask('{ payment(id: "pi_3y") { id } }');
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'UPSTREAM_RATE_LIMITED' });
    expect(one.stripe.calls).toHaveLength(1);
  });

  test('given Redis crashes and restarts under load, then every request is answered', { tags: ['long'] }, async () => {
    await start();
    let isOver = false;
    let answered = 0;
    const failures: unknown[] = [];
    const client = async (gateway: Pick<Stack, 'ask'>, index: number) => {
      for (let round = 0; !isOver; round += 1) {
        const sku = company.products[(index * 37 + round) % company.products.length]?.sku ?? '';
        const { data, errors } = await gateway.ask<{ product: { sku: string } }>(`{ product(sku: "${sku}") { sku } }`);
        if (errors || data?.product.sku !== sku) failures.push(errors ?? data);
        answered += 1;
      }
    };
    const clients = Array.from({ length: 10 }, (_, index) => client(index % 2 === 0 ? one : other, index));
    const more = async (count: number) => {
      const goal = answered + count;
      await expect.poll(() => answered).toBeGreaterThan(goal);
    };
    await more(100);
    redis.process.kill('SIGKILL');
    await redis.ended;
    await bothAre('down');
    await more(100);
    redis = startRedis();
    await bothAre('ok');
    await more(100);
    isOver = true;
    await Promise.all(clients);
    expect(failures).toEqual([]);
  });

  test('given a blocked event loop, then a reply that arrived in time does not count as a timeout', async () => {
    let isArmed = false;
    // Forwards Redis's reply, then blocks this process until after the command's timeout.
    const relay = createServer((socket) => {
      const upstream = connect(port, '127.0.0.1');
      socket.on('error', () => {}).pipe(upstream.on('error', () => {}));
      upstream
        .on('close', () => socket.destroy())
        .on('data', (chunk) => {
          socket.write(chunk);
          if (!isArmed) return;
          isArmed = false;
          const end = performance.now() + 700;
          while (performance.now() < end);
        });
      socket.on('close', () => upstream.destroy());
    }).listen(0, '127.0.0.1');
    await once(relay, 'listening');
    await start({
      env: { REDIS_TIMEOUT_MS: '500', REDIS_URL: `redis://127.0.0.1:${(relay.address() as AddressInfo).port}` },
    });
    isArmed = true;
    await one.ask(STOCK);
    expect(isArmed).toBe(false);
    expect([await healthOf(one), await healthOf(other)]).toEqual(['ok', 'ok']);
    relay.close();
  });

  test('given a connection that starts with garbage and stays open, then it is replaced', async () => {
    let connections = 0;
    const relay = createServer((socket) => {
      connections += 1;
      if (connections === 1) return void socket.on('error', () => {}).write('HTTP/1.1 400 Bad Request\r\n\r\n');
      const upstream = connect(port, '127.0.0.1');
      socket.on('error', () => {}).on('close', () => upstream.destroy());
      upstream.on('error', () => {}).on('close', () => socket.destroy());
      socket.pipe(upstream).pipe(socket);
    }).listen(0, '127.0.0.1');
    await once(relay, 'listening');
    await start();
    const elsewhere = await startStack({
      env: { REDIS_URL: `redis://127.0.0.1:${(relay.address() as AddressInfo).port}`, CACHE_MAX_MIB: '16' },
    });
    await expect.poll(() => healthOf(elsewhere)).toBe('ok');
    expect(connections).toBeGreaterThan(1);
    await elsewhere.close();
    relay.close();
  });

  test('given a connection that breaks while clocks are compared, then it is replaced', async () => {
    let connections = 0;
    let comparisons = 0;
    const relay = createServer((socket) => {
      connections += 1;
      const isFirst = connections === 1;
      const upstream = connect(port, '127.0.0.1');
      socket.on('error', () => {}).on('close', () => upstream.destroy());
      upstream.on('error', () => {}).on('close', () => socket.destroy());
      upstream.pipe(socket);
      socket.on('data', (chunk) => {
        if (chunk.includes('TIME')) comparisons += 1;
        // The first comparison is part of connecting.
        if (isFirst && comparisons > 1) return void socket.write('garbage\r\n');
        upstream.write(chunk);
      });
    }).listen(0, '127.0.0.1');
    await once(relay, 'listening');
    await start();
    const elsewhere = await startStack({
      env: { REDIS_URL: `redis://127.0.0.1:${(relay.address() as AddressInfo).port}`, CACHE_MAX_MIB: '16' },
    });
    await expect.poll(() => connections).toBe(2);
    await expect.poll(() => healthOf(elsewhere)).toBe('ok');
    await elsewhere.close();
    relay.close();
  });

  test('given a Redis outage, then each caches in its own memory', async () => {
    await start();
    redis.process.kill('SIGKILL');
    await redis.ended;
    await bothAre('down');
    one.reset();
    await one.ask(STOCK);
    await one.ask(STOCK);
    expect(operationsOf(one.openmage).filter((operation) => operation !== 'login')).toHaveLength(1);
    await one.ask(setStock(81));
    expect((await one.ask(STOCK)).data).toEqual(stockIs(81));
  });

  test('given a write while Redis is unresponsive, then no client receives the old value afterwards', async () => {
    await start({ env: { REDIS_TIMEOUT_MS: '500' } });
    await one.ask(STOCK);
    redis.process.kill('SIGSTOP');
    expect((await one.ask(setStock(79))).data).toMatchObject({ setStock: stockIs(79) });
    expect(await healthOf(one)).toBe('down');
    redis.process.kill('SIGCONT');
    await bothAre('ok');
    // The value from before the write is still stored, but invalidated.
    expect((await other.ask(STOCK)).data).toEqual(stockIs(79));
  });
});
