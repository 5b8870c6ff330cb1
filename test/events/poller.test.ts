import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { openSqliteStore } from '../../events/inbox/sqlite.ts';
import { startGateway } from '../../gateway/start.ts';
import { createCompany } from '../../sandbox/company.ts';
import { createRandom } from '../../sandbox/random.ts';
import { environment, startOpenMageSandbox } from '../../subgraphs/inventory/openmage/sandbox/index.ts';
import { advanceClock, resetClock, stepClock, stopClock } from '../helpers/clock.ts';
import { type EventStream, openEventStream } from '../helpers/event-stream.ts';
import { freePort, startProcess } from '../helpers/processes.ts';
import { changeStock, stockRequests } from '../helpers/shop.ts';
import { createAsk, type Stack, type StackOptions, startStack } from '../helpers/stack.ts';

/* Changes of a shop, which reports none, are found by comparison: as a client sees them, and by what the shop is asked for. */

const SKUS = createCompany().products.map(({ sku }) => sku);
const [A = '', B = '', C = ''] = SKUS;

const POLLED = { OPENMAGE_POLL_S: '1', EVENTS_FILE: ':memory:' };
/** Polled once, at the start, and then not for as long as a test runs. */
const RARELY = { ...POLLED, OPENMAGE_POLL_S: '3600' };
const CACHED = { CACHE_MAX_MIB: '16', OPENMAGE_CACHE: 'stock=3600' };

let stack: Stack | undefined;
beforeEach(resetClock);
afterEach(async () => {
  await stack?.close();
  stack = undefined;
  resetClock();
});

const start = async (env: Record<string, string>, openmage: StackOptions['openmage'] = {}): Promise<Stack> => {
  stack = await startStack({ env, openmage });
  return stack;
};

const quantityOf = async ({ ask }: Pick<Stack, 'ask'>, sku: string): Promise<unknown> =>
  (await ask<{ product: { stock: { quantity: number } } }>(`{ product(sku: "${sku}") { stock { quantity } } }`)).data
    ?.product.stock.quantity;

const subscribe = async (url: string, args = ''): Promise<EventStream> => {
  const stream = await openEventStream(url, {
    query: `subscription { stockChanged${args} { sku stock { quantity } } }`,
  });
  expect(stream.status).toBe(200);
  onTestFinished(stream.close);
  return stream;
};

const messagesOf = (stream: EventStream): unknown[] =>
  stream.results().map(({ data }) => [data.stockChanged.sku, data.stockChanged.stock.quantity]);

/** Waits until a poll has compared these products. */
const compared = async ({ openmage }: Pick<Stack, 'openmage'>, skus: readonly string[]): Promise<void> => {
  const before = stockRequests(openmage).length;
  await expect
    .poll(() => stockRequests(openmage).slice(before).flat(), { timeout: 20_000 })
    .toEqual(expect.arrayContaining([...skus]));
};

const temporaryFile = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'events-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'events.sqlite');
};

test('given stock that is cached for an hour, when the shop changes it, then it is read again, and nothing else is', async () => {
  const gateway = await start({ ...POLLED, ...CACHED });
  await gateway.ask(`{ products(skus: ["${A}", "${B}"]) { stock { quantity } } }`);
  const unchanged = await quantityOf(gateway, B);
  await changeStock(gateway.openmage, { [A]: 4321, [C]: 1 });
  await expect.poll(() => quantityOf(gateway, A)).toBe(4321);
  expect(await quantityOf(gateway, B)).toBe(unchanged);
  // Nobody has read the third product.
  expect(new Set(stockRequests(gateway.openmage).flat())).toEqual(new Set([A, B]));
});

