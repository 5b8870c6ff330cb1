import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import { writeCursor } from '../../subgraphs/kit/connection.ts';
import { type Stack, startStack } from '../helpers/stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
  // Reads the WSDL.
  await stack.ask('{ product(sku: "X") { sku } }');
});
afterAll(() => stack.close());
beforeEach(() => stack.reset());

const expectNothingSent = () =>
  expect([...stack.stripe.calls, ...stack.hubspot.calls, ...stack.openmage.calls]).toEqual([]);

const PAY = (more: string) =>
  `mutation { createPayment(input: { customerEmail: "a@b.example", amount: { amount: "1", currency: "EUR" }, idempotencyKey: "k", ${more} }) { payment { id } } }`;

const CASES: readonly (readonly [query: string, argument: string])[] = [
  // ids
  ['{ customer(id: "abc") { id } }', 'id'],
  ['{ customer(id: "1 or 1=1") { id } }', 'id'],
  ['{ customer { id } }', 'id'],
  // With leading zeros it is the same number to HubSpot, but another key to the cache.
  ['{ customer(id: "0101") { id } }', 'id'],
  ['mutation { updateCustomer(input: { id: "0101", phone: "1" }) { customer { id } } }', 'input.id'],
  ['mutation { updateDeal(input: { id: "0", name: "x" }) { deal { id } } }', 'input.id'],
  ['{ customer(id: "101", email: "a@b.example") { id } }', 'id'],
  ['{ company(id: "../x") { id } }', 'id'],
  ['{ deal(id: "") { id } }', 'id'],
  ['{ payment(id: "ch_123") { id } }', 'id'],
  ['{ payment(id: "pi_../../v1/balance") { id } }', 'id'],
  ['{ invoice(id: "42") { id } }', 'id'],
  ['{ product(sku: "") { sku } }', 'sku'],
  [`{ product(sku: "${'x'.repeat(65)}") { sku } }`, 'sku'],
  ['{ products(skus: ["A", "B\\u0000"]) { sku } }', 'skus.1'],
  [`{ products(skus: ${JSON.stringify(Array.from({ length: 501 }, (_, index) => `S${index}`))}) { sku } }`, 'skus'],
  // email addresses
  ['{ customer(email: "ada") { id } }', 'email'],
  ['{ customer(email: "") { id } }', 'email'],
  [`{ customer(email: "${'a'.repeat(250)}@b.example") { id } }`, 'email'],
  ['mutation { createCustomer(input: { email: "a@@b" }) { customer { id } } }', 'input.email'],
  // letters that JavaScript's case conversion maps to ASCII: Kelvin sign, long s, dotless i
  ['{ customer(email: "\u212aeiko.kowalska@customers.example") { id } }', 'email'],
  ['mutation { createCustomer(input: { email: "\u212a@b.example" }) { customer { id } } }', 'input.email'],
  ['mutation { updateCustomer(input: { id: "101", email: "\u017f@b.example" }) { customer { id } } }', 'input.email'],
  [PAY('').replace('a@b', '\u212a@b'), 'input.customerEmail'],
  ...['\u0131SK', '\u0131NR', '\u017fEK', 'e\u212aR', 'EUR\u0000'].map((currency): readonly [string, string] => [
    PAY('').replace('EUR', currency),
    'input.amount.currency',
  ]),
  // pages
  ['{ customers(first: 0) { edges { cursor } } }', 'first'],
  ['{ customers(first: 101) { edges { cursor } } }', 'first'],
  ['{ payments(first: -1) { edges { cursor } } }', 'first'],
  ['{ customers(after: "nonsense") { edges { cursor } } }', 'after'],
  ['{ deals(after: "e30") { edges { cursor } } }', 'after'],
  [`{ payments(after: "${writeCursor(['x', -1])}") { edges { cursor } } }`, 'after'],
  ['{ customers(filter: { lifecycleStage: OTHER }) { edges { cursor } } }', 'filter.lifecycleStage'],
  ['{ payments(filter: { createdFrom: "yesterday" }) { edges { cursor } } }', 'filter.createdFrom'],
  // amounts and currencies
  ...['"12,50"', '"-1"', '"0.00"', '"1e3"', '12.5', '12', '""', '"NaN"', '"0.001"', 'true'].map(
    (amount): readonly [string, string] => [
      `mutation { createPayment(input: { customerEmail: "a@b.example", amount: { amount: ${amount}, currency: "EUR" }, idempotencyKey: "k" }) { payment { id } } }`,
      'input.amount.amount',
    ],
  ),
  [PAY('').replace('"1", currency: "EUR"', '"1.5", currency: "JPY"'), 'input.amount.amount'],
  [PAY('').replace('"1", currency', '"999999999999999", currency'), 'input.amount.amount'],
  [PAY('').replace('EUR', 'EURO'), 'input.amount.currency'],
  [PAY('').replace('EUR', 'ZZZ'), 'input.amount.currency'],
  // keys and the rest
  [PAY('').replace('"k"', '""'), 'input.idempotencyKey'],
  [PAY('').replace('"k"', `"${'k'.repeat(201)}"`), 'input.idempotencyKey'],
  [PAY('').replace('"k"', '"two words"'), 'input.idempotencyKey'],
  [PAY('paymentMethodId: "tok/../x"'), 'input.paymentMethodId'],
  ['mutation { updateCustomer(input: { id: "101" }) { customer { id } } }', 'input'],
  ['mutation { updateDeal(input: { id: "50001", amount: "lots" }) { deal { id } } }', 'input.amount'],
  ['mutation { updateDeal(input: { id: "50001", closeDate: "31/12/2026" }) { deal { id } } }', 'input.closeDate'],
  ['mutation { setStock(input: { sku: "OABR-S" }) { product { sku } } }', 'input'],
  ['mutation { setStock(input: { sku: "OABR-S", quantity: -1 }) { product { sku } } }', 'input.quantity'],
  ['mutation { setStock(input: { sku: "OABR-S", quantity: 0.00001 }) { product { sku } } }', 'input.quantity'],
];

