import { readFileSync } from 'node:fs';
import Stripe from 'stripe';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import type { Sandbox } from '../../sandbox/server.ts';
import { STRIPE_SANDBOX_KEY, startStripeSandbox } from '../../sandbox/stripe/index.ts';
import { createState } from '../../sandbox/stripe/state.ts';
import { ApiAccount, ApiInvoice, ApiPayment, ApiRefund } from '../../subgraphs/payments/shapes.ts';

/* The stand-in as Stripe's own SDK sees it, with the SDK's own HTTP client. */

const company = createCompany();
let sandbox: Sandbox;
let sdk: Stripe;

const sdkFor = ({ url }: Sandbox, key = STRIPE_SANDBOX_KEY) => {
  const { hostname, port } = new URL(url);
  return new Stripe(key, { host: hostname, port, protocol: 'http', maxNetworkRetries: 0, telemetry: false });
};

beforeEach(async () => {
  sandbox = await startStripeSandbox();
  sdk = sdkFor(sandbox);
});
afterEach(() => sandbox.close());

const failureOf = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  if (!(error instanceof Stripe.errors.StripeError)) throw new Error('It did not fail.');
  return { type: error.type, status: error.statusCode, code: error.code, param: error.param };
};

test('the SDK pages through everything, newest first', async () => {
  const all = await sdk.paymentIntents.list({ limit: 100 }).autoPagingToArray({ limit: 10_000 });
  expect(all).toHaveLength(company.accounts.flatMap(({ payments }) => payments).length);
  expect(all.map(({ created }) => created)).toEqual(all.map(({ created }) => created).sort((a, b) => b - a));
});

test('filters, searches and expands', async () => {
  const account = company.accounts.find(({ payments }) => payments.some(({ refunds }) => refunds.length === 2));
  const { data } = await sdk.paymentIntents.list({
    customer: account?.id ?? '',
    expand: ['data.customer', 'data.latest_charge.refunds'],
  });
  const refunded = data.find(({ id }) => id === account?.payments.find(({ refunds }) => refunds.length === 2)?.id);
  expect(refunded?.customer).toMatchObject({ object: 'customer', id: account?.id });
  expect(refunded?.latest_charge).toMatchObject({ refunds: { object: 'list', data: [{}, {}] } });
  const found = await sdk.customers.search({ query: `email:"${account?.email?.toUpperCase()}"` });
  expect(found.data.map(({ id }) => id)).toContain(account?.id);
  const listed = await sdk.customers.list({ email: account?.email?.toUpperCase() ?? '' });
  expect(listed.data).toEqual([]);
});

describe('refuses, as the SDK understands it:', () => {
  test.each([
    [
      'another key',
      () => sdkFor(sandbox, 'sk_test_other').customers.list(),
      { status: 401, type: 'StripeAuthenticationError' },
    ],
    ['an unknown id', () => sdk.paymentIntents.retrieve('pi_none'), { status: 404, code: 'resource_missing' }],
    [
      'an unknown cursor',
      () => sdk.customers.list({ starting_after: 'cus_none' }),
      { status: 400, param: 'starting_after' },
    ],
    [
      'an unknown parameter',
      () => sdk.customers.list({ colour: 'red' } as object),
      { code: 'parameter_unknown', param: 'colour' },
    ],
    ['a page that is too large', () => sdk.customers.list({ limit: 101 }), { status: 400, param: 'limit' }],
    [
      'eleven alternatives',
      () => sdk.customers.search({ query: Array(11).fill('email:"a"').join(' OR ') }),
      { param: 'query' },
    ],
    ['AND with OR', () => sdk.customers.search({ query: 'email:"a" AND name:"b" OR name:"c"' }), { param: 'query' }],
    ['five levels', () => sdk.customers.list({ expand: ['data.a.b.c.d.e'] }), { param: 'expand' }],
    [
      'no amount',
      () => sdk.paymentIntents.create({ currency: 'eur' } as never),
      { code: 'parameter_missing', param: 'amount' },
    ],
    [
      'a declined card',
      () =>
        sdk.paymentIntents.create({
          amount: 100,
          currency: 'eur',
          payment_method: 'pm_card_chargeDeclined',
          confirm: true,
        }),
      { status: 402, type: 'StripeCardError', code: 'card_declined' },
    ],
  ])('%s', async (_, work, expected) => {
    expect(await failureOf(work())).toMatchObject(expected);
  });
});

