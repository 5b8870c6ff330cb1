import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import { type InventoryStack, startInventory } from '../helpers/inventory-paths.ts';
import { codesOf, operationsOf, startStack } from '../helpers/stack.ts';

/*
 * The product that a SKU resolves to, in a shop that treats an unknown SKU as an id and compares SKUs ignoring case,
 * accents and trailing spaces.
 */

const LIST = 'catalogInventoryStockItemList';
const UPDATE = 'catalogInventoryStockItemUpdate';

// The company's OABR-M has the id 1003, OABR-L 1004.
const ODD = [
  { id: '2001', sku: '1004', name: 'Its SKU is the id of OABR-L', quantity: 1 },
  { id: '2002', sku: 'A,B', name: 'One comma', quantity: 2 },
  { id: '2003', sku: 'A,B,C', name: 'Two commas', quantity: 3 },
  { id: '2004', sku: '100%_off', name: 'Wildcards', quantity: 4 },
  { id: '2005', sku: ' led and trailed ', name: 'Spaces', quantity: 5 },
  { id: '2006', sku: '01003', name: 'Leading zero', quantity: 6 },
  { id: '2007', sku: '<![CDATA[1003]]>', name: 'Looks like a CDATA section', quantity: 7 },
  { id: '2008', sku: '2009', name: 'Its SKU is the id of the next', quantity: 8 },
  { id: '2009', sku: '2008', name: 'Its SKU is the id of the one before', quantity: 9 },
  { id: '2010', sku: `'"><&amp; Å 日本`, name: 'Any text', quantity: 10 },
];
const ALL = [...createCompany().products.slice(0, 100), ...ODD].map(({ sku }) => sku);

const SET =
  'mutation ($sku: ID!, $quantity: Float!) { setStock(input: { sku: $sku, quantity: $quantity }) { product { sku name stock { quantity } } } }';
const STOCK = 'query ($skus: [ID!]!) { products(skus: $skus) { sku name stock { quantity } } }';

type Item = { sku: string; name: string | null; stock: { quantity: number } } | null;