test.each(CASES.map(([query, argument], index) => ({ index, argument, query, start: query.slice(0, 100) })))(
  '$index: rejected for $argument without a provider request: $start',
  async ({ query, argument }) => {
    const { errors } = await stack.ask(query);
    expect(errors).toHaveLength(1);
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument });
    expect(errors?.[0]?.path).toHaveLength(1);
    expectNothingSent();
  },
);

test.each([
  ['999999999999999', 'EUR', 'is too large: at most 9999999999.99 EUR'],
  ['10000000000', 'EUR', 'is too large: at most 9999999999.99 EUR'],
  ['0.001', 'EUR', 'is finer than the smallest unit of EUR'],
  ['999999999999999.001', 'EUR', 'is finer than the smallest unit of EUR'],
])('%s %s: %s', async (amount, currency, problem) => {
  const query = PAY('').replace('"1", currency: "EUR"', `"${amount}", currency: "${currency}"`);
  const { errors } = await stack.ask(query);
  expect(errors?.map(({ message }) => message)).toEqual([`input.amount.amount: ${problem}`]);
  expectNothingSent();
});

test('given a Kelvin sign in the address of a payment’s customer, then no other customer is returned', async () => {
  const keiko = createCompany().people.find(({ email }) => email?.startsWith('k'));
  const email = keiko?.email?.replace('k', '\u212a');
  stack.stripe.fail({
    on: 'GET /v1/payment_intents',
    rewrite: (body) => {
      const { data, ...list } = JSON.parse(body);
      return JSON.stringify({ ...list, data: [{ ...data[0], customer: { ...data[0].customer, email } }] });
    },
  });
  // The sandbox, like any provider with Unicode case folding, matches the other address.
  const { data } = await stack.ask(
    '{ payments(first: 1) { edges { node { customer { lastName paymentAccounts { id } } } } } }',
  );
  expect(data).toEqual({
    payments: { edges: [{ node: { customer: { lastName: null, paymentAccounts: [] } } }] },
  });
});

