import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import { type EventStream, openEventStream, refusalOf } from '../helpers/event-stream.ts';
import { changeStock, stockRequests } from '../helpers/shop.ts';
import { type Stack, startStack } from '../helpers/stack.ts';
import { connectWebhooks, postHubSpot, postStripe, WEBHOOKS } from '../helpers/webhooks.ts';

/*
 * Each subscription of the graph, with each of its filters: an event that is wanted arrives, and one that is not does not.
 */

const company = createCompany();
const [ada, bjorn] = company.people;
const paymentsOf = (email: string | null | undefined) =>
  company.accounts.filter((account) => account.email === email).flatMap(({ payments }) => payments);
const [adasPayment] = paymentsOf(ada?.email);
const [bjornsPayment] = paymentsOf(bjorn?.email);

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ env: { ...WEBHOOKS, OPENMAGE_POLL_S: '1' } });
  connectWebhooks(stack, stack.url);
});
afterAll(() => stack?.close());

let eventNumber = 0;
const stripe = (type: string, object: object): Promise<unknown> => {
  eventNumber += 1;
  return postStripe(stack.url, {
    id: `evt_filter_${eventNumber}`,
    object: 'event',
    type,
    created: 1_796_000_000 + eventNumber,
    data: { object },
    request: { id: `req_${eventNumber}`, idempotency_key: null },
  });
};
const paymentChanged = (id: string | undefined) => stripe('payment_intent.succeeded', { object: 'payment_intent', id });
const hubspot = (subscriptionType: string, event: object): Promise<unknown> => {
  eventNumber += 1;
  return postHubSpot(stack.url, [
    { eventId: eventNumber, subscriptionType, occurredAt: 1_796_000_000_000 + eventNumber, ...event },
  ]);
};

const dataOf = (stream: EventStream): unknown[] => stream.results().map(({ data }) => data);

/** Subscribes, makes the events one after the other, and expects the results. The last event must be wanted. */
const expectResults = async (
  query: string,
  events: readonly (() => Promise<unknown>)[],
  expected: readonly unknown[],
): Promise<void> => {
  const stream = await openEventStream(stack.url, { query: `subscription { ${query} }` });
  expect(stream.status).toBe(200);
  for (const send of events) await send();
  await expect.poll(() => dataOf(stream)).toEqual(expected);
  stream.close();
};

test('payments: all, by id, by customer, and by status', async () => {
  const result = (id: string | undefined) => ({ paymentChanged: { id } });
  const events = [() => paymentChanged(adasPayment?.id), () => paymentChanged(bjornsPayment?.id)];
  const both = [result(adasPayment?.id), result(bjornsPayment?.id)];
  await expectResults('paymentChanged { id }', events, both);
  await expectResults(`paymentChanged(id: "${bjornsPayment?.id}") { id }`, events, both.slice(1));
  await expectResults(`paymentChanged(customerEmail: "${bjorn?.email?.toUpperCase()}") { id }`, events, both.slice(1));
  const { data } = await stack.ask<{ payments: { edges: { node: { id: string; status: string } }[] } }>(
    '{ payments(first: 100) { edges { node { id status } } } }',
  );
  const payments = (data?.payments.edges ?? []).map(({ node }) => node);
  const succeeded = payments.find(({ status }) => status === 'SUCCEEDED');
  const other = payments.find(({ status }) => status !== 'SUCCEEDED');
  await expectResults(
    'paymentChanged(status: SUCCEEDED) { id }',
    [() => paymentChanged(other?.id), () => paymentChanged(succeeded?.id)],
    [result(succeeded?.id)],
  );
});

test('refunds: with their payment, by payment and by customer', async () => {
  const refunded = company.accounts
    .flatMap(({ email, payments }) => payments.map((payment) => ({ email, payment })))
    .filter(({ payment }) => payment.refunds.length > 0);
  const [first, second] = refunded;
  expect(first?.email).not.toBe(second?.email);
  const created = (one: typeof first) =>
    stripe('refund.created', { object: 'refund', id: one?.payment.refunds[0]?.id, payment_intent: one?.payment.id });
  const result = (one: typeof first) => ({
    refundCreated: { id: one?.payment.refunds[0]?.id, paymentId: one?.payment.id },
  });
  const events = [() => created(first), () => created(second)];
  await expectResults('refundCreated { id paymentId }', events, [result(first), result(second)]);
  await expectResults(`refundCreated(paymentId: "${second?.payment.id}") { id paymentId }`, events, [result(second)]);
  await expectResults(`refundCreated(customerEmail: "${second?.email}") { id paymentId }`, events, [result(second)]);
  // The payment of a refund has changed, too.
  await expectResults(
    'paymentChanged { id }',
    [events[1] as () => Promise<unknown>],
    [{ paymentChanged: { id: second?.payment.id } }],
  );
});