const testSkus = (path: 'in process' | 'over HTTP'): void => {
  let stack: InventoryStack;
  beforeAll(async () => {
    stack = await startInventory(path, { openmage: { products: ODD } });
  });
  afterAll(() => stack.close());
  beforeEach(() => stack.openmage.reset());

  const read = async (skus: readonly string[]): Promise<Item[]> => {
    const { data, errors } = await stack.ask<{ products: Item[] }>(STOCK, { skus });
    expect(errors).toBeUndefined();
    return data?.products ?? [];
  };
  const updates = () => stack.openmage.calls.filter(({ operation }) => operation === UPDATE);

  test.each([
    ['an id', '1003'],
    ['an id with a suffix', '1003-X'],
    ['an id with decimals', '1003.7'],
    ['an id in another notation', '1.003e3'],
    ['an id after a space', ' 1003'],
    ['another case', 'oabr-m'],
    ['a trailing space', 'OABR-M '],
    ['an accent', 'ÓABR-M'],
    ['other spaces', 'led and trailed'],
    ['a part of a SKU with a comma', 'A'],
    ['a pattern', 'OABR-_'],
    ['a SKU in a CDATA section', '<![CDATA[OABR-M]]>'],
    ['an injected element', '<![CDATA[1]]></productId><productId><![CDATA[OABR-M]]>'],
  ])('setStock: given %s that is not a SKU, then nothing is changed', async (_, sku) => {
    const before = await read(ALL);
    const { data, errors } = await stack.ask(SET, { sku, quantity: 777 });
    expect(data).toEqual({ setStock: null });
    expect(codesOf(errors)).toEqual([['UPSTREAM_NOT_FOUND', undefined]]);
    expect(updates()).toEqual([]);
    expect(await read(ALL)).toEqual(before);
    expect(await read([sku])).toEqual([null]);
  });

  test.each([...ODD.map(({ sku }) => sku), 'OABR-S', 'OABR-M', 'OABR-L'])(
    'setStock: given %j, then only its stock is changed',
    async (sku) => {
      const before = await read(ALL);
      const quantity = 500 + ALL.indexOf(sku);
      const { data, errors } = await stack.ask(SET, { sku, quantity });
      expect(errors).toBeUndefined();
      const name = before.find((item) => item?.sku === sku)?.name;
      expect(data).toEqual({ setStock: { product: { sku, name, stock: { quantity } } } });
      expect(updates()).toHaveLength(1);
      const after = before.map((item) => (item?.sku === sku ? { ...item, stock: { quantity } } : item));
      expect(await read(ALL)).toEqual(after);
    },
  );

  test('setStock: given every identifier resolves to another product, then it is AMBIGUOUS', async () => {
    const rewrite = (body: string) => body.replace('<sku>OABR-S', '<sku>OABR-X');
    for (const key of ['1002', '1002'.padStart(256, '0')]) stack.openmage.fail({ on: LIST, key, rewrite });
    const { errors } = await stack.ask(SET, { sku: 'OABR-S', quantity: 1 });
    expect(codesOf(errors)).toEqual([['UPSTREAM_REJECTED', 'AMBIGUOUS']]);
    expect(updates()).toEqual([]);
  });

  test('setStock: given a stock list without product ids, then nothing is written', async () => {
    stack.openmage.fail({ on: LIST, rewrite: (body) => body.replace(/<product_id>\d+<\/product_id>/g, '') });
    const { errors } = await stack.ask(SET, { sku: 'OABR-S', quantity: 1 });
    expect(codesOf(errors)).toEqual([['UPSTREAM_BAD_RESPONSE', undefined]]);
    expect(updates()).toEqual([]);
  });

  test('reads: given ambiguous SKUs, then each has its own name and stock, in four calls', async () => {
    await stack.ask('{ product(sku: "OABR-S") { sku } }');
    stack.openmage.reset();
    const skus = ['oabr-m', ...ODD.map(({ sku }) => sku), '1003', 'OABR-S'];
    const items = await read(skus);
    expect(items.map((item) => item && [item.sku, item.name])).toEqual([
      null,
      ...ODD.map(({ sku, name }) => [sku, name]),
      null,
      ['OABR-S', 'Oak bracket, S'],
    ]);
    // Names of SKUs with commas are read by the product ids of their stock.
    expect(operationsOf(stack.openmage)).toEqual([LIST, LIST, 'catalogProductList', 'catalogProductList']);
  });

  test('reads: given the ids of SKUs with commas cannot be read, then the other names are returned', async () => {
    const [withComma, plain] = ['A,B', 'OABR-S'];
    stack.openmage.fail({ on: LIST, times: 1 });
    stack.openmage.fail({ on: LIST, body: '<Envelope/>' });
    const { data, errors } = await stack.ask<{ products: Item[] }>(
      'query ($skus: [ID!]!) { products(skus: $skus) { name } }',
      {
        skus: [withComma, plain],
      },
    );
    expect(data?.products).toEqual([{ name: null }, { name: 'Oak bracket, S' }]);
    expect(codesOf(errors)).toEqual([['UPSTREAM_BAD_RESPONSE', undefined]]);
  });

  test('reads: given an entry without a SKU, then only the missing product is an error', async () => {
    stack.openmage.fail({ on: LIST, rewrite: (body) => body.replace('<sku>OABR-L</sku>', '') });
    const { data, errors } = await stack.ask('{ products(skus: ["OABR-S", "OABR-M", "OABR-L"]) { sku } }');
    expect(data).toEqual({ products: [{ sku: 'OABR-S' }, { sku: 'OABR-M' }, null] });
    expect(errors?.map(({ path: at, extensions }) => [at, extensions?.['code']])).toEqual([
      [['products', 2], 'UPSTREAM_BAD_RESPONSE'],
    ]);
  });

  test.each(['\u0001', '\uFFFE', '\uD800'])(
    'reads: given %j, which XML cannot contain, then the input is rejected',
    async (char) => {
      const { errors } = await stack.ask('query ($sku: ID!) { product(sku: $sku) { sku } }', { sku: `X${char}` });
      expect(codesOf(errors)).toEqual([['BAD_USER_INPUT', undefined]]);
      expect(stack.openmage.calls).toEqual([]);
    },
  );
};

describe('in process', () => testSkus('in process'));

describe('over HTTP', { tags: ['long'] }, () => testSkus('over HTTP'));

test('given a write may have reached another product, then that product’s stock is read again', async () => {
  const stack = await startInventory('in process', { env: { CACHE_MAX_MIB: '16' } });
  const other = async () => (await stack.ask('{ product(sku: "OABR-M") { stock { quantity } } }')).data;
  const before = await other();
  const reads = () => stack.openmage.calls.filter(({ operation }) => operation === LIST).length;
  stack.openmage.reset();
  expect(await other()).toEqual(before);
  expect(reads()).toBe(0);
  // After the update, the SKU belongs to another product and the identifier resolves to OABR-M.
  stack.openmage.fail({ on: LIST, times: 2 });
  stack.openmage.fail({ on: LIST, key: 'OABR-S', rewrite: (body) => body.replace('1002', '1') });
  stack.openmage.fail({ on: LIST, key: '1002', rewrite: (body) => body.replace('OABR-S', 'OABR-M') });
  const { data, errors } = await stack.ask(SET, { sku: 'OABR-S', quantity: 3 });
  expect(data).toEqual({ setStock: null });
  expect(codesOf(errors)).toEqual([['UPSTREAM_OUTCOME_UNKNOWN', undefined]]);
  stack.openmage.reset();
  await other();
  expect(reads()).toBe(1);
  await stack.close();
});

test('given a concurrency of 1, then reading names of SKUs with commas is no deadlock', async () => {
  const stack = await startStack({ openmage: { products: ODD }, env: { OPENMAGE_CONCURRENCY: '1' } });
  for (const skus of [['A,B'], ['A,B,C', '1004']]) {
    const { data, errors } = await stack.ask<{ products: Item[] }>(STOCK, { skus });
    expect(errors).toBeUndefined();
    expect(data?.products.map((item) => item?.name)).toEqual(
      skus.map((sku) => ODD.find((product) => product.sku === sku)?.name),
    );
  }
  await stack.close();
});
