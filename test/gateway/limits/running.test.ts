import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { connectRaw, postText } from '../../helpers/raw-socket.ts';
import { type Stack, startStack } from '../../helpers/stack.ts';

/* Limits on running requests: all large responses together, and the planning time of one request. */

const LARGE =
  '{ customers(first: 100) { edges { node { id email firstName lastName phone payments(first: 4) { edges { node { id } } } } } } }';

let stack: Stack;

/** Starts a gateway with a short request timeout. Plans the operation first: planning is slow on a busy machine. */
const startHasty = async (query: string) => {
  const hasty = await stack.startAnother({ REQUEST_TIMEOUT_MS: '4000' });
  await expect.poll(async () => (await hasty.ask(query)).errors).toBeUndefined();
  stack.reset();
  return hasty;
};

beforeAll(async () => {
  stack = await startStack({ env: { MAX_RUNNING_VALUES: '1000' } });
});
afterAll(() => stack.close());
afterEach(() => stack.reset());

test('given a large response in progress, then another large one waits for it, and a small one does not', async () => {
  stack.hubspot.fail({ on: 'GET /crm/objects/2026-09/contacts', delayMs: 300, times: 1 });
  const order: string[] = [];
  const note = async (name: string, query: string) => {
    const { errors } = await stack.ask(query);
    expect(errors).toBeUndefined();
    order.push(name);
  };
  const first = note('first', LARGE);
  await expect.poll(() => stack.hubspot.calls.length).toBe(1);
  await Promise.all([first, note('second', LARGE.replace('id email', 'email id')), note('small', '{ __typename }')]);
  expect(order).toEqual(['small', 'first', 'second']);
});

test('given a large response that never completes, then a waiting request can disconnect, and the next one is executed', async () => {
  const hasty = await startHasty(LARGE);
  stack.hubspot.fail({ on: 'GET /crm/objects/2026-09/contacts', hang: true, times: 1 });
  const first = hasty.ask(LARGE);
  await expect.poll(() => stack.hubspot.calls.length).toBe(1);
  const controller = new AbortController();
  const left = hasty.ask(LARGE, {}, { signal: controller.signal }).catch(() => 'left');
  controller.abort();
  expect(await left).toBe('left');
  expect((await first).errors?.[0]?.extensions?.['code']).toBe('UPSTREAM_TIMEOUT');
  expect((await hasty.ask('{ customers(first: 100) { edges { cursor } } }')).errors).toBeUndefined();
  await hasty.close();
});

test('given a large operation that times out while it waits for another, then it is rejected before it runs', async () => {
  const hasty = await startHasty(LARGE);
  const body = JSON.stringify({ query: LARGE.replace('id email', 'email id') });
  // It arrives before the running request that it waits for, so it times out first.
  const waiting = await connectRaw(hasty.url);
  waiting.write(postText('', { length: Buffer.byteLength(body), headers: 'expect: 100-continue\r\n' }));
  await waiting.until('100 Continue');
  stack.hubspot.fail({ on: 'GET /crm/objects/2026-09/contacts', hang: true, times: 1 });
  const running = hasty.ask(LARGE);
  await expect.poll(() => stack.hubspot.calls.length).toBe(1);
  waiting.write(body);
  await waiting.until('"code"');
  expect(waiting.received()).toMatch(/HTTP\/1\.1 503[\s\S]*"OVERLOADED"/);
  expect((await running).errors?.[0]?.extensions?.['code']).toBe('UPSTREAM_TIMEOUT');
  waiting.socket.destroy();
  await hasty.close();
});

test('given planning that exceeds the request timeout, then the request ends, and a later one is executed', async () => {
  const hasty = await stack.startAnother({ REQUEST_TIMEOUT_MS: '1', PLANNING_TIMEOUT_MS: '60000' });
  const fields = Array.from({ length: 300 }, (_, index) => `a${index}: email`).join(' ');
  const { status, errors } = await hasty.ask(`{ customer(id: "101") { ${fields} } }`);
  await hasty.close();
  expect([status, errors?.[0]?.extensions?.['code']]).toEqual([504, 'REQUEST_TIMEOUT']);
});