test('given a malformed amount in a variable, then it is rejected in the same way', async () => {
  const { errors } = await stack.ask(
    'mutation M($input: RefundPaymentInput!) { refundPayment(input: $input) { refund { id } } }',
    { input: { paymentId: 'pi_3x', amount: { amount: 12.5, currency: 'EUR' }, idempotencyKey: 'k' } },
  );
  expect(errors?.[0]).toMatchObject({
    path: ['refundPayment'],
    extensions: { code: 'BAD_USER_INPUT', argument: 'input.amount.amount' },
  });
  expectNothingSent();
});

describe('a cursor of another list', () => {
  const cursorOf = async (list: string) => {
    const { data } = await stack.ask<Record<string, { pageInfo: { endCursor: string } }>>(
      `{ list: ${list} { pageInfo { endCursor } } }`,
    );
    stack.reset();
    return data?.['list']?.pageInfo.endCursor;
  };
  const SEARCH = 'filter: { lifecycleStage: CUSTOMER }';

  test.each([
    ['customers(first: 30)', 'payments'],
    ['customers(first: 30)', 'deals'],
    [`customers(first: 30, ${SEARCH})`, 'customers'],
    ['customers(first: 30)', `customers(${SEARCH})`],
    [`customers(first: 30, ${SEARCH})`, 'customers(filter: { lifecycleStage: LEAD })'],
    ['payments(first: 30)', 'payments(filter: { status: SUCCEEDED })'],
    ['deals(first: 30, filter: { status: WON })', 'deals(filter: { status: LOST })'],
  ])('from %s is rejected by %s without a provider request', async (from, to) => {
    const after = `after: "${await cursorOf(from)}"`;
    const list = to.includes('(') ? to.replace('(', `(${after}, `) : `${to}(${after})`;
    const { errors } = await stack.ask(`{ ${list} { edges { cursor } } }`);
    expect(errors?.map(({ extensions }) => extensions)).toMatchObject([{ code: 'BAD_USER_INPUT', argument: 'after' }]);
    expectNothingSent();
  });

  test('from a customer’s payments is rejected by their invoices', async () => {
    const who = 'customer(email: "chloe.bronte@customers.example")';
    const { data } = await stack.ask<{ customer: { payments: { pageInfo: { endCursor: string } } } }>(
      `{ ${who} { payments(first: 1) { pageInfo { endCursor } } } }`,
    );
    const { errors } = await stack.ask(
      `{ ${who} { invoices(after: "${data?.customer.payments.pageInfo.endCursor}") { edges { cursor } } } }`,
    );
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'after' });
    expect(stack.stripe.calls.map(({ operation }) => operation)).not.toContain('GET /v1/invoices');
  });
});

test('a cursor of another customer’s list is rejected', async () => {
  const page = await stack.ask<{ customer: { payments: { pageInfo: { endCursor: string } } } }>(
    '{ customer(email: "ada.lindqvist@customers.example") { payments(first: 1) { pageInfo { endCursor } } } }',
  );
  const { errors } = await stack.ask(
    `{ customer(email: "chloe.bronte@customers.example") { payments(after: "${page.data?.customer.payments.pageInfo.endCursor}") { edges { cursor } } } }`,
  );
  expect(errors?.[0]).toMatchObject({
    path: ['customer', 'payments'],
    extensions: { code: 'BAD_USER_INPUT', argument: 'after' },
  });
});

test.each([
  ['{ customer(', 'GRAPHQL_PARSE_FAILED', 400],
  ['{ nothing }', 'GRAPHQL_VALIDATION_FAILED', 400],
  ['query Q($id: ID!) { payment(id: $id) { id } }', 'BAD_USER_INPUT', 400],
  ['{ customers(first: "many") { edges { cursor } } }', 'GRAPHQL_VALIDATION_FAILED', 400],
  ['{ customers(filter: { lifecycleStage: RICH }) { edges { cursor } } }', 'GRAPHQL_VALIDATION_FAILED', 400],
])('%s is rejected with %s', async (query, code, status) => {
  const answer = await stack.ask(query);
  expect(answer.status).toBe(status);
  expect(answer.errors?.map(({ extensions }) => extensions?.['code'])).toEqual([code]);
  expectNothingSent();
});
