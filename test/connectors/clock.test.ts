import { afterEach, describe, expect, test } from 'vitest';
import { advanceClock, resetClock, stepClock, stopClock } from '../helpers/clock.ts';
import { type Spawned, startProcess } from '../helpers/processes.ts';
import { sandboxEnvironment } from '../helpers/sandboxes.ts';
import { operationsOf, type Stack, type StackOptions, startStack } from '../helpers/stack.ts';

/* The wall clock is set ahead or back while requests run, without time passing. */

const MINUTE = 60_000;
const HOUR = 3_600_000;
const customer = (id: number) => `{ customer(id: "${id}") { id } }`;
const STOCK = '{ product(sku: "OABR-S") { stock { quantity } } }';
const setStock = (quantity: number) =>
  `mutation { setStock(input: { sku: "OABR-S", quantity: ${quantity} }) { product { sku } } }`;

let stack: Stack;
let remote: Spawned | undefined;
const start = async (options: StackOptions) => {
  // From here on, both clocks are mocked.
  stepClock(0);
  stack = await startStack(options);
};
afterEach(async () => {
  await stack.close();
  await remote?.stop();
  remote = undefined;
  resetClock();
});

const codeOf = async (query: string) => (await stack.ask(query)).errors?.[0]?.extensions?.['code'];
const reads = () => operationsOf(stack.openmage).filter((operation) => operation === 'catalogInventoryStockItemList');

describe.each([
  ['back a minute', -MINUTE],
  ['back an hour', -HOUR],
  ['ahead a minute', MINUTE],
  ['ahead an hour', HOUR],
])('given the clock is set %s', (_, ms) => {
  test('then the window of a rate limit keeps its length', async () => {
    await start({ env: { HUBSPOT_QUOTA: 'account=3/30', REQUEST_TIMEOUT_MS: '20000' } });
    for (const id of [101, 102, 103]) expect(await codeOf(customer(id))).toBeUndefined();
    stepClock(ms);
    expect(await codeOf(customer(104))).toBe('UPSTREAM_RATE_LIMITED');
    advanceClock(30_000);
    expect(await codeOf(customer(104))).toBeUndefined();
  });

  test('then a pause lasts as long as the provider demands', async () => {
    await start({ env: { HUBSPOT_QUOTA: 'account=100/1' } });
    stack.hubspot.fail({ status: 429, times: 1, headers: { 'retry-after': '300' } });
    expect(await codeOf(customer(101))).toBe('UPSTREAM_RATE_LIMITED');
    stepClock(ms);
    expect(await codeOf(customer(101))).toBe('UPSTREAM_RATE_LIMITED');
    expect(stack.hubspot.calls).toHaveLength(1);
    advanceClock(300_000);
    expect(await codeOf(customer(101))).toBeUndefined();
  });

  test('then an open circuit is probed when it is due, and not before', async () => {
    await start({});
    stopClock();
    stack.hubspot.fail({ status: 500 });
    for (const id of [101, 102, 103]) await stack.ask(customer(id));
    expect(stack.hubspot.calls).toHaveLength(5);
    stepClock(ms);
    await stack.ask(customer(104));
    expect(stack.hubspot.calls).toHaveLength(5);
    stack.reset();
    advanceClock(5_000);
    expect(await codeOf(customer(104))).toBeUndefined();
  });

  test('then a queued request keeps its deadline', async () => {
    await start({ env: { HUBSPOT_QUOTA: 'account=2/2' } });
    for (const id of [101, 102]) await stack.ask(customer(id));
    const waiting = stack.ask(customer(103));
    await fetch(`${stack.url}/health/live`);
    stepClock(ms);
    // A new request makes the scheduler check its queue.
    const answers = await Promise.all([waiting, stack.ask(customer(104))]);
    expect(answers.flatMap(({ errors }) => errors ?? [])).toEqual([]);
  });

  test('then a value cached in memory keeps its max age', async () => {
    await start({
      env: { CACHE_MAX_MIB: '16', OPENMAGE_CACHE: 'stock=60/60/60' },
      openmage: { sessionLifetimeS: 1e9 },
    });
    await stack.ask(STOCK);
    stepClock(ms);
    await stack.ask(STOCK);
    expect(reads()).toHaveLength(1);
    advanceClock(61_000);
    await stack.ask(STOCK);
    expect(reads()).toHaveLength(2);
  });

  test('then a write invalidates earlier reads, and no later ones', async () => {
    await start({
      env: { CACHE_MAX_MIB: '16', OPENMAGE_CACHE: 'stock=600/600/600' },
      openmage: { sessionLifetimeS: 1e9 },
    });
    await stack.ask(STOCK);
    stepClock(ms);
    await stack.ask(setStock(77));
    for (const _ of ['fetched', 'cached']) {
      expect((await stack.ask(STOCK)).data).toEqual({ product: { stock: { quantity: 77 } } });
    }
    stepClock(-ms);
    await stack.ask(setStock(78));
    for (const _ of ['fetched', 'cached']) {
      expect((await stack.ask(STOCK)).data).toEqual({ product: { stock: { quantity: 78 } } });
    }
    // One read, and three for each write: two to find the product, and one to read it back.
    expect(reads()).toHaveLength(1 + 2 * 3);
  });

  test('then a token is renewed before it expires', async () => {
    const oauth = { clientId: 'app', clientSecret: 'app-secret', refreshToken: 'refresh-me' };
    await start({
      env: {
        HUBSPOT_ACCESS_TOKEN: '',
        HUBSPOT_CLIENT_ID: oauth.clientId,
        HUBSPOT_CLIENT_SECRET: oauth.clientSecret,
        HUBSPOT_REFRESH_TOKEN: oauth.refreshToken,
      },
      hubspot: { oauth, tokenLifetimeS: 86_400 },
    });
    const tokens = () => operationsOf(stack.hubspot).filter((operation) => operation.includes('token')).length;
    await stack.ask(customer(101));
    stepClock(ms);
    await stack.ask(customer(102));
    expect(tokens()).toBe(1);
    advanceClock(86_341_000);
    await stack.ask(customer(103));
    expect(tokens()).toBe(2);
  });

  test('then a subgraph over HTTP receives the remaining time', { tags: ['long'] }, async () => {
    await start({});
    remote = startProcess(['node', 'subgraphs/main.ts'], {
      SUBGRAPHS: 'payments',
      PORT: '0',
      LOG_LEVEL: 'silent',
      CACHE_MAX_MIB: '0',
      ...sandboxEnvironment('stripe', stack.stripe),
    });
    await expect.poll(() => remote?.output()).toMatch(/payments answers at \S+/);
    const PAYMENTS_URL = /payments answers at (\S+)/.exec(remote.output())?.[1] ?? '';
    const gateway = await stack.startAnother({ PAYMENTS_URL });
    stack.hubspot.fail({ delayMs: 500, times: 1 });
    const asked = gateway.ask('{ customer(id: "101") { payments(first: 1) { edges { node { id } } } } }');
    await expect.poll(() => stack.hubspot.calls.length).toBe(1);
    stepClock(ms);
    expect((await asked).errors).toBeUndefined();
    await gateway.close();
  });
});
