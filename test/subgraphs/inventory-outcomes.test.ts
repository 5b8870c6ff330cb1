import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Fault } from '../../sandbox/faults.ts';
import { advanceClock, resetClock } from '../helpers/clock.ts';
import { type InventoryStack, PATHS, startInventory } from '../helpers/inventory-paths.ts';
import { codesOf } from '../helpers/stack.ts';

/* The result of setStock if something fails after the shop has accepted the update. */

const LIST = 'catalogInventoryStockItemList';
const UPDATE = 'catalogInventoryStockItemUpdate';
const SKU = 'OABR-S';
/** Number of reads before the update. */
const READS = 2;
const DAY_MS = 86_400_000;

const SET = `mutation ($quantity: Float!) {
  setStock(input: { sku: "${SKU}", quantity: $quantity }) { product { sku stock { quantity inStock } } }
}`;

const envelope = (body: string) =>
  `<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body>${body}</SOAP-ENV:Body></SOAP-ENV:Envelope>`;

/** Responses to a successful update that do not show its success. */
const LOST: readonly (readonly [name: string, fault: Fault])[] = [
  ['a lost connection', { drop: 'after' }],
  ['a truncated document', { rewrite: (body) => body.slice(0, body.length / 2) }],
  ['an empty body', { rewrite: () => '' }],
  ['an HTML page', { rewrite: () => '<html><h1>It works!</h1></html>' }],
  ['JSON', { rewrite: () => '{"result":1}' }],
  ['an empty message', { rewrite: () => envelope('') }],
  ['a message without a body', { rewrite: () => '<SOAP-ENV:Envelope/>' }],
  ['no result', { rewrite: (body) => body.replace('<result>1</result>', '') }],
  ['a result of 0', { rewrite: (body) => body.replace('>1<', '>0<') }],
  ['a result that is not a number', { rewrite: (body) => body.replace('>1<', '>yes<') }],
  ['another operation’s answer', { rewrite: (body) => body.replaceAll(UPDATE, 'login') }],
  ['an internal error', { rewrite: () => envelope('<SOAP-ENV:Fault><faultcode>1</faultcode></SOAP-ENV:Fault>') }],
  ['an unknown fault', { rewrite: () => envelope('<SOAP-ENV:Fault><faultcode>4711</faultcode></SOAP-ENV:Fault>') }],
  ['a document type', { rewrite: (body) => `<!DOCTYPE x>${body}` }],
  ['too many levels', { rewrite: () => envelope('<a>'.repeat(100) + '</a>'.repeat(100)) }],
  ['9 MiB', { bytes: 9 * 1024 * 1024 }],
];

/** Responses to the reads after the update from which the stock cannot be read. */
const UNREADABLE: readonly (readonly [name: string, fault: Fault])[] = [
  ['no connection', { drop: 'before' }],
  ['a lost response', { drop: 'after' }],
  ['503', { status: 503 }],
  ['500', { status: 500 }],
  ['429', { status: 429, headers: { 'retry-after': '60' } }],
  ['401', { status: 401 }],
  ['404', { status: 404 }],
  ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1:1/' } }],
  ['a truncated document', { rewrite: (body) => body.slice(0, body.length / 2) }],
  ['an HTML page', { body: '<html><h1>It works!</h1></html>' }],
  ['no list', { rewrite: () => envelope('') }],
  ['no quantity', { rewrite: (body) => body.replaceAll('qty>', 'quantity>') }],
  ['a quantity that is not a number', { rewrite: (body) => body.replace(/<qty>[^<]+/, '<qty>many') }],
  ['an entry without a SKU', { rewrite: (body) => body.replace(`<sku>${SKU}</sku>`, '') }],
  ['a fault', { status: 500, body: envelope('<SOAP-ENV:Fault><faultcode>6</faultcode></SOAP-ENV:Fault>') }],
];

/** Responses that suggest that the update reached another product. */
const CONTRADICTING: readonly (readonly [name: string, fault: Fault])[] = [
  ['no entry for the SKU', { rewrite: (body) => body.replace(/<result>.*<\/result>/s, '<result></result>') }],
  ['another SKU', { rewrite: (body) => body.replace(`<sku>${SKU}`, '<sku>OABR-X') }],
  ['another id', { rewrite: (body) => body.replace('<product_id>1002', '<product_id>1') }],
];

