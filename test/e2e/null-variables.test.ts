import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type InventoryStack, PATHS, startInventory } from '../helpers/inventory-paths.ts';

/* Null in a variable at a non-null position, which is valid because the variable or the argument has a default. */

describe.each(PATHS)('given a subgraph %s', (path) => {
  let stack: InventoryStack;
  beforeAll(async () => {
    stack = await startInventory(path);
  });
  afterAll(() => stack.close());
  beforeEach(() => stack.openmage.reset());

  test.each([
    [
      'for an item of a list',
      'query($b: ID = "x") { products(skus: ["ACME-1", $b]) { sku } }',
      { b: null },
      ['products'],
    ],
    [
      'for an argument with a default',
      'query($n: Int) { customers(first: $n) { edges { cursor } } }',
      { n: null },
      ['customers'],
    ],
    [
      'for an introspection argument',
      'query($n: String = "Query") { __type(name: $n) { name } }',
      { n: null },
      undefined,
    ],
    [
      'for @include',
      'query($a: Boolean = true) { product(sku: "X") @include(if: $a) { sku } }',
      { a: null },
      undefined,
    ],
    ['for @skip', 'query($a: Boolean = false) { product(sku: "X") @skip(if: $a) { sku } }', { a: null }, undefined],
  ])('when null is sent %s, then the error is BAD_USER_INPUT', async (_, query, variables, at) => {
    const { errors } = await stack.ask(query, variables);
    expect(errors?.map(({ extensions, path: where }) => [extensions?.['code'], where])).toEqual([
      ['BAD_USER_INPUT', at],
    ]);
  });
});