test('a key is good for one request: the same again is answered as before, another is refused', async () => {
  const create = (amount: number) => sdk.paymentIntents.create({ amount, currency: 'eur' }, { idempotencyKey: 'once' });
  const first = await create(100);
  const again = await create(100);
  expect(again.id).toBe(first.id);
  expect(again.lastResponse.headers['idempotent-replayed']).toBe('true');
  expect(await failureOf(create(200))).toMatchObject({ status: 400, type: 'StripeIdempotencyError' });
});

test('a new object is found by search only after a while, and in lists at once', async () => {
  let now = Date.now();
  const slow = await startStripeSandbox({ searchLagMs: 60_000, now: () => now });
  const api = sdkFor(slow);
  const { id } = await api.customers.create({ email: 'new@customers.example' });
  const search = async () => (await api.customers.search({ query: 'email:"new@customers.example"' })).data.length;
  expect(await search()).toBe(0);
  expect((await api.customers.list({ email: 'new@customers.example' })).data.map((one) => one.id)).toEqual([id]);
  now += 61_000;
  expect(await search()).toBe(1);
  await slow.close();
});

test('over its quota: 429 with the reason, and answers again when the second is over', async () => {
  let now = Date.now();
  const strict = await startStripeSandbox({ now: () => now });
  const api = sdkFor(strict);
  const statuses = async (count: number) =>
    Promise.all(
      Array.from({ length: count }, async () =>
        fetch(`${strict.url}/v1/customers?limit=1`, { headers: { authorization: `Bearer ${STRIPE_SANDBOX_KEY}` } }),
      ),
    );
  const answers = await statuses(26);
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(25);
  const refused = answers.find(({ status }) => status === 429);
  expect(refused?.headers.get('stripe-rate-limited-reason')).toBe('endpoint-rate');
  expect(await failureOf(api.customers.list())).toMatchObject({ status: 429, type: 'StripeRateLimitError' });
  now += 1_001;
  expect((await api.customers.list({ limit: 1 })).data).toHaveLength(1);
  await strict.close();
});

const samples = process.env['REFERENCE_STRIPE_FIXTURES'];

describe.skipIf(!samples)('beside Stripe’s own sample objects (REFERENCE_STRIPE_FIXTURES)', () => {
  type Sample = Record<string, unknown>;
  const resources = samples
    ? (JSON.parse(readFileSync(samples, 'utf8')) as { resources: Record<string, Sample> }).resources
    : {};
  const state = createState(company);
  const own: Record<string, Sample | undefined> = {
    customer: state.customers[0],
    payment_intent: { ...state.paymentIntents[0] },
    charge: { ...[...state.charges.values()][0] },
    refund: { ...state.refunds[0] },
    invoice: state.invoices[0],
  };

  test.each(Object.keys(own))('a %s of the stand-in has fields of the same kinds', (name) => {
    const kind = (value: unknown) => (Array.isArray(value) ? 'array' : typeof value);
    for (const [field, value] of Object.entries(own[name] ?? {})) {
      const sample = resources[name]?.[field];
      if (value === null || sample === null || sample === undefined) continue;
      expect(`${field}: ${kind(value)}`).toBe(`${field}: ${kind(sample)}`);
    }
  });

  test('the payments subgraph can read them', () => {
    expect(ApiAccount.safeParse(resources['customer']).error).toBeUndefined();
    expect(ApiRefund.safeParse(resources['refund']).error).toBeUndefined();
    expect(ApiInvoice.safeParse(resources['invoice']).error).toBeUndefined();
    expect(ApiPayment.safeParse(resources['payment_intent']).error).toBeUndefined();
    const expanded = {
      ...resources['payment_intent'],
      customer: resources['customer'],
      latest_charge: resources['charge'],
    };
    expect(ApiPayment.safeParse(expanded).error).toBeUndefined();
  });
});