test('given 450 products, then each is compared once in a poll, in requests of at most 200', {
  tags: ['long'],
}, async () => {
  const gateway = await start(RARELY);
  const skus = SKUS.slice(0, 450);
  stopClock();
  const { data } = await gateway.ask('query ($skus: [ID!]!) { products(skus: $skus) { stock { quantity } } }', {
    skus,
  });
  expect(data).not.toBeNull();
  gateway.reset();
  const polled = () => stockRequests(gateway.openmage).slice(0, 3);
  await expect
    .poll(
      () => {
        // Once what was read is stored, this makes it due.
        if (polled().length === 0) advanceClock(3_600_000);
        return polled().map((keys) => keys.length);
      },
      { timeout: 20_000, interval: 500 },
    )
    .toEqual([200, 200, 50]);
  expect(new Set(polled().flat())).toEqual(new Set(skus));
});

test('given a write of our own, then subscribers hear of it without a poll', async () => {
  const gateway = await start({ ...RARELY, ...CACHED });
  const stream = await subscribe(gateway.url, `(skus: ["${A}"])`);
  await compared(gateway, [A]);
  gateway.reset();
  const { errors } = await gateway.ask(
    `mutation { setStock(input: { sku: "${A}", quantity: 17 }) { product { stock { quantity } } } }`,
  );
  expect(errors).toBeUndefined();
  await expect.poll(() => messagesOf(stream)).toEqual([[A, 17]]);
  // Two requests to find the product, one to read back what was set, and one for the event; one more if the read back took long.
  expect([4, 5]).toContain(stockRequests(gateway.openmage).length);
});

test('given a write whose result cannot be read, then subscribers hear of it once it can be', async () => {
  const gateway = await start(POLLED);
  const stream = await subscribe(gateway.url, `(skus: ["${A}"])`);
  await compared(gateway, [A]);
  const lists = stockRequests(gateway.openmage).length;
  gateway.openmage.fail({ on: 'catalogInventoryStockItemUpdate', drop: 'after' });
  await gateway.ask(`mutation { setStock(input: { sku: "${A}", quantity: 18 }) { product { sku } } }`);
  await expect.poll(() => messagesOf(stream).at(-1)).toEqual([A, 18]);
  expect(stockRequests(gateway.openmage).length).toBeGreaterThan(lists);
});

test('given a change that another client reads, then subscribers hear of it before the next poll', async () => {
  const gateway = await start(RARELY);
  const stream = await subscribe(gateway.url, `(skus: ["${A}", "NO-SUCH-SKU"])`);
  await compared(gateway, [A]);
  await changeStock(gateway.openmage, { [A]: 99 });
  expect(await quantityOf(gateway, A)).toBe(99);
  await expect.poll(() => messagesOf(stream)).toEqual([[A, 99]]);
});

test('given a subscriber to all products, then products are found that nobody has read, past a gap of ids', async () => {
  const far = { id: '9000', sku: 'FAR-1', name: 'Far', quantity: 3 };
  const gateway = await start(POLLED, { products: [far] });
  const stream = await subscribe(gateway.url);
  await compared(gateway, [A, far.sku]);
  await changeStock(gateway.openmage, { [A]: 5, [far.sku]: 6 });
  await expect
    .poll(() => messagesOf(stream), { timeout: 20_000 })
    .toEqual(
      expect.arrayContaining([
        [A, 5],
        [far.sku, 6],
      ]),
    );
  const pages = gateway.openmage.calls.filter(({ operation }) => operation === 'catalogProductList');
  // A range grows while it is empty.
  expect(pages.slice(0, 5).map(({ keys }) => keys)).toEqual([
    ['1', '500'],
    ['501', '2500'],
    ['2501', '3000'],
    ['3001', '5000'],
    ['5001', '13000'],
  ]);
});

test('given a product that the shop adds and deletes, then its subscribers hear of it', async () => {
  const gateway = await start(POLLED);
  const stream = await subscribe(gateway.url, `(skus: ["${A}"])`);
  await compared(gateway, [A]);
  gateway.openmage.fail({
    on: 'catalogInventoryStockItemList',
    rewrite: (body) => body.replace(/<result>.*<\/result>/s, '<result/>'),
  });
  await expect.poll(() => stream.results().map(({ data }) => data)).toEqual([{ stockChanged: null }]);
  gateway.reset();
  await expect.poll(() => stream.results()).toHaveLength(2);
  expect(stream.results()[1].data.stockChanged.sku).toBe(A);
});

