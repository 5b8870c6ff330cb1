import { readFileSync } from 'node:fs';
import Stripe from 'stripe';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import type { Sandbox } from '../../sandbox/server.ts';
import { STRIPE_SANDBOX_KEY, startStripeSandbox } from '../../subgraphs/payments/stripe/sandbox/index.ts';
import { createState } from '../../subgraphs/payments/stripe/sandbox/state.ts';
import { ApiInvoice, ApiPayment, ApiRefund, StripeCustomer } from '../../subgraphs/payments/stripe/wire-types.ts';

/* The sandbox with Stripe's own SDK and its HTTP client. */

const company = createCompany();
let sandbox: Sandbox;
let sdk: Stripe;

const sdkFor = ({ url }: Sandbox, key = STRIPE_SANDBOX_KEY, maxNetworkRetries = 0) => {
  const { hostname, port } = new URL(url);
  return new Stripe(key, { host: hostname, port, protocol: 'http', maxNetworkRetries, telemetry: false });
};

/** Sends a request without the SDK. */
const send = (path: string, init: RequestInit = {}) =>
  fetch(`${sandbox.url}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${STRIPE_SANDBOX_KEY}`, ...init.headers },
  });

// High enough to be irrelevant to tests of other features.
const PLENTY = { calls: 100_000, windowMs: 1000 };