test('customers: all, by id and by address, with fields of other subgraphs', async () => {
  const events = ['101', '102'].map(
    (objectId) => () =>
      hubspot('contact.propertyChange', { objectId: Number(objectId), propertyName: 'phone', propertyValue: '1' }),
  );
  const result = (id: string) => ({ customerChanged: { id } });
  await expectResults('customerChanged { id }', events, [result('101'), result('102')]);
  await expectResults('customerChanged(id: "102") { id }', events, [result('102')]);
  await expectResults(
    `customerChanged(email: "${bjorn?.email}") { id payments(first: 1) { edges { node { id } } } }`,
    events,
    [{ customerChanged: { id: '102', payments: { edges: [{ node: { id: expect.stringMatching(/^pi_/) } }] } } }],
  );
});

test('deals: all, by id, by customer and by status; an association changes both of its records', async () => {
  const { data } = await stack.ask<{
    deals: { edges: { node: { id: string; status: string; customers: { id: string }[] } }[] };
  }>('{ deals(first: 50) { edges { node { id status customers { id } } } } }');
  const deals = (data?.deals.edges ?? []).map(({ node }) => node);
  const won = deals.find(({ status }) => status === 'WON');
  const open = deals.find(({ status, customers }) => status === 'OPEN' && customers[0]?.id !== won?.customers[0]?.id);
  const changed = (id: string | undefined) => () =>
    hubspot('deal.propertyChange', { objectId: Number(id), propertyName: 'dealname', propertyValue: 'x' });
  const events = [changed(won?.id), changed(open?.id)];
  const result = (id: string | undefined) => ({ dealChanged: { id } });
  await expectResults('dealChanged { id }', events, [result(won?.id), result(open?.id)]);
  await expectResults(`dealChanged(id: "${open?.id}") { id }`, events, [result(open?.id)]);
  await expectResults(`dealChanged(customerId: "${open?.customers[0]?.id}") { id }`, events, [result(open?.id)]);
  await expectResults('dealChanged(status: OPEN) { id }', events, [result(open?.id)]);
  const associated = () =>
    hubspot('deal.associationChange', {
      associationType: 'DEAL_TO_CONTACT',
      fromObjectId: Number(open?.id),
      toObjectId: 101,
    });
  await expectResults('dealChanged { id }', [associated], [result(open?.id)]);
  await expectResults('customerChanged { id }', [associated], [{ customerChanged: { id: '101' } }]);
});

test('a deleted customer is not sent', async () => {
  await expectResults(
    'customerChanged { id }',
    [() => hubspot('contact.deletion', { objectId: 987_654 }), () => hubspot('contact.creation', { objectId: 103 })],
    [{ customerChanged: { id: '103' } }],
  );
});

test('an invalid filter is refused before the stream begins', async () => {
  const stream = await openEventStream(stack.url, {
    query: 'subscription { paymentChanged(id: "not an id!") { id } }',
  });
  expect(await refusalOf(stream)).toEqual({
    errors: [
      {
        message: expect.stringContaining('id: '),
        path: ['paymentChanged'],
        extensions: { code: 'BAD_USER_INPUT', argument: 'id', serviceName: 'payments' },
      },
    ],
  });
});

test('stock: all, and by SKUs', async () => {
  const [one = '', other = ''] = company.products.map(({ sku }) => sku);
  // All products are listed and compared once there is a subscriber to all.
  const all = await openEventStream(stack.url, { query: 'subscription { stockChanged { sku } }' });
  await expect
    .poll(() => stockRequests(stack.openmage).flat(), { timeout: 20_000 })
    .toEqual(expect.arrayContaining([one, other]));
  all.close();
  const events = [one, other].map((sku, index) => () => changeStock(stack.openmage, { [sku]: 10 + index }));
  const result = (sku: string, quantity: number) => ({ stockChanged: { sku, stock: { quantity } } });
  await expectResults(`stockChanged(skus: ["${other}", "NO-SUCH-SKU"]) { sku stock { quantity } }`, events, [
    result(other, 11),
  ]);
  const again = [one, other].map((sku, index) => () => changeStock(stack.openmage, { [sku]: 20 + index }));
  const stream = await openEventStream(stack.url, {
    query: 'subscription { stockChanged { sku stock { quantity } } }',
  });
  for (const change of again) await change();
  await expect
    .poll(() => dataOf(stream), { timeout: 20_000 })
    .toEqual(expect.arrayContaining([result(one, 20), result(other, 21)]));
  stream.close();
});

test('without webhooks and polling, a subscription is refused', async () => {
  const other = await stack.startAnother({ OPENMAGE_POLL_S: 'off' });
  onTestFinished(other.close);
  const stream = await openEventStream(other.url, { query: 'subscription { stockChanged { sku } }' });
  expect(await refusalOf(stream)).toMatchObject({
    errors: [{ extensions: { code: 'SUBSCRIPTIONS_UNAVAILABLE' } }],
  });
});
