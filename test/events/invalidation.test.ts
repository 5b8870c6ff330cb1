import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import { HUBSPOT_SANDBOX_TOKEN } from '../../subgraphs/crm/hubspot/sandbox/index.ts';
import { subgraphs } from '../../subgraphs/index.ts';
import { STRIPE_SANDBOX_KEY } from '../../subgraphs/payments/stripe/sandbox/index.ts';
import { resetClock, stopClock } from '../helpers/clock.ts';
import { operationsOf, type Stack, startStack } from '../helpers/stack.ts';
import { acceptedBy, connectWebhooks, postHubSpot, postStripe, stripeEvent, WEBHOOKS } from '../helpers/webhooks.ts';

/*
 * Changes that somebody else makes at a provider. All fields and lists that show the changed object are cached for an hour; they
 * must show the new state within a second after the provider's webhook, and unrelated ones must stay cached.
 */

const company = createCompany();

const CACHED = {
  CACHE_MAX_MIB: '16',
  ...Object.fromEntries(
    subgraphs.map(({ provider: { envPrefix, cachePolicies } }) => [
      `${envPrefix}_CACHE`,
      Object.keys(cachePolicies)
        .map((name) => `${name}=3600`)
        .join(','),
    ]),
  ),
};

let stack: Stack;

beforeAll(async () => {
  stopClock();
  stack = await startStack({ env: { ...CACHED, ...WEBHOOKS } });
  connectWebhooks(stack, stack.url);
});
afterAll(async () => {
  resetClock();
  await stack?.close();
});
beforeEach(() => stack.reset());

const dataOf = async (query: string): Promise<unknown> => {
  const { data, errors } = await stack.ask(`{ ${query} }`);
  expect({ query, errors }).toEqual({ query, errors: undefined });
  return data;
};

const providerCalls = (): string[] => [stack.stripe, stack.hubspot].flatMap(operationsOf);

