import { expect, test } from 'vitest';
import { operationsOf, startStack } from '../helpers/stack.ts';

test('given an expired session and five concurrent requests, then one login serves all', async () => {
  let now = Date.now();
  const { ask, openmage, close } = await startStack({ openmage: { sessionLifetimeS: 3_600, now: () => now } });
  const ASK = '{ product(sku: "OABR-S") { sku } }';
  const logins = () => operationsOf(openmage).filter((operation) => operation === 'login').length;
  await ask(ASK);
  await ask(ASK);
  expect(logins()).toBe(1);
  now += 3_600_001;
  const answers = await Promise.all(Array.from({ length: 5 }, () => ask(ASK)));
  for (const { data } of answers) expect(data).toEqual({ product: { sku: 'OABR-S' } });
  expect(logins()).toBe(2);
  await close();
});

test('given the session expires when a write arrives, then it is carried out once', async () => {
  const updates = () => stack.openmage.calls.filter(({ operation }) => operation === 'catalogInventoryStockItemUpdate');
  let isStarted = false;
  const start = Date.now();
  // The session expires when the update arrives.
  const stack = await startStack({
    openmage: { now: () => (isStarted && updates().length > 0 ? start + 3_600_001 : start) },
  });
  isStarted = true;
  const { data, errors } = await stack.ask(
    'mutation { setStock(input: { sku: "OABR-S", quantity: 3 }) { product { stock { quantity } } } }',
  );
  expect(errors).toBeUndefined();
  expect(data).toEqual({ setStock: { product: { stock: { quantity: 3 } } } });
  expect(updates().map(({ status }) => status)).toEqual([500, 200]);
  await stack.close();
});