test('given a shop that is down, then clients are told, and its changes are found when it is back', async () => {
  const gateway = await start({ ...POLLED, ...CACHED });
  const stream = await subscribe(gateway.url, `(skus: ["${A}"])`);
  await compared(gateway, [A]);
  gateway.openmage.fail({ status: 503 });
  await expect.poll(() => gateway.openmage.calls.filter(({ status }) => status === 503).length).toBeGreaterThan(2);
  gateway.reset();
  await changeStock(gateway.openmage, { [A]: 7 });
  // The circuit breaker has opened.
  await expect
    .poll(
      () => {
        advanceClock(30_000);
        return messagesOf(stream);
      },
      { timeout: 20_000 },
    )
    .toEqual([[A, 7]]);
});

test('given a shop that is slow for a poll, then no other replica polls it, and clients are served meanwhile', async () => {
  const file = temporaryFile();
  const gateway = await start({ ...POLLED, EVENTS_FILE: file });
  const other = await gateway.startAnother();
  onTestFinished(other.close);
  const stream = await subscribe(other.url, `(skus: ["${A}"])`);
  await compared(gateway, [A]);
  const slow = Promise.withResolvers<void>();
  const polls = () => stockRequests(gateway.openmage).filter((keys) => keys.includes(A)).length;
  const before = polls();
  gateway.openmage.fail({ on: 'catalogInventoryStockItemList', key: A, until: slow.promise });
  await expect.poll(polls).toBe(before + 1);
  expect(await quantityOf(gateway, B)).toEqual(expect.any(Number));
  await changeStock(gateway.openmage, { [A]: 8 });
  // The lease is renewed past its length.
  const store = new DatabaseSync(file, { readOnly: true });
  onTestFinished(() => store.close());
  const leasedUntil = () =>
    Number(store.prepare("SELECT leasedUntil FROM leases WHERE name LIKE 'poller %'").get()?.['leasedUntil']);
  const lease = leasedUntil();
  await expect.poll(leasedUntil, { timeout: 20_000 }).toBeGreaterThan(lease + 4_000);
  expect(polls()).toBe(before + 1);
  slow.resolve();
  await expect.poll(() => messagesOf(stream)).toEqual([[A, 8]]);
});

test('given clocks that are set back and ahead, then changes are found', { tags: ['long'] }, async () => {
  const gateway = await start({ ...POLLED, ...CACHED });
  const stream = await subscribe(gateway.url, `(skus: ["${A}"])`);
  await compared(gateway, [A]);
  const expected: unknown[] = [];
  for (const [index, hours] of [-3, 5, -1].entries()) {
    stepClock(hours * 3_600_000);
    await changeStock(gateway.openmage, { [A]: 100 + index });
    expected.push([A, 100 + index]);
    await expect.poll(() => messagesOf(stream)).toEqual(expected);
  }
});

test('given two replicas, then subscribers of both hear of a change once, and if one stops, the other polls', async () => {
  const shop = await start({ ...POLLED, ...CACHED, OPENMAGE_POLL_S: 'off', EVENTS_FILE: temporaryFile() });
  const first = await shop.startAnother({ OPENMAGE_POLL_S: '1' });
  const second = await shop.startAnother({ OPENMAGE_POLL_S: '1' });
  onTestFinished(second.close);
  try {
    const streams = await Promise.all([
      subscribe(first.url, `(skus: ["${A}"])`),
      subscribe(second.url, `(skus: ["${B}"])`),
      subscribe(second.url, `(skus: ["${A}", "${B}"])`),
    ]);
    // The one that polls asks for what both of them watch, in one request.
    await expect
      .poll(() => stockRequests(shop.openmage).at(-1)?.toSorted(), { timeout: 20_000 })
      .toEqual([A, B].toSorted());
    await changeStock(shop.openmage, { [A]: 11, [B]: 12 });
    const both = [
      [A, 11],
      [B, 12],
    ];
    await expect
      .poll(() => streams.map((stream) => messagesOf(stream).toSorted()))
      .toEqual([[[A, 11]], [[B, 12]], both.toSorted()]);
  } finally {
    await first.close();
  }
  const stream = await subscribe(second.url, `(skus: ["${A}"])`);
  await changeStock(shop.openmage, { [A]: 13 });
  await expect.poll(() => messagesOf(stream), { timeout: 20_000 }).toEqual([[A, 13]]);
});