const hubspot = async (method: string, path: string, body?: unknown): Promise<unknown> => {
  const response = await fetch(`${stack.hubspot.url}/crm/objects/2026-09/${path}`, {
    method,
    headers: { authorization: `Bearer ${HUBSPOT_SANDBOX_TOKEN}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  expect(response.ok).toBe(true);
  return response.status === 204 ? undefined : response.json();
};

const stripe = async (path: string, params: Record<string, string>): Promise<void> => {
  const response = await fetch(`${stack.stripe.url}/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${STRIPE_SANDBOX_KEY}` },
    body: new URLSearchParams(params),
  });
  expect(response.ok).toBe(true);
};

type Change = {
  readonly change: () => Promise<unknown>;
  /** Root fields that show the change, with a text that their response then contains. */
  readonly shown: readonly (readonly [query: string, text: string])[];
  readonly unrelated: readonly string[];
};

const expectSeen = async ({ change, shown, unrelated }: Change): Promise<void> => {
  for (const [query, text] of shown) expect(JSON.stringify(await dataOf(query))).not.toContain(text);
  for (const query of unrelated) await dataOf(query);
  stack.reset();
  for (const query of [...shown.map(([one]) => one), ...unrelated]) await dataOf(query);
  expect(providerCalls()).toEqual([]);

  await change();

  for (const [query, text] of shown) await expect.poll(async () => JSON.stringify(await dataOf(query))).toContain(text);
  stack.reset();
  for (const query of unrelated) await dataOf(query);
  expect(providerCalls()).toEqual([]);
};

const [ada, bjorn] = company.people;
const EMAIL = ada?.email ?? '';

describe('HubSpot', () => {
  test('a changed contact is seen by id, by its old and its new address, and in lists', async () => {
    await expectSeen({
      change: () => hubspot('PATCH', 'contacts/101', { properties: { phone: '+46 70 111' } }),
      shown: [
        ['customer(id: "101") { phone }', '+46 70 111'],
        [`customer(email: "${EMAIL}") { phone }`, '+46 70 111'],
        ['customers(first: 3) { edges { node { phone } } }', '+46 70 111'],
      ],
      unrelated: [
        'customer(id: "103") { phone }',
        `customer(email: "${bjorn?.email}") { phone }`,
        'company(id: "9001") { name }',
        'deals(first: 3) { edges { node { id } } }',
        'payments(first: 3) { edges { node { id } } }',
      ],
    });
    await expectSeen({
      change: () => hubspot('PATCH', 'contacts/102', { properties: { email: 'bjorn.new@customers.example' } }),
      shown: [
        ['customer(email: "bjorn.new@customers.example") { id }', '102'],
        ['customer(id: "102") { email }', 'bjorn.new@'],
      ],
      unrelated: ['customer(id: "103") { phone }', `customer(email: "${EMAIL}") { phone }`],
    });
    expect(await dataOf(`customer(email: "${bjorn?.email}") { id }`)).toEqual({ customer: null });
  });

  test('a new contact is seen by its address, and its company and deals', async () => {
    await expectSeen({
      change: () =>
        hubspot('POST', 'contacts', {
          properties: { email: 'nadia.new@customers.example', firstname: 'Nadia' },
          associations: [
            { to: { id: '9001' }, types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 1 }] },
            { to: { id: '50001' }, types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 4 }] },
          ],
        }),
      shown: [
        ['customer(email: "nadia.new@customers.example") { firstName }', 'Nadia'],
        ['customers(filter: { text: "Nadia" }) { edges { node { firstName } } }', 'Nadia'],
        ['deal(id: "50001") { customers { firstName } }', 'Nadia'],
      ],
      unrelated: ['deal(id: "50002") { customers { firstName } }', 'company(id: "9001") { name }'],
    });
  });

  test('a changed deal, company and line item are seen', async () => {
    await expectSeen({
      change: async () => {
        await hubspot('PATCH', 'deals/50001', { properties: { dealname: 'Renamed deal' } });
        await hubspot('PATCH', 'companies/9001', { properties: { name: 'Renamed company' } });
      },
      shown: [
        ['deal(id: "50001") { name }', 'Renamed deal'],
        ['deals(first: 100) { edges { node { name } } }', 'Renamed deal'],
        ['company(id: "9001") { name }', 'Renamed company'],
      ],
      unrelated: ['deal(id: "50002") { name lineItems { id } }', 'company(id: "9002") { name }'],
    });
  });

  test('a deleted contact is no longer seen', async () => {
    expect(await dataOf('customer(id: "110") { id }')).toEqual({ customer: { id: '110' } });
    await hubspot('DELETE', 'contacts/110');
    await expect.poll(() => dataOf('customer(id: "110") { id }')).toEqual({ customer: null });
  });

  test('100 events about 100 contacts cost one read of 100', async () => {
    const ids = company.people.slice(10, 110).map(({ id }) => id);
    const query = ids.map((id) => `c${id}: customer(id: "${id}") { phone }`).join(' ');
    await dataOf(query);
    await postHubSpot(
      stack.url,
      ids.map((id, index) => ({
        eventId: 10_000 + index,
        subscriptionType: 'contact.propertyChange',
        objectId: Number(id),
        occurredAt: 1_796_000_000_000 + index,
        propertyName: 'phone',
        propertyValue: '1',
      })),
    );
    const reads = () => stack.hubspot.calls.filter(({ operation }) => operation.endsWith('/batch/read'));
    // As soon as one of them is read again, all have been invalidated.
    stack.reset();
    await expect
      .poll(async () => {
        await dataOf(query);
        return reads().length;
      })
      .toBeGreaterThan(0);
    expect(reads().map(({ keys }) => keys.length)).toEqual([100]);
  });
});

describe('Stripe', () => {
  const PAYMENTS = `customer(email: "${EMAIL}") { payments(first: 20) { edges { node { id description amountRefunded { amount } } } } }`;

  test('a new payment is seen in its customer’s list and in the list of all', async () => {
    const account = company.accounts.find(({ email }) => email === EMAIL)?.id ?? '';
    await expectSeen({
      change: () =>
        stripe('payment_intents', { amount: '1234', currency: 'eur', customer: account, description: 'At the till' }),
      shown: [
        [PAYMENTS, 'At the till'],
        ['payments(first: 3) { edges { node { description } } }', 'At the till'],
      ],
      unrelated: [
        `customer(email: "bjorn.new@customers.example") { payments(first: 2) { edges { node { id } } } }`,
        `customer(email: "${EMAIL}") { invoices(first: 2) { edges { node { id } } } }`,
      ],
    });
  });

  test('a refund is seen at its payment, however late, often and out of order it is reported', async () => {
    const payment = company.accounts
      .flatMap(({ payments }) => payments)
      .find(({ status, refunds, amount }) => status === 'succeeded' && refunds.length === 0 && amount > 500);
    const late = Promise.withResolvers<void>();
    stack.stripe.fail({ webhook: 'reversed', on: 'refund', times: 2 });
    const query = `payment(id: "${payment?.id}") { amountRefunded { amount } refunds { id } }`;
    const before = await dataOf(query);
    await stripe('refunds', { payment_intent: payment?.id ?? '', amount: '100' });
    await expect.poll(() => dataOf(query)).not.toEqual(before);
    expect(acceptedBy(stack.stripe)).toEqual(['refund.created', 'charge.refunded']);

    stack.reset();
    stack.stripe.fail({ webhook: 'late', until: late.promise, on: 'charge', times: 1 });
    stack.stripe.fail({ webhook: 'lost', on: 'refund', times: 1 });
    const cached = await dataOf(query);
    await stripe('refunds', { payment_intent: payment?.id ?? '', amount: '100' });
    expect(await dataOf(query)).toEqual(cached);
    stack.stripe.fail({ webhook: 'twice' });
    late.resolve();
    await expect.poll(() => dataOf(query)).not.toEqual(cached);
  });

  test('an event that is delivered twice is counted once', async () => {
    stack.stripe.fail({ webhook: 'twice', times: 1 });
    await stripe(`customers/${company.accounts[3]?.id}`, { balance: '-500' });
    await expect.poll(() => acceptedBy(stack.stripe)).toEqual(['customer.updated', 'customer.updated']);
  });

  test('a changed address is seen: payments are found under the new one', async () => {
    const account = company.accounts[5];
    await expectSeen({
      change: () => stripe(`customers/${account?.id}`, { email: 'moved@customers.example' }),
      shown: [[`payment(id: "${account?.payments[0]?.id}") { customer { email } }`, 'moved@']],
      unrelated: ['company(id: "9002") { name }'],
    });
  });
});

/* Events that the sandboxes do not send: whether their objects are read again. */
describe('other events', () => {
  // Of a contact that the tests above leave alone.
  const untouched = new Set(company.people.slice(20).map(({ email }) => email));
  const account = company.accounts.find(({ email, invoices }) => invoices.length > 0 && untouched.has(email ?? ''));
  const [invoice] = account?.invoices ?? [];
  const line = company.deals.find(({ id }) => id === '50002')?.lineItems[0]?.id ?? '';
  const invoices = `customer(email: "${account?.email}") { invoices(first: 2) { edges { node { id } } } }`;
  const DEAL = 'deal(id: "50002") { lineItems { id } customers { id } company { id } }';
  const stripeAbout = (type: string, object: object) => () =>
    postStripe(stack.url, { ...stripeEvent(`evt_${type}`), type, data: { object } });
  const hubspotAbout = (event: object) => () =>
    postHubSpot(stack.url, [{ eventId: 99, occurredAt: 1_796_000_000_000, ...event }]);

  test.each([
    [
      'an invoice',
      stripeAbout('invoice.paid', { object: 'invoice', id: invoice?.id, customer: { id: account?.id } }),
      [`invoice(id: "${invoice?.id}") { id }`, invoices],
      [DEAL],
    ],
    [
      'a line item',
      hubspotAbout({ subscriptionType: 'line_item.propertyChange', objectId: Number(line), propertyName: 'quantity' }),
      ['deal(id: "50002") { lineItems { id } }'],
      ['deal(id: "50001") { lineItems { id } }', 'deal(id: "50002") { company { id } }'],
    ],
    [
      'an object of a generic subscription',
      hubspotAbout({
        subscriptionType: 'object.propertyChange',
        objectTypeId: '0-2',
        objectId: 9002,
        propertyName: 'name',
      }),
      ['company(id: "9002") { name }'],
      ['company(id: "9003") { name }', 'customer(id: "103") { phone }'],
    ],
    [
      'merged contacts',
      hubspotAbout({
        subscriptionType: 'contact.merge',
        objectId: 104,
        primaryObjectId: 104,
        mergedObjectIds: [105],
        newObjectId: 104,
      }),
      ['customer(id: "104") { phone }', 'customer(id: "105") { phone }', 'customer(id: "105") { company { id } }'],
      ['customer(id: "106") { phone }'],
    ],
    [
      'an association',
      hubspotAbout({
        subscriptionType: 'deal.associationChange',
        associationType: 'COMPANY_TO_DEAL',
        fromObjectId: 9001,
        toObjectId: 50002,
      }),
      ['deal(id: "50002") { company { id } }'],
      ['deal(id: "50002") { customers { id } }', 'deal(id: "50001") { company { id } }'],
    ],
    [
      'a payment without a customer, after an object that is not read',
      async () => {
        await stripeAbout('payout.paid', { object: 'payout', id: 'po_1' })();
        return stripeAbout('charge.failed', { object: 'charge', id: 'ch_1', payment_intent: 'pi_1', customer: null })();
      },
      ['payments(first: 1) { edges { node { id } } }'],
      [invoices, DEAL],
    ],
  ] as const)('about %s: it is read again, and nothing else', async (_title, send, again, unrelated) => {
    const callsOf = async (query: string): Promise<number> => {
      stack.reset();
      await dataOf(query);
      return providerCalls().length;
    };
    for (const query of [...again, ...unrelated])
      expect(JSON.stringify(await dataOf(query))).toMatch(/"id"|"name"|"phone"/);
    for (const query of [...again, ...unrelated]) expect([query, await callsOf(query)]).toEqual([query, 0]);
    expect((await send()).status).toBe(200);
    for (const query of again) await expect.poll(() => callsOf(query)).toBeGreaterThan(0);
    for (const query of unrelated) expect([query, await callsOf(query)]).toEqual([query, 0]);
  });
});