const testOutcomes = (path: (typeof PATHS)[number]): void => {
  let stack: InventoryStack;
  let quantity = 1_000;
  beforeAll(async () => {
    advanceClock(0);
    stack = await startInventory(path);
  });
  afterAll(async () => {
    await stack.close();
    resetClock();
  });
  beforeEach(async () => {
    stack.openmage.reset();
    // Resets circuits, rate limits and the retry budget.
    advanceClock(DAY_MS);
    await stack.ask('{ product(sku: "OABR-M") { sku } }');
    advanceClock(DAY_MS);
    quantity += 1;
  });

  const set = () => stack.ask<{ setStock: unknown }>(SET, { quantity });
  const updates = () => stack.openmage.calls.filter(({ operation }) => operation === UPDATE).length;
  const failReadsAfter = (fault: Fault) => {
    stack.openmage.fail({ on: LIST, times: READS });
    stack.openmage.fail({ on: LIST, ...fault });
  };
  /** Reads the shop's stock without faults. */
  const inShop = async () => {
    stack.openmage.reset();
    advanceClock(DAY_MS);
    const { data } = await stack.ask<{ product: { stock: { quantity: number } } }>(
      `{ product(sku: "${SKU}") { stock { quantity } } }`,
    );
    return data?.product.stock.quantity;
  };
  const done = () => ({ setStock: { product: { sku: SKU, stock: { quantity, inStock: true } } } });

  test.each(LOST)('the update: given %s, then its result is reconciled', async (_, fault) => {
    stack.openmage.fail({ on: UPDATE, ...fault });
    const { data, errors } = await set();
    expect(errors).toBeUndefined();
    expect(data).toEqual(done());
    expect(updates()).toBe(1);
  });

  test.each(LOST)('the update: given %s and failing reads, then the outcome is unknown', async (_, fault) => {
    stack.openmage.fail({ on: UPDATE, ...fault });
    failReadsAfter({ status: 503 });
    const { data, errors } = await set();
    expect(data).toEqual({ setStock: null });
    expect(codesOf(errors)).toEqual([['UPSTREAM_OUTCOME_UNKNOWN', undefined]]);
    expect(updates()).toBe(1);
    expect(await inShop()).toBe(quantity);
  });

  test.each(UNREADABLE)('reading back: given %s, then the product is returned without its stock', async (_, fault) => {
    failReadsAfter(fault);
    const { data, errors } = await set();
    expect(data).toEqual({ setStock: { product: { sku: SKU, stock: null } } });
    expect(errors?.map(({ path: at, extensions }) => [at, extensions?.['code']])).toEqual([
      [['setStock', 'product', 'stock'], 'UPSTREAM_OUTCOME_UNKNOWN'],
    ]);
    expect(updates()).toBe(1);
    expect(await inShop()).toBe(quantity);
  });

  test('reading back: given it fails and no stock is selected, then there is no error', async () => {
    failReadsAfter({ status: 503 });
    const { data, errors } = await stack.ask(SET.replace(/stock \{[^}]*\}/, ''), { quantity });
    expect(errors).toBeUndefined();
    expect(data).toEqual({ setStock: { product: { sku: SKU } } });
  });

  test.each([...UNREADABLE.filter(([name]) => !/^(429|40.|a redirect|a fault)/.test(name)), ...CONTRADICTING])(
    'reading back: given %s once, then the stock is returned',
    async (_, fault) => {
      failReadsAfter({ ...fault, times: 1 });
      const { data, errors } = await set();
      expect(errors).toBeUndefined();
      expect(data).toEqual(done());
    },
  );

  test.each(CONTRADICTING)('reading back: given %s, then the outcome is unknown', async (_, fault) => {
    failReadsAfter(fault);
    const { data, errors } = await set();
    expect(data).toEqual({ setStock: null });
    expect(codesOf(errors)).toEqual([['UPSTREAM_OUTCOME_UNKNOWN', undefined]]);
    expect(updates()).toBe(1);
  });

  test('given success is reported but nothing has changed, then the outcome is unknown', async () => {
    stack.openmage.fail({
      on: UPDATE,
      body: envelope(`<n:${UPDATE}ResponseParam xmlns:n="urn:OpenMage"><result>1</result></n:${UPDATE}ResponseParam>`),
    });
    const { data, errors } = await set();
    expect(data).toEqual({ setStock: null });
    expect(codesOf(errors)).toEqual([['UPSTREAM_OUTCOME_UNKNOWN', undefined]]);
  });

  test('given a sale in between, then the current stock is returned', async () => {
    failReadsAfter({ rewrite: (body) => body.replace(`<qty>${quantity}`, `<qty>${quantity - 1}`) });
    const { data, errors } = await set();
    expect(errors).toBeUndefined();
    expect(data).toEqual({ setStock: { product: { sku: SKU, stock: { quantity: quantity - 1, inStock: true } } } });
  });

  test.each([
    ['503', { status: 503 }, 'UPSTREAM_UNAVAILABLE'],
    ['an HTML page', { body: '<html/>' }, 'UPSTREAM_BAD_RESPONSE'],
  ] as const)('given %s before the update, then the error says that nothing was written', async (_, fault, code) => {
    for (const reads of [0, 1]) {
      stack.openmage.reset();
      advanceClock(DAY_MS);
      if (reads > 0) stack.openmage.fail({ on: LIST, times: reads });
      stack.openmage.fail({ on: LIST, ...fault });
      expect(codesOf((await set()).errors)).toEqual([[code, undefined]]);
      expect(updates()).toBe(0);
    }
  });

  test('given the shop rejects the update, then the error is passed on', async () => {
    for (const [fault, expected] of [
      ['101', ['UPSTREAM_NOT_FOUND', undefined]],
      ['102', ['UPSTREAM_REJECTED', 'INVALID_VALUE']],
    ] as const) {
      stack.openmage.reset();
      const body = envelope(`<SOAP-ENV:Fault><faultcode>${fault}</faultcode></SOAP-ENV:Fault>`);
      stack.openmage.fail({ on: UPDATE, status: 500, body });
      expect(codesOf((await set()).errors)).toEqual([expected]);
    }
  });
};

