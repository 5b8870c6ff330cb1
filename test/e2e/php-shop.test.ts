import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createWsdl } from '../../subgraphs/inventory/openmage/sandbox/wsdl.ts';
import { freePort, ROOT, type Spawned, startProcess } from '../helpers/processes.ts';
import { type Stack, startStack } from '../helpers/stack.ts';
import { hasTool } from '../helpers/tools.ts';

/*
 * The inventory subgraph against an independent SOAP server: PHP's, which real shops use. It serves the sandbox's WSDL,
 * and that of a real shop if REFERENCE_WSDL is set.
 */

const own = createWsdl('http://127.0.0.1/api/v2_soap/');
const reference = process.env['REFERENCE_WSDL'];
const wsdls: readonly (readonly [whose: string, wsdl: string])[] = [
  ['the sandbox’s', own],
  // The same interface under the older name.
  ['a Magento 1 shop’s', own.replaceAll('urn:OpenMage', 'urn:Magento')],
  ...(reference ? [['a real shop’s', readFileSync(reference, 'utf8')] as const] : []),
];

describe.skipIf(!hasTool('php with ext-soap')).each(wsdls)('a PHP shop that serves %s WSDL', (_, wsdl) => {
  const state = mkdtempSync(join(tmpdir(), 'shop-'));
  let php: Spawned;
  let stack: Stack;

  beforeAll(async () => {
    const file = join(state, 'shop.wsdl');
    writeFileSync(file, wsdl);
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/api/v2_soap/`;
    php = startProcess(['php', '-S', `127.0.0.1:${port}`, join(ROOT, 'test/helpers/php/shop.php')], {
      SHOP_WSDL: file,
      SHOP_STATE: state,
    });
    while (!(await fetch(`${url}?wsdl`).catch(() => undefined))?.ok) {
      if (php.process.exitCode !== null) throw new Error(php.output());
    }
    stack = await startStack({
      env: { OPENMAGE_WSDL_URL: `${url}?wsdl`, OPENMAGE_USERNAME: 'user', OPENMAGE_API_KEY: 'key' },
    });
  });
  afterAll(async () => {
    await stack?.close();
    await php?.stop();
    rmSync(state, { recursive: true });
  });

  const sessions = () => readdirSync(state).filter((name) => name.startsWith('session-'));

  test('returns products in the requested order, unknown ones as null, with any text in a SKU', async () => {
    const { data, errors } = await stack.ask(
      '{ products(skus: ["OABR-M", "NO-SUCH", "OABR-S", "Å & <1>"]) { sku stock { quantity inStock backorders } } }',
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      products: [
        { sku: 'OABR-M', stock: { quantity: 0, inStock: true, backorders: 3 } },
        null,
        { sku: 'OABR-S', stock: { quantity: 64, inStock: true, backorders: 0 } },
        { sku: 'Å & <1>', stock: { quantity: 0, inStock: false, backorders: 0 } },
      ],
    });
    expect(sessions()).toHaveLength(1);
  });

  test('given an unknown SKU, then null is returned', async () => {
    expect((await stack.ask('{ product(sku: "NO-SUCH") { sku } }')).data).toEqual({ product: null });
  });

  test('given an expired session, then one login serves all callers', async () => {
    for (const name of sessions()) rmSync(join(state, name));
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => stack.ask('{ product(sku: "OABR-S") { stock { quantity } } }')),
    );
    for (const { data } of answers) expect(data).toEqual({ product: { stock: { quantity: 64 } } });
    expect(sessions()).toHaveLength(1);
  });

  test('sets stock', async () => {
    const { data, errors } = await stack.ask(
      'mutation { setStock(input: { sku: "OABR-S", quantity: 12.5, inStock: true, backorderPolicy: NO }) { product { stock { quantity } } } }',
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({ setStock: { product: { stock: { quantity: 12.5 } } } });
  });

  const SET =
    'mutation ($sku: ID!, $quantity: Float!) { setStock(input: { sku: $sku, quantity: $quantity }) { product { sku } } }';
  const stockFiles = () => readdirSync(state).filter((name) => name.startsWith('qty-'));

  test.each(['NO-SUCH', '8', '8 OABR', '8.9', 'oabr-m', 'OABR-M '])(
    'given %j, which is not a SKU, then no stock is changed',
    async (sku) => {
      const before = stockFiles();
      const { errors } = await stack.ask(SET, { sku, quantity: 1 });
      expect(errors?.[0]?.extensions?.['code']).toBe('UPSTREAM_NOT_FOUND');
      expect(stockFiles()).toEqual(before);
    },
  );

  test.each([
    // The id of each equals another product's SKU, or its SKU resolves to another product's id.
    ['OABR-S', 7],
    ['7', 10],
    ['<![CDATA[8]]>', 11],
    [' 10% of_A, B ', 12],
    ['0008', 13],
  ])('given %j, then only the stock of that product is set', async (sku, id) => {
    for (const name of stockFiles()) rmSync(join(state, name));
    expect((await stack.ask(SET, { sku, quantity: 77 })).errors).toBeUndefined();
    expect(stockFiles()).toEqual([`qty-${id}`]);
    const { data } = await stack.ask('query ($sku: ID!) { product(sku: $sku) { sku stock { quantity } } }', { sku });
    expect(data).toEqual({ product: { sku, stock: { quantity: 77 } } });
  });

  test('given a wrong key, then the error is UPSTREAM_UNAUTHORIZED', async () => {
    const other = await startStack({
      env: {
        OPENMAGE_WSDL_URL: `http://127.0.0.1:${new URL(php.output().match(/http:\/\/[\d.:]+/)?.[0] ?? '').port}/api/v2_soap/?wsdl`,
        OPENMAGE_USERNAME: 'user',
        OPENMAGE_API_KEY: 'wrong',
      },
    });
    const { errors } = await other.ask('{ product(sku: "OABR-S") { sku } }');
    expect(errors?.[0]?.extensions?.['code']).toBe('UPSTREAM_UNAUTHORIZED');
    await other.close();
  });
});
