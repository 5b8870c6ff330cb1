import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Stack, startStack } from '../helpers/stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ env: { CACHE_MAX_MIB: '1', HUBSPOT_CACHE: 'lists=600/600/600' } });
});
afterAll(() => stack.close());

/** Creates a query of two cached pages, of up to 20 kB each. */
const page = (size: number) =>
  stack.ask(`{ customers(first: ${size}) { edges { node { id } } } deals(first: ${size}) { edges { node { id } } } }`);

test('given more than the cache holds, then the least recently used entries are evicted', async () => {
  for (let size = 100; size > 20; size -= 1) await page(size);
  expect(stack.hubspot.calls).toHaveLength(160);
  stack.reset();
  await page(21);
  await page(22);
  expect(stack.hubspot.calls).toHaveLength(0);
  await page(100);
  expect(stack.hubspot.calls).toHaveLength(2);
});
