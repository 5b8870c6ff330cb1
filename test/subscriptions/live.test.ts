import { applyPatch } from 'rfc6902';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HUBSPOT_SANDBOX_TOKEN } from '../../subgraphs/crm/hubspot/sandbox/index.ts';
import { type EventStream, openEventStream, refusalOf } from '../helpers/event-stream.ts';
import { operationsOf, type Stack, startStack } from '../helpers/stack.ts';
import { connectWebhooks, postHubSpot, WEBHOOKS } from '../helpers/webhooks.ts';

/*
 * A live query sends its answer again when something that it was read from has changed: by a webhook, or by a mutation of this process.
 */

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ env: { ...WEBHOOKS, CACHE_MAX_MIB: '16', HUBSPOT_CACHE: 'contacts=3600', PLANS: '' } });
  connectWebhooks(stack, stack.url);
});
afterAll(() => stack?.close());

let number = 0;
const setPhone = async (phone: string, id = 101): Promise<void> => {
  const response = await fetch(`${stack.hubspot.url}/crm/objects/2026-09/contacts/${id}`, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${HUBSPOT_SANDBOX_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ properties: { phone } }),
  });
  expect(response.status).toBe(200);
};
/** An event without a change. */
const touch = async (objectId: number): Promise<void> => {
  number += 1;
  const event = { eventId: number, subscriptionType: 'contact.propertyChange', objectId, propertyName: 'phone' };
  await postHubSpot(stack.url, [{ ...event, propertyValue: 'x', occurredAt: 1_796_000_000_000 + number }]);
};

const live = (query: string, headers: Record<string, string> = {}): Promise<EventStream> =>
  openEventStream(stack.url, { query }, headers);

const QUERY = 'query @live { customer(id: "101") { firstName phone } }';

test('sends the answer, and again when it has changed', async () => {
  const stream = await live(QUERY);
  await expect.poll(() => stream.results().length).toBe(1);
  expect(stream.results()[0]).toEqual({
    data: { customer: { firstName: 'Ada', phone: expect.any(String) } },
    revision: 1,
  });
  await setPhone('+46 70 1');
  await expect
    .poll(() => stream.results().at(-1))
    .toEqual({
      data: { customer: { firstName: 'Ada', phone: '+46 70 1' } },
      revision: 2,
    });
  await stack.ask('mutation { updateCustomer(input: { id: "101", phone: "+46 70 2" }) { customer { id } } }');
  await expect.poll(() => stream.results().at(-1)?.data).toEqual({ customer: { firstName: 'Ada', phone: '+46 70 2' } });
  stream.close();
});

test('what has not changed is not sent, and what was not read is not asked for', async () => {
  const stream = await live(QUERY);
  await expect.poll(() => stream.results().length).toBe(1);
  stack.reset();
  await touch(102);
  await touch(101);
  // The same answer.
  await expect.poll(() => operationsOf(stack.hubspot).length).toBe(1);
  await setPhone('+46 70 3');
  await expect.poll(() => stream.results().at(-1)?.data.customer.phone).toBe('+46 70 3');
  expect(stream.results().at(-1)?.revision).toBe(2);
  stream.close();
});

test('with patches', async () => {
  const stream = await live('query @live(patch: true) { customers(first: 3) { edges { node { id phone } } } }');
  await expect.poll(() => stream.results().length).toBe(1);
  const [{ data }] = stream.results();
  await setPhone('+46 70 4', 102);
  await expect.poll(() => stream.results().length).toBe(2);
  const [, second] = stream.results();
  expect(second).toEqual({
    patch: [{ op: 'replace', path: '/customers/edges/1/node/phone', value: '+46 70 4' }],
    revision: 2,
  });
  applyPatch(data, second.patch);
  const { data: asked } = await stack.ask('{ customers(first: 3) { edges { node { id phone } } } }');
  expect(data).toEqual(asked);
  // Who comes later gets the whole.
  const other = await live('query @live(patch: true) { customers(first: 3) { edges { node { id phone } } } }');
  await expect.poll(() => other.results()[0]).toEqual({ data: asked, revision: 2 });
  stream.close();
  other.close();
});

test('equal live queries are executed once', async () => {
  const streams = await Promise.all(Array.from({ length: 20 }, () => live(QUERY)));
  for (const stream of streams) await expect.poll(() => stream.results().length).toBe(1);
  stack.reset();
  await setPhone('+46 70 5');
  for (const stream of streams) await expect.poll(() => stream.results().at(-1)?.data.customer.phone).toBe('+46 70 5');
  expect(operationsOf(stack.hubspot).filter((operation) => operation.includes('batch/read'))).toHaveLength(1);
  for (const stream of streams) stream.close();
});

test('an answer with errors is tried again, without any event', async () => {
  stack.hubspot.fail({ status: 500, times: 1_000 });
  const stream = await live('query @live { customer(id: "103") { firstName } }');
  await expect.poll(() => stream.results()[0]).toMatchObject({ data: { customer: null }, errors: [{}] });
  stack.reset();
  await expect.poll(() => stream.results().at(-1)).toMatchObject({ data: { customer: { firstName: 'Chloé' } } });
  stream.close();
});

test('without a stream, @live is ignored; where changes are not known, it is refused', async () => {
  expect(await stack.ask('query @live { customer(id: "101") { firstName } }')).toMatchObject({
    status: 200,
    data: { customer: { firstName: 'Ada' } },
  });
  const off = await live('query ($on: Boolean!) @live(if: $on) { customer(id: "101") { firstName } }');
  expect(await refusalOf(off)).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] });
  const refused = await live('query @live { product(sku: "OABR-S") { stock { quantity } } }');
  expect(await refusalOf(refused)).toMatchObject({
    errors: [{ extensions: { code: 'SUBSCRIPTIONS_UNAVAILABLE' } }],
  });
});