test('given replicas that are killed at any moment, then every change has one event', { tags: ['long'] }, async () => {
  const random = createRandom(7);
  const openmage = await startOpenMageSandbox();
  onTestFinished(openmage.close);
  const file = temporaryFile();
  const env = { ...environment(openmage), ...POLLED, EVENTS_FILE: file, PORT: '0', LOG_LEVEL: 'silent' };
  const startReplica = async () => {
    const port = await freePort();
    const child = startProcess(['node', 'gateway/main.ts'], { ...env, PORT: String(port) });
    onTestFinished(() => void child.process.kill('SIGKILL'));
    await expect.poll(() => child.output(), { interval: 20, timeout: 120_000 }).toContain('Tributary answers');
    return { ...child, url: `http://127.0.0.1:${port}` };
  };
  const replicas = [await startReplica(), await startReplica()];
  const skus = SKUS.slice(0, 40);
  const { errors } = await createAsk(`${replicas[0]?.url}/graphql`)(
    'query ($skus: [ID!]!) { products(skus: $skus) { stock { quantity } } }',
    { skus },
  );
  expect(errors).toBeUndefined();
  await compared({ openmage }, skus);
  for (let round = 0; round < 5; round += 1) {
    const changed = skus.slice(8 * round, 8 * round + 8);
    for (const sku of changed) {
      await changeStock(openmage, { [sku]: 1_000 + round });
      await pause(random.int(0, 100));
    }
    // In turn, so that the one that polls is among them.
    const index = round % replicas.length;
    replicas[index]?.process.kill('SIGKILL');
    await replicas[index]?.ended;
    replicas[index] = await startReplica();
  }
  const store = openSqliteStore(file);
  onTestFinished(() => store.close());
  const objects = async () => (await store.effectsAfter(0, 1_000)).map(({ object }) => object).toSorted();
  await expect.poll(objects, { timeout: 120_000 }).toEqual(skus.map((sku) => `product ${sku}`).toSorted());
});

test('given a gateway with its own sandboxes, then a subscription to all stock works without configuration', async () => {
  const gateway = await startGateway({ PORT: '0', LOG_LEVEL: 'silent' });
  onTestFinished(gateway.close);
  const stream = await subscribe(gateway.url);
  const ask = createAsk(`${gateway.url}/graphql`);
  await ask(`mutation { setStock(input: { sku: "${A}", quantity: 17 }) { product { sku } } }`);
  await expect.poll(() => messagesOf(stream)).toEqual([[A, 17]]);
});

test('a setting that cannot work is refused at the start', async () => {
  const gateway = await start({});
  const refused = (env: Record<string, string>) => expect(gateway.startAnother(env)).rejects;
  await refused({ OPENMAGE_POLL_S: '0' }).toThrow(
    'OPENMAGE_POLL_S: must be off, or a number of seconds from 1 to 3600',
  );
  await refused({ OPENMAGE_POLL_S: '5', INVENTORY_URL: 'http://127.0.0.1:1/inventory' }).toThrow(
    'OPENMAGE_POLL_S: cannot be used with INVENTORY_URL',
  );
  await (await gateway.startAnother({ OPENMAGE_POLL_S: 'off' })).close();
});
