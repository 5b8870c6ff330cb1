import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import { type Spawned, startProcess } from '../helpers/processes.ts';
import { sandboxEnvironment } from '../helpers/sandboxes.ts';
import { codesOf, type Stack, startStack } from '../helpers/stack.ts';

const [failing = '', first = '', second = ''] = createCompany().products.map(({ sku }) => sku);

const OK = (sku: string) => ({ sku, stock: { quantity: expect.any(Number) } });

/* The same behavior with the inventory subgraph in process and over HTTP. */
describe.each(['in process', 'over HTTP'])('products with one that cannot be read, with inventory %s', (transport) => {
  let stack: Stack;
  let gateway: Pick<Stack, 'ask' | 'close'>;
  let remote: Spawned | undefined;

  beforeAll(async () => {
    stack = await startStack();
    gateway = stack;
    if (transport === 'over HTTP') {
      remote = startProcess(['node', 'subgraphs/main.ts'], {
        SUBGRAPHS: 'inventory',
        PORT: '0',
        LOG_LEVEL: 'silent',
        CACHE_MAX_MIB: '0',
        ...sandboxEnvironment('openmage', stack.openmage),
      });
      await vi.waitFor(() => expect(remote?.output()).toMatch(/inventory answers at/), 120_000);
      const url = /inventory answers at (\S+)/.exec(remote.output())?.[1] ?? '';
      gateway = await stack.startAnother({ INVENTORY_URL: url });
    }
  });
  afterEach(() => stack.reset());
  afterAll(async () => {
    if (gateway !== stack) await gateway.close();
    await stack.close();
    await remote?.stop();
  });

  test.each([
    ['first', [failing, first, second]],
    ['in the middle', [first, failing, second]],
    ['last', [first, second, failing]],
    ['first and again later', [failing, first, failing, second]],
  ])('given it is %s, then it is null at its index, and the others are returned', async (_, skus) => {
    stack.openmage.fail({
      on: 'catalogInventoryStockItemList',
      rewrite: (body) =>
        body.replace(new RegExp(`(<sku[^>]*>${failing}</sku>.*?<qty[^>]*>)[^<]*`, 's'), '$1unreadable'),
    });
    const { data, errors } = await gateway.ask(
      'query ($skus: [ID!]!) { products(skus: $skus) { sku stock { quantity } } }',
      { skus },
    );
    expect(data).toEqual({ products: skus.map((sku) => (sku === failing ? null : OK(sku))) });
    expect(errors?.map(({ path }) => path)).toEqual(
      skus.flatMap((sku, index) => (sku === failing ? [['products', index]] : [])),
    );
    expect(new Set(codesOf(errors)?.map(([code]) => code))).toEqual(new Set(['UPSTREAM_BAD_RESPONSE']));
  });
});