beforeEach(async () => {
  sandbox = await startStripeSandbox({ quota: { account: PLENTY, endpoint: PLENTY, search: PLENTY } });
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

test('the SDK pages through all payments, newest first', async () => {
  const all = await sdk.paymentIntents.list({ limit: 100 }).autoPagingToArray({ limit: 10_000 });
  expect(all).toHaveLength(company.accounts.flatMap(({ payments }) => payments).length);
  expect(all.map(({ created }) => created)).toEqual(all.map(({ created }) => created).sort((a, b) => b - a));
});

describe('the SDK pages backwards as well as forwards:', () => {
  const ids = (objects: { id: string }[]) => objects.map(({ id }) => id);

  test.each([
    ['customers', () => sdk.customers],
    ['payments', () => sdk.paymentIntents],
    ['charges', () => sdk.charges],
    ['refunds', () => sdk.refunds],
    ['invoices', () => sdk.invoices],
  ] as const)('%s', async (_, resource) => {
    const list = (params: Stripe.PaginationParams) =>
      (resource().list(params) as Stripe.ApiListPromise<{ id: string }>).autoPagingToArray({ limit: 10_000 });
    const all = ids(await list({ limit: 100 }));
    expect(all.length).toBeGreaterThan(50);
    const [before, after] = [all.slice(0, 40), all.slice(41)];
    expect(ids(await list({ limit: 7, ending_before: all[40] ?? '' }))).toEqual(before.toReversed());
    expect(ids(await list({ limit: 100, starting_after: all[40] ?? '' }))).toEqual(after);
  });

  test('a page before an object holds its direct predecessors, and has_more is right', async () => {
    const { data } = await sdk.customers.list({ limit: 10 });
    const [cursor, all] = [data[9]?.id ?? '', ids(data)];
    const page = await sdk.customers.list({ limit: 3, ending_before: cursor });
    expect([ids(page.data), page.has_more]).toEqual([all.slice(6, 9), true]);
    const rest = await sdk.customers.list({ limit: 9, ending_before: cursor });
    expect([ids(rest.data), rest.has_more]).toEqual([all.slice(0, 9), false]);
    const none = await sdk.customers.list({ ending_before: all[0] ?? '' });
    expect([none.data, none.has_more]).toEqual([[], false]);
  });

  test('the cursor may be an object that the filter excludes', async () => {
    const customer = company.accounts[0]?.id ?? '';
    const own = ids((await sdk.paymentIntents.list({ customer, limit: 100 })).data);
    const { data } = await sdk.paymentIntents
      .list({ limit: 100 })
      .autoPagingToArray({ limit: 10_000 })
      .then((all) => {
        const at = all.findIndex(({ id }) => id === own[0]);
        return { data: all.slice(at + 1).find((other) => other.customer !== customer) };
      });
    expect(data).toBeDefined();
    // The list contains all of them.
    expect((await sdk.paymentIntents.list({ customer, limit: own.length })).has_more).toBe(false);
    const page = await sdk.paymentIntents.list({ customer, limit: 100, ending_before: data?.id ?? '' });
    expect(ids(page.data)).toEqual([own[0]]);
  });

  test('a time range may include or exclude its bounds', async () => {
    const { data } = await sdk.customers.list({ limit: 3 });
    const [newest, middle, oldest] = data.map(({ created }) => created) as [number, number, number];
    const within = async (created: Stripe.RangeQueryParam | number) =>
      (await sdk.customers.list({ created, limit: 100 })).data.map((one) => one.created);
    expect(await within({ gte: middle })).toEqual([newest, middle]);
    expect(await within({ gt: oldest, lt: newest })).toEqual([middle]);
    expect(await within({ gte: oldest, lte: middle })).toEqual([middle, oldest]);
    expect(await within(middle)).toEqual([middle]);
  });
});

describe('all fields that the SDK’s types require are present', () => {
  /* The compiler checks these lists against the SDK: a missing or unknown property fails to compile. */
  type NameOf<T> = { [Key in keyof T & string]-?: undefined extends T[Key] ? never : Key }[keyof T & string];
  const required =
    <T>() =>
    <const Names extends readonly NameOf<T>[]>(
      names: Exclude<NameOf<T>, Names[number]> extends never ? Names : Exclude<NameOf<T>, Names[number]>,
    ): readonly string[] =>
      names as Names;

  // biome-ignore format: more readable in rows
  const CUSTOMER = required<Stripe.Customer>()([
    'id', 'object', 'balance', 'created', 'default_source', 'description', 'email', 'invoice_settings',
    'livemode', 'metadata', 'shipping',
  ]);
  // biome-ignore format: more readable in rows
  const PAYMENT = required<Stripe.PaymentIntent>()([
    'id', 'object', 'allowed_payment_method_types', 'amount', 'amount_capturable', 'amount_received',
    'application', 'application_fee_amount', 'automatic_payment_methods', 'canceled_at', 'cancellation_reason',
    'capture_method', 'client_secret', 'confirmation_method', 'created', 'currency', 'customer',
    'customer_account', 'description', 'excluded_payment_method_types', 'last_payment_error', 'latest_charge',
    'livemode', 'managed_payments', 'metadata', 'next_action', 'on_behalf_of', 'payment_method',
    'payment_method_configuration_details', 'payment_method_options', 'payment_method_types', 'payment_record',
    'processing', 'receipt_email', 'review', 'setup_future_usage', 'shipping', 'source', 'statement_descriptor',
    'statement_descriptor_suffix', 'status', 'transfer_group',
  ]);
  // biome-ignore format: more readable in rows
  const CHARGE = required<Stripe.Charge>()([
    'id', 'object', 'amount', 'amount_captured', 'amount_refunded', 'application', 'application_fee',
    'application_fee_amount', 'balance_transaction', 'billing_details', 'calculated_statement_descriptor',
    'captured', 'created', 'currency', 'customer', 'description', 'disputed', 'failure_balance_transaction',
    'failure_code', 'failure_message', 'fraud_details', 'livemode', 'metadata', 'on_behalf_of', 'outcome',
    'paid', 'payment_intent', 'payment_method', 'payment_method_details', 'receipt_email', 'receipt_number',
    'receipt_url', 'refunded', 'review', 'shipping', 'source', 'source_transfer', 'statement_descriptor',
    'statement_descriptor_suffix', 'status', 'transfer_data', 'transfer_group',
  ]);
  // biome-ignore format: more readable in rows
  const REFUND = required<Stripe.Refund>()([
    'id', 'object', 'amount', 'balance_transaction', 'charge', 'created', 'currency', 'customer',
    'customer_account', 'metadata', 'payment_intent', 'payment_method', 'reason', 'receipt_number',
    'source_transfer_reversal', 'status', 'transfer_reversal',
  ]);
  // biome-ignore format: more readable in rows
  const INVOICE = required<Stripe.Invoice>()([
    'id', 'object', 'account_country', 'account_name', 'account_tax_ids', 'amount_due', 'amount_overpaid',
    'amount_paid', 'amount_remaining', 'amount_shipping', 'application', 'attempt_count', 'attempted',
    'automatic_tax', 'automatically_finalizes_at', 'billing_reason', 'collection_method', 'created', 'currency',
    'custom_fields', 'customer', 'customer_account', 'customer_address', 'customer_email', 'customer_name',
    'customer_phone', 'customer_shipping', 'customer_tax_exempt', 'default_payment_method', 'default_source',
    'default_tax_rates', 'description', 'discounts', 'due_date', 'effective_at', 'ending_balance', 'footer',
    'from_invoice', 'issuer', 'last_finalization_error', 'latest_revision', 'lines', 'livemode', 'metadata',
    'next_payment_attempt', 'number', 'on_behalf_of', 'parent', 'payment_settings', 'period_end',
    'period_start', 'post_payment_credit_notes_amount', 'pre_payment_credit_notes_amount', 'receipt_number',
    'rendering', 'shipping_cost', 'shipping_details', 'starting_balance', 'statement_descriptor', 'status',
    'status_transitions', 'subtotal', 'subtotal_excluding_tax', 'test_clock', 'total', 'total_discount_amounts',
    'total_excluding_tax', 'total_pretax_credit_amounts', 'total_taxes', 'webhooks_delivered_at',
  ]);
  // biome-ignore format: more readable in rows
  const LINE = required<Stripe.InvoiceLineItem>()([
    'id', 'object', 'amount', 'currency', 'description', 'discount_amounts', 'discountable', 'discounts',
    'invoice', 'livemode', 'metadata', 'parent', 'period', 'pretax_credit_amounts', 'pricing', 'quantity',
    'quantity_decimal', 'subscription', 'subtotal', 'taxes',
  ]);
  // biome-ignore format: more readable in rows
  const EVENT = required<Stripe.EventBase>()([
    'id', 'object', 'api_version', 'created', 'data', 'livemode', 'pending_webhooks', 'request', 'type',
  ]);

  const invoiceOf = async () => (await sdk.invoices.list({ limit: 1 })).data[0];
  const pay = () =>
    sdk.paymentIntents.create({ amount: 500, currency: 'eur', confirm: true, payment_method: 'pm_card_visa' });

  test.each<[string, readonly string[], () => Promise<object | undefined>]>([
    ['a customer', CUSTOMER, async () => (await sdk.customers.list()).data[0]],
    ['a new customer', CUSTOMER, () => sdk.customers.create({})],
    ['a payment', PAYMENT, async () => (await sdk.paymentIntents.list()).data[0]],
    ['a new payment', PAYMENT, pay],
    ['a charge', CHARGE, async () => (await sdk.charges.list()).data[0]],
    ['a new charge', CHARGE, async () => sdk.charges.retrieve(String((await pay()).latest_charge))],
    ['a refund', REFUND, async () => (await sdk.refunds.list()).data[0]],
    ['a new refund', REFUND, async () => sdk.refunds.create({ payment_intent: (await pay()).id })],
    ['an invoice', INVOICE, invoiceOf],
    ['a line of an invoice', LINE, async () => (await invoiceOf())?.lines.data[0]],
    ['an event', EVENT, () => pay().then(async () => (await sdk.events.list()).data[0])],
  ])('of %s', async (_, names, object) => {
    expect(Object.keys((await object()) ?? {})).toEqual(expect.arrayContaining([...names]));
  });
});

test('listed objects and their related ones can be retrieved', async () => {
  const refund = (await sdk.refunds.list({ limit: 1 })).data[0];
  expect(await sdk.refunds.retrieve(refund?.id ?? '')).toMatchObject({ ...refund });
  const charge = await sdk.charges.retrieve(String(refund?.charge), { expand: ['refunds', 'payment_intent'] });
  expect(charge).toMatchObject({ object: 'charge', payment_intent: { id: refund?.payment_intent } });
  expect(charge.refunds?.data.map(({ id }) => id)).toContain(refund?.id);
  const listed = await send(charge.refunds?.url ?? '').then((response) => response.json());
  expect(listed).toMatchObject({ object: 'list', data: charge.refunds?.data });
  const ofPayment = await sdk.charges.list({ payment_intent: String(refund?.payment_intent) });
  expect(ofPayment.data.map(({ id }) => id)).toEqual([charge.id]);
  const invoice = (await sdk.invoices.list({ limit: 1 })).data[0];
  const lines = await sdk.invoices.listLineItems(invoice?.id ?? '').autoPagingToArray({ limit: 100 });
  expect(lines.map(({ amount }) => amount)).toEqual([invoice?.total]);
});

test('a customer is created and updated, and events have the previous values', async () => {
  const { id } = await sdk.customers.create(
    { name: 'Ada', phone: '+46 70 1', metadata: { tier: 'gold', region: 'north' } },
    { idempotencyKey: 'new-customer' },
  );
  const updated = await sdk.customers.update(id, { email: 'ada@x.example', phone: '', metadata: { tier: '' } });
  expect(updated).toMatchObject({ name: 'Ada', phone: null, metadata: { region: 'north' } });
  expect(updated.metadata).not.toHaveProperty('tier');
  const { data } = await sdk.events.list({ types: ['customer.created', 'customer.updated'] });
  expect(data.map(({ type, data: { previous_attributes: before } }) => [type, before])).toEqual([
    ['customer.updated', { email: null, phone: '+46 70 1', metadata: { region: 'north', tier: 'gold' } }],
    ['customer.created', undefined],
  ]);
  expect(data[1]).toMatchObject({
    data: { object: { id, email: null } },
    request: { idempotency_key: 'new-customer', id: expect.stringMatching(/^req_/) },
  });
  // Nothing changes, so there is no event.
  await sdk.customers.update(id, { name: 'Ada' });
  expect((await sdk.events.list()).data).toHaveLength(2);
});

test('a payment’s events are recorded, newest first', async () => {
  const pay = (more: Partial<Stripe.PaymentIntentCreateParams>) =>
    sdk.paymentIntents.create({
      amount: 1000,
      currency: 'eur',
      payment_method: 'pm_card_visa',
      confirm: true,
      ...more,
    });
  const typesSince = async (ending_before?: string) =>
    (await sdk.events.list({ limit: 100, ...(ending_before && { ending_before }) })).data.map(({ type }) => type);

  const held = await pay({ capture_method: 'manual', metadata: { order: '7' } });
  await sdk.paymentIntents.capture(held.id, { amount_to_capture: 900 });
  await sdk.refunds.create({ charge: String(held.latest_charge), amount: 100 });
  expect(await typesSince()).toEqual([
    'refund.created',
    'charge.refunded',
    'payment_intent.succeeded',
    'charge.captured',
    'payment_intent.amount_capturable_updated',
    'charge.succeeded',
    'payment_intent.created',
  ]);
  const last = (await sdk.events.list({ limit: 1 })).data[0];
  await expect(pay({ payment_method: 'pm_card_chargeDeclined' })).rejects.toThrow('declined');
  const open = await sdk.paymentIntents.create({ amount: 1000, currency: 'eur' });
  await sdk.paymentIntents.update(open.id, { amount: 2000, description: 'More' });
  expect(await sdk.paymentIntents.cancel(open.id)).toMatchObject({ amount: 2000, description: 'More' });
  expect(await typesSince(last?.id)).toEqual([
    'payment_intent.canceled',
    'payment_intent.created',
    'payment_intent.payment_failed',
    'charge.failed',
    'payment_intent.created',
  ]);
  expect((await sdk.events.list({ type: 'charge.*' })).data.map(({ type }) => type)).toEqual([
    'charge.failed',
    'charge.refunded',
    'charge.captured',
    'charge.succeeded',
  ]);
  expect(await sdk.events.retrieve(last?.id ?? '')).toMatchObject({ object: 'event', type: 'refund.created' });
  // An event contains its object as it was.
  const [created] = (await sdk.events.list({ type: 'payment_intent.created' })).data.slice(-1);
  expect(created?.data.object).toMatchObject({ id: held.id, status: 'requires_payment_method' });
});

test('given a canceled authorization, then its charge is neither captured nor refunded', async () => {
  const held = await sdk.paymentIntents.create({
    amount: 1000,
    currency: 'eur',
    payment_method: 'pm_card_visa',
    confirm: true,
    capture_method: 'manual',
  });
  const [last] = (await sdk.events.list({ limit: 1 })).data;
  const canceled = await sdk.paymentIntents.cancel(held.id, { expand: ['latest_charge.refunds'] });
  expect(canceled).toMatchObject({
    status: 'canceled',
    amount_capturable: 0,
    latest_charge: { captured: false, amount_captured: 0, refunded: false, amount_refunded: 0, refunds: { data: [] } },
  });
  expect((await sdk.events.list({ ending_before: last?.id ?? '' })).data.map(({ type }) => type)).toEqual([
    'payment_intent.canceled',
  ]);
});

describe('given an invalid expand path, then nothing is done:', () => {
  const expand = ['nonsense'];
  const payment = { amount: 1000, currency: 'eur', payment_method: 'pm_card_visa', confirm: true };
  const held = async () => (await sdk.paymentIntents.create({ ...payment, capture_method: 'manual' })).id;
  const paid = async () => (await sdk.paymentIntents.create(payment)).id;
  const options = { idempotencyKey: 'expanded' };

  type Write = (expand: string[]) => Promise<object>;
  test.each<[string, () => Promise<Write>]>([
    ['a new customer', async () => (expand) => sdk.customers.create({ name: 'Ada', expand }, options)],
    [
      'a customer',
      async () => {
        const { id } = await sdk.customers.create({});
        return (expand) => sdk.customers.update(id, { name: 'Ada', expand }, options);
      },
    ],
    ['a new payment', async () => (expand) => sdk.paymentIntents.create({ ...payment, expand }, options)],
    [
      'a payment',
      async () => {
        const id = await paid();
        return (expand) => sdk.paymentIntents.update(id, { description: 'New', expand }, options);
      },
    ],
    [
      'a capture',
      async () => {
        const id = await held();
        return (expand) => sdk.paymentIntents.capture(id, { expand }, options);
      },
    ],
    [
      'a cancellation',
      async () => {
        const id = await held();
        return (expand) => sdk.paymentIntents.cancel(id, { expand }, options);
      },
    ],
    [
      'a new refund',
      async () => {
        const id = await paid();
        return (expand) => sdk.refunds.create({ payment_intent: id, expand }, options);
      },
    ],
    [
      'a refund',
      async () => {
        const { id } = await sdk.refunds.create({ payment_intent: await paid() });
        return (expand) => sdk.refunds.update(id, { metadata: { order: '7' }, expand }, options);
      },
    ],
  ])('%s; its idempotency key can be used again', async (_, prepare) => {
    const write = await prepare();
    const everything = async () =>
      Promise.all([
        sdk.customers.list({ limit: 5 }),
        sdk.paymentIntents.list({ limit: 5 }),
        sdk.charges.list({ limit: 5 }),
        sdk.refunds.list({ limit: 5 }),
        sdk.events.list({ limit: 5 }),
      ]).then((lists) => lists.map(({ data }) => data));
    const before = await everything();
    expect(await failureOf(write(expand))).toMatchObject({ status: 400, param: 'expand' });
    expect(await everything()).toEqual(before);
    await write([]);
    expect(await everything()).not.toEqual(before);
  });

  test.each([
    'nonsense',
    'data',
    'data.nonsense',
    'has_more',
    'data.latest_charge.nonsense',
    'data.latest_charge.refunds.charge',
  ])('an empty list, with %s', async (path) => {
    const { id } = await sdk.customers.create({});
    expect(await failureOf(sdk.paymentIntents.list({ customer: id, expand: [path] }))).toMatchObject({
      status: 400,
      param: 'expand',
    });
  });

  test('nested paths can be expanded', async () => {
    const { data } = await sdk.refunds.list({ limit: 1, expand: ['data.charge.refunds.data.payment_intent'] });
    expect(data[0]).toMatchObject({
      charge: {
        object: 'charge',
        refunds: {
          data: expect.arrayContaining([
            expect.objectContaining({ payment_intent: expect.objectContaining({ object: 'payment_intent' }) }),
          ]),
        },
      },
    });
    const invoice = (await sdk.invoices.list({ limit: 1, expand: ['data.customer', 'data.lines.data.discounts'] }))
      .data[0];
    expect(invoice).toMatchObject({ customer: { object: 'customer' }, lines: { data: [{ discounts: [] }] } });
    expect(await failureOf(sdk.invoices.list({ expand: ['data.lines'] }))).toMatchObject({ param: 'expand' });
  });
});

test('the number of objects per type, events and idempotency keys is bounded; the oldest are dropped', async () => {
  const max = company.accounts.length;
  const small = await startStripeSandbox({
    maxEntries: max,
    quota: { account: PLENTY, endpoint: PLENTY, search: PLENTY },
  });
  const api = sdkFor(small);
  const all = () => api.customers.list({ limit: 100 }).autoPagingToArray({ limit: 10_000 });
  const before = await all();
  const create = (index: number) => api.customers.create({ name: String(index) }, { idempotencyKey: `key-${index}` });
  const first = await create(0);
  expect((await all()).map(({ id }) => id)).toEqual([first.id, ...before.slice(0, -1).map(({ id }) => id)]);
  expect(await failureOf(api.customers.retrieve(before.at(-1)?.id ?? ''))).toMatchObject({ code: 'resource_missing' });
  for (let index = 1; index < max; index += 1) await create(index);
  expect((await create(0)).id).toBe(first.id);
  await create(max);
  expect(await api.events.list({ limit: 100 }).autoPagingToArray({ limit: 10_000 })).toHaveLength(max);
  expect((await create(0)).id).not.toBe(first.id);
  await small.close();
});

test('a declined payment is kept, with the card’s error', async () => {
  const error = await sdk.paymentIntents
    .create({ amount: 1000, currency: 'eur', payment_method: 'pm_card_chargeDeclinedExpiredCard', confirm: true })
    .catch((failure: unknown) => failure);
  if (!(error instanceof Stripe.errors.StripeCardError)) throw new Error('It was not declined.');
  expect(error).toMatchObject({ code: 'expired_card', charge: expect.stringMatching(/^ch_/) });
  const payment = await sdk.paymentIntents.retrieve(error.payment_intent?.id ?? '', { expand: ['latest_charge'] });
  expect(payment).toMatchObject({
    status: 'requires_payment_method',
    last_payment_error: { type: 'card_error', code: 'expired_card', charge: error.charge },
    latest_charge: { id: error.charge, status: 'failed', paid: false, failure_code: 'expired_card' },
  });
});

describe('the minimum amount', () => {
  test.each([
    ['usd', 50],
    ['eur', 50],
    ['chf', 50],
    ['gbp', 30],
    ['jpy', 50],
    ['dkk', 250],
    ['sek', 300],
    ['nok', 300],
    ['pln', 200],
    ['kwd', 180],
  ])('for %s is %i', async (currency, least) => {
    const tooSmall = { type: 'StripeInvalidRequestError', status: 400, code: 'amount_too_small', param: 'amount' };
    const create = (amount: number) => sdk.paymentIntents.create({ amount, currency });
    expect(await failureOf(create(least - 10))).toEqual(tooSmall);
    const { id } = await create(least);
    expect(await failureOf(sdk.paymentIntents.update(id, { amount: 1 }))).toEqual(tooSmall);
    expect((await sdk.paymentIntents.retrieve(id)).amount).toBe(least);
  });
});

describe('searches', () => {
  const found = async (query: string) =>
    (await sdk.customers.search({ query, limit: 100 }).autoPagingToArray({ limit: 1_000 })).map(({ id }) => id);
  const accounts = (matches: (account: (typeof company.accounts)[number]) => boolean) =>
    company.accounts.filter(matches).map(({ id }) => id);

  test.each<[string, (account: (typeof company.accounts)[number]) => boolean]>([
    ['name~"Lindq"', ({ name }) => name.includes('Lindq')],
    ['-name~"Lindq"', ({ name }) => !name.includes('Lindq')],
    ['email:null', ({ email }) => email === null],
    ["name~'O\\'Brien'", ({ name }) => name.includes("O'Brien")],
    ['name~"lind" email~"ada"', ({ name, email }) => /lind/i.test(name) && /ada/.test(email ?? '')],
    ['name~"lind" or name~"rossi"', ({ name }) => /lind|rossi/i.test(name)],
  ])('%s', async (query, matches) => {
    const wanted = accounts(matches);
    expect(wanted.length).toBeGreaterThan(0);
    expect((await found(query)).toSorted()).toEqual(wanted.toSorted());
  });

  test('search metadata', async () => {
    const fast = await startStripeSandbox({ searchLagMs: 0 });
    const api = sdkFor(fast);
    const { id } = await api.customers.create({ metadata: { 'order "7"': 'Blue' } });
    const query = 'metadata["order \\"7\\""]:"blue"';
    expect((await api.customers.search({ query })).data.map((one) => one.id)).toEqual([id]);
    const none = await api.customers.search({ query: 'metadata["order"]:null', limit: 1, expand: ['total_count'] });
    expect(none.total_count).toBe(company.accounts.length + 1);
    await fast.close();
  });

  test('find charges and invoices', async () => {
    const charges = await sdk.charges.search({ query: 'refunded:"true" AND amount>10000', limit: 100 });
    expect(charges.data.length).toBeGreaterThan(0);
    for (const charge of charges.data) expect([charge.refunded, charge.amount > 10_000]).toEqual([true, true]);
    const invoices = await sdk.invoices.search({ query: 'status:"void"', limit: 100 });
    expect(new Set(invoices.data.map(({ status }) => status))).toEqual(new Set(['void']));
  });
});

test('only the paths that Stripe supports can be expanded', async () => {
  const { data } = await sdk.customers.list({ limit: 1, expand: ['data.sources', 'data.tax_ids'] });
  expect(data[0]).toMatchObject({ sources: { object: 'list', data: [] }, tax_ids: { object: 'list', data: [] } });
  const paid = await sdk.paymentIntents.create({
    amount: 1000,
    currency: 'eur',
    confirm: true,
    payment_method: 'pm_card_mastercard',
    expand: ['payment_method', 'latest_charge.payment_intent'],
  });
  expect(paid).toMatchObject({
    payment_method: { object: 'payment_method', card: { brand: 'mastercard', last4: '4444' } },
    latest_charge: { object: 'charge', payment_intent: { id: paid.id } },
  });
  for (const path of ['status', 'metadata', 'nothing', 'nothing.customer', 'client_secret', 'latest_charge.amount']) {
    expect(await failureOf(sdk.paymentIntents.retrieve(paid.id, { expand: [path] }))).toMatchObject({
      status: 400,
      param: 'expand',
    });
  }
});

test('lists can be filtered, searched and expanded', async () => {
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

describe('requests are rejected with the SDK’s error types:', () => {
  test.each([
    [
      'a wrong key',
      () => sdkFor(sandbox, 'sk_test_other').customers.list(),
      { status: 401, type: 'StripeAuthenticationError' },
    ],
    [
      'an unknown id',
      () => sdk.paymentIntents.retrieve('pi_none'),
      { type: 'StripeInvalidRequestError', status: 404, code: 'resource_missing', param: 'intent' },
    ],
    [
      'an unknown refund',
      () => sdk.refunds.retrieve('re_none'),
      { type: 'StripeInvalidRequestError', status: 404, code: 'resource_missing', param: 'id' },
    ],
    ['an id with special characters', () => sdk.charges.retrieve('ch-é/1'), { status: 404, code: 'resource_missing' }],
    [
      'an unknown ending_before',
      () => sdk.events.list({ ending_before: 'evt_none' }),
      { status: 400, code: 'resource_missing', param: 'ending_before' },
    ],
    [
      'two cursors',
      () => sdk.customers.list({ starting_after: 'cus_a', ending_before: 'cus_b' }),
      { status: 400, code: 'parameters_exclusive' },
    ],
    [
      'an unknown range operator',
      () => sdk.charges.list({ created: { after: 1 } as object }),
      { code: 'parameter_unknown', param: 'created[after]' },
    ],
    [
      'an empty required value',
      () => sdk.paymentIntents.create({ amount: '' as never, currency: 'eur' }),
      { code: 'parameter_invalid_empty', param: 'amount' },
    ],
    [
      'half a cent',
      () => sdk.paymentIntents.create({ amount: 99.5, currency: 'eur' }),
      { code: 'parameter_invalid_integer', param: 'amount' },
    ],
    [
      'an unknown currency',
      () => sdk.paymentIntents.create({ amount: 100, currency: '__proto__' }),
      { status: 400, param: 'currency' },
    ],
    [
      'an amount with too many decimals for cards',
      () => sdk.paymentIntents.create({ amount: 1255, currency: 'kwd' }),
      { status: 400, param: 'amount' },
    ],
    [
      'metadata that is too long',
      () => sdk.customers.create({ metadata: { key: 'x'.repeat(501) } }),
      { status: 400, param: 'metadata[key]' },
    ],
    ['a key that is too long', () => sdk.customers.create({}, { idempotencyKey: 'x'.repeat(256) }), { status: 400 }],
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
      'eleven search clauses',
      () => sdk.customers.search({ query: Array(11).fill('email:"a"').join(' OR ') }),
      { param: 'query' },
    ],
    ['a substring of two letters', () => sdk.customers.search({ query: 'name~"an"' }), { param: 'query' }],
    ['a substring of a number', () => sdk.charges.search({ query: 'amount~"100"' }), { param: 'query' }],
    ['an unknown search field', () => sdk.customers.search({ query: 'constructor:"a"' }), { param: 'query' }],
    ['AND with OR', () => sdk.customers.search({ query: 'email:"a" AND name:"b" OR name:"c"' }), { param: 'query' }],
    ['five levels of expansion', () => sdk.customers.list({ expand: ['data.a.b.c.d.e'] }), { param: 'expand' }],
    [
      'no amount',
      () => sdk.paymentIntents.create({ currency: 'eur' } as never),
      { code: 'parameter_missing', param: 'amount' },
    ],
    ['a refund without a payment or charge', () => sdk.refunds.create({}), { status: 400, code: 'parameter_missing' }],
    [
      'a refund with another payment’s charge',
      async () => {
        const [one, other] = (await sdk.charges.list()).data;
        return sdk.refunds.create({ charge: one?.id ?? '', payment_intent: String(other?.payment_intent) });
      },
      { status: 400, param: 'charge' },
    ],
    [
      'a refund of a failed charge',
      async () => {
        const params = { amount: 100, currency: 'eur', payment_method: 'pm_card_chargeDeclined', confirm: true };
        await sdk.paymentIntents.create(params).catch(() => undefined);
        return sdk.refunds.create({ charge: (await sdk.charges.list({ limit: 1 })).data[0]?.id ?? '' });
      },
      { status: 400, code: 'payment_intent_unexpected_state' },
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

test('given a used idempotency key, then the same request is replayed, and another is rejected', async () => {
  const create = (amount: number) => sdk.paymentIntents.create({ amount, currency: 'eur' }, { idempotencyKey: 'once' });
  const first = await create(100);
  const again = await create(100);
  expect(again.id).toBe(first.id);
  expect(again.lastResponse.headers['idempotent-replayed']).toBe('true');
  expect(await failureOf(create(200))).toMatchObject({ status: 400, type: 'StripeIdempotencyError' });
});

describe('an idempotency key', () => {
  test('can be used again after a request with invalid parameters', async () => {
    const create = (params: object) => sdk.paymentIntents.create(params as never, { idempotencyKey: 'twice' });
    expect(await failureOf(create({ amount: 'x', currency: 'eur' }))).toMatchObject({
      code: 'parameter_invalid_integer',
    });
    expect((await create({ amount: 100, currency: 'eur' })).status).toBe('requires_payment_method');
  });

  test('replays a card error without charging the card again', async () => {
    const create = () =>
      sdk.paymentIntents
        .create(
          { amount: 100, currency: 'eur', payment_method: 'pm_card_chargeDeclined', confirm: true },
          { idempotencyKey: 'declined' },
        )
        .catch((error: unknown) => error as InstanceType<typeof Stripe.errors.StripeCardError>);
    const [first, again] = [await create(), await create()];
    expect(again).toMatchObject({ code: 'card_declined', charge: (first as { charge?: string }).charge });
    expect((again as { headers?: Record<string, string> }).headers?.['idempotent-replayed']).toBe('true');
    expect((await sdk.charges.list({ limit: 1 })).data[0]?.id).toBe((first as { charge?: string }).charge);
    expect((await sdk.events.list({ type: 'charge.failed' })).data).toHaveLength(1);
  });

  test('is rejected by another endpoint, and can be used again a day later', async () => {
    let now = Date.now();
    const patient = await startStripeSandbox({ now: () => now });
    const api = sdkFor(patient);
    const create = (name: string) => api.customers.create({ name }, { idempotencyKey: 'old' });
    const { id } = await create('A');
    expect(await failureOf(api.customers.update(id, { name: 'A' }, { idempotencyKey: 'old' }))).toMatchObject({
      status: 400,
      type: 'StripeIdempotencyError',
    });
    now += 23 * 3_600_000;
    expect((await create('A')).id).toBe(id);
    now += 2 * 3_600_000;
    expect((await create('B')).id).not.toBe(id);
    await patient.close();
  });
});

describe('every response has its own request id:', () => {
  test.each<[string, () => Promise<unknown>]>([
    ['a result', () => sdk.customers.list()],
    ['an error', () => sdk.customers.retrieve('cus_none')],
    ['a wrong key', () => sdkFor(sandbox, 'sk_test_other').customers.list()],
  ])('%s', async (_, work) => {
    const idOf = (answer: unknown) =>
      (answer as { requestId?: string }).requestId ??
      (answer as { lastResponse?: { requestId?: string } }).lastResponse?.requestId;
    const ids = await Promise.all([work().catch((error: unknown) => error), work().catch((error: unknown) => error)]);
    expect(ids.map(idOf)).toEqual([expect.stringMatching(/^req_\w{14}$/), expect.stringMatching(/^req_\w{14}$/)]);
    expect(idOf(ids[0])).not.toBe(idOf(ids[1]));
  });

  test('a replayed response also has the original one', async () => {
    const create = () => sdk.customers.create({}, { idempotencyKey: 'first' });
    const [first, again] = [(await create()).lastResponse, (await create()).lastResponse];
    expect(again.headers['original-request']).toBe(first.requestId);
    expect(again.requestId).not.toBe(first.requestId);
    expect(again.idempotencyKey).toBe('first');
  });
});

describe('an unknown path gets Stripe’s error:', () => {
  test.each([
    ['GET', '/'],
    ['GET', '/v1'],
    ['GET', '/v1/customer'],
    ['GET', '/v1/customers/'],
    ['PUT', '/v1/customers'],
    ['POST', '/v1/events'],
    ['POST', '/v2/core/nothing'],
  ])('%s %s', async (method, path) => {
    const response = await send(path, { method });
    expect([response.status, response.headers.get('content-type')]).toEqual([404, 'application/json']);
    expect(await response.json()).toEqual({
      error: {
        type: 'invalid_request_error',
        message: expect.stringContaining(`Unrecognized request URL (${method}: ${path}).`),
      },
    });
  });

  test('also for the SDK’s raw request', async () => {
    expect(await failureOf(sdk.rawRequest('GET', '/v1/unheard_of'))).toMatchObject({
      type: 'StripeInvalidRequestError',
      status: 404,
    });
  });

  test('a body that is not a form is rejected', async () => {
    const body = JSON.stringify({ name: 'Ada' });
    const response = await send('/v1/customers', {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
    expect((await sdk.events.list()).data).toEqual([]);
  });

  test('the key may be the user of basic authentication', async () => {
    const as = async (user: string) =>
      (await send('/v1/refunds', { headers: { authorization: `Basic ${btoa(`${user}:`)}` } })).status;
    expect([await as(STRIPE_SANDBOX_KEY), await as('sk_test_other')]).toEqual([200, 401]);
  });
});

describe('the SDK retries', () => {
  test('a failed write with a key of its own, and it is carried out once', async () => {
    sandbox.fail({ on: 'POST /v1/customers', drop: 'after', times: 1 });
    const { id } = await sdkFor(sandbox, STRIPE_SANDBOX_KEY, 1).customers.create({ name: 'Once' });
    const keys = sandbox.calls.map(({ idempotencyKey }) => idempotencyKey);
    expect(keys).toEqual([expect.stringMatching(/^stripe-node-retry-/), keys[0]]);
    const { data } = await sdk.events.list({ type: 'customer.created' });
    expect(data.map(({ data: { object } }) => (object as { id?: string }).id)).toEqual([id]);
  });

  test('a 429 only if the response says so', async () => {
    sandbox.fail({ on: 'GET /v1/refunds', status: 429, times: 1 });
    expect(await failureOf(sdkFor(sandbox, STRIPE_SANDBOX_KEY, 2).refunds.list())).toMatchObject({
      type: 'StripeRateLimitError',
      status: 429,
      code: 'rate_limit',
    });
    expect(sandbox.calls.map(({ status }) => status)).toEqual([429]);
    sandbox.fail({ on: 'GET /v1/refunds', status: 429, times: 1, headers: { 'stripe-should-retry': 'true' } });
    expect((await sdkFor(sandbox, STRIPE_SANDBOX_KEY, 2).refunds.list()).data).toHaveLength(10);
    expect(sandbox.calls.map(({ status }) => status)).toEqual([429, 429, 200]);
  });
});

test('a new object is in lists immediately, but in searches only after a delay', async () => {
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

test('given too many requests, then it returns 429 with the reason until the second is over', async () => {
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

describe.skipIf(!samples)('compared with Stripe’s own sample objects (REFERENCE_STRIPE_FIXTURES)', () => {
  type Sample = Record<string, unknown>;
  const resources = samples
    ? (JSON.parse(readFileSync(samples, 'utf8')) as { resources: Record<string, Sample> }).resources
    : {};
  const state = createState(company);
  const own: Record<string, Sample | undefined> = {
    customer: { ...state.customers[0] },
    payment_intent: { ...state.paymentIntents[0] },
    charge: { ...state.charges[0] },
    refund: { ...state.refunds[0] },
    invoice: { ...state.invoices[0] },
  };

  test.each(Object.keys(own))('a %s of the sandbox has fields of the same types', (name) => {
    const kind = (value: unknown) => (Array.isArray(value) ? 'array' : typeof value);
    for (const [field, value] of Object.entries(own[name] ?? {})) {
      const sample = resources[name]?.[field];
      if (value === null || sample === null || sample === undefined) continue;
      expect(`${field}: ${kind(value)}`).toBe(`${field}: ${kind(sample)}`);
    }
  });

  test('the payments subgraph can parse them', () => {
    expect(StripeCustomer.safeParse(resources['customer']).error).toBeUndefined();
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