describe('in process', () => testOutcomes('in process'));

describe('over HTTP', { tags: ['long'] }, () => testOutcomes('over HTTP'));

describe.each(PATHS)('%s, with a shop that does not respond', (path) => {
  let stack: InventoryStack;
  beforeAll(async () => {
    stack = await startInventory(path, { env: { OPENMAGE_TIMEOUT_MS: '1500' } });
    await stack.ask('{ product(sku: "OABR-M") { sku } }');
  });
  afterAll(() => stack.close());

  test('to the update, then its result is reconciled; to reads after it, then there is no stock', async () => {
    stack.openmage.fail({ on: UPDATE, hang: true });
    const found = await stack.ask(SET, { quantity: 2_000 });
    expect(found.errors).toBeUndefined();
    expect(found.data).toMatchObject({ setStock: { product: { stock: { quantity: 2_000 } } } });
    stack.openmage.reset();
    stack.openmage.fail({ on: LIST, times: READS });
    stack.openmage.fail({ on: LIST, hang: true });
    const unread = await stack.ask(SET, { quantity: 2_001 });
    expect(unread.data).toEqual({ setStock: { product: { sku: SKU, stock: null } } });
    expect(codesOf(unread.errors)).toEqual([['UPSTREAM_OUTCOME_UNKNOWN', undefined]]);
  });
});

test('given a first read from a lagging replica, then it is neither returned nor cached', async () => {
  const stack = await startInventory('in process', { env: { CACHE_MAX_MIB: '16' } });
  const stock = `{ product(sku: "${SKU}") { stock { quantity } } }`;
  const before = (await stack.ask<{ product: { stock: { quantity: number } } }>(stock)).data?.product.stock.quantity;
  stack.openmage.fail({ on: LIST, times: READS });
  const rewrite = (body: string) => body.replace(/<qty>[^<]+/, `<qty>${before}`);
  stack.openmage.fail({ on: LIST, times: 1, rewrite });
  const { data, errors } = await stack.ask(SET, { quantity: 3_000 });
  expect(errors).toBeUndefined();
  expect(data).toMatchObject({ setStock: { product: { stock: { quantity: 3_000 } } } });
  stack.openmage.fail({ on: LIST, times: READS });
  stack.openmage.fail({ on: LIST, times: 2, rewrite: (body) => body.replace(/<qty>[^<]+/, '<qty>3000') });
  expect(codesOf((await stack.ask(SET, { quantity: 3_001 })).errors)).toEqual([
    ['UPSTREAM_OUTCOME_UNKNOWN', undefined],
  ]);
  expect((await stack.ask(stock)).data).toEqual({ product: { stock: { quantity: 3_001 } } });
  await stack.close();
});
