import { afterAll, beforeAll, expect, test } from 'vitest';
import { startOverHttp } from '../helpers/over-http.ts';
import { type Stack, startStack } from '../helpers/stack.ts';

/* A read after a write does not join a request that was sent before the write. */

const ENV = { CACHE_MAX_MIB: '16' };

let stack: Stack;
let overHttp: Pick<Stack, 'ask' | 'close'>;
beforeAll(async () => {
  stack = await startStack({ env: ENV });
  overHttp = await startOverHttp(stack, ENV);
});
afterAll(async () => {
  await overHttp?.close();
  await stack?.close();
});

test.each([
  ['in process', 'a customer', '{ customer(id: "103") { firstName } }'],
  ['in process', 'a list', '{ customers(first: 5) { edges { node { firstName } } } }'],
  ['over HTTP', 'a customer', '{ customer(id: "103") { firstName } }'],
  ['over HTTP', 'a list', '{ customers(first: 5) { edges { node { firstName } } } }'],
])(
  'with subgraphs %s, given %s is being read, when it is written, then the next read is up to date',
  async (place, what, query) => {
    const { ask } = place === 'in process' ? stack : overHttp;
    stack.reset();
    const gate = Promise.withResolvers<void>();
    stack.hubspot.fail({ on: '/contacts', times: 1, until: gate.promise });
    const early = ask(query, {}, { headers: { 'x-case': `${place} ${what}` } });
    await expect.poll(() => stack.hubspot.calls.length).toBeGreaterThan(0);
    const name = `After ${place} ${what}`;
    const write = 'mutation ($input: UpdateCustomerInput!) { updateCustomer(input: $input) { customer { id } } }';
    expect((await ask(write, { input: { id: '103', firstName: name } })).errors).toBeUndefined();
    expect(JSON.stringify((await ask(query)).data)).toContain(name);
    gate.resolve();
    expect(JSON.stringify((await early).data)).not.toContain(name);
  },
);
