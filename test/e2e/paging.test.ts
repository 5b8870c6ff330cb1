import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import { type Stack, startStack } from '../helpers/stack.ts';

const company = createCompany();

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.close());
beforeEach(() => stack.reset());

type Page = {
  edges: { cursor: string; node: { id: string } }[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
};

const PARTS = 'edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }';

/** Reads a list to its end, as a client does. `ask` returns the page after a cursor. */
const readAll = async (ask: (after: string | null) => Promise<Page | undefined>) => {
  const pages: Page[] = [];
  let after: string | null = null;
  do {
    const page: Page | undefined = await ask(after);
    if (!page) throw new Error('The page is missing.');
    expect(page.pageInfo).toMatchObject({
      hasPreviousPage: after !== null,
      startCursor: page.edges[0]?.cursor ?? null,
      endCursor: page.edges.at(-1)?.cursor ?? null,
    });
    pages.push(page);
    after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
  } while (after !== null && pages.length < 1_000);
  return { pages, ids: pages.flatMap(({ edges }) => edges.map(({ node }) => node.id)) };
};

const list =
  (field: string, args = '') =>
  async (after: string | null, first = 20) => {
    const { data, errors } = await stack.ask<Record<string, Page>>(
      `query($after: String) { ${field}(first: ${first}, after: $after ${args}) { ${PARTS} } }`,
      { after },
    );
    expect(errors).toBeUndefined();
    return data?.[field];
  };

describe.each([
  ['customers', '', company.people.length],
  [
    'customers',
    'filter: { lifecycleStage: LEAD }',
    company.people.filter((one) => one.lifecycleStage === 'lead').length,
  ],
  ['customers', 'filter: { text: "lindqvist" }', company.people.filter((one) => one.lastName === 'Lindqvist').length],
  ['deals', '', company.deals.length],
  ['deals', 'filter: { status: LOST }', company.deals.filter((one) => one.stage === 'closedlost').length],
  ['deals', 'filter: { stage: "contractsent" }', company.deals.filter((one) => one.stage === 'contractsent').length],
  ['payments', '', company.accounts.flatMap((account) => account.payments).length],
  [
    'payments',
    'filter: { status: CANCELED }',
    company.accounts.flatMap((account) => account.payments).filter(({ status }) => status === 'canceled').length,
  ],
])('%s %s', (field, filter, count) => {
  test(`has ${count} items, each once, for any page size`, async () => {
    expect(count).toBeGreaterThan(3);
    const ask = list(field, filter);
    const small = await readAll((after) => ask(after, 37));
    // One provider page for each page.
    expect(stack.hubspot.calls.length + stack.stripe.calls.length).toBe(Math.ceil(count / 37));
    const large = await readAll((after) => ask(after, 100));
    expect(new Set(small.ids).size).toBe(count);
    expect(small.ids).toHaveLength(count);
    expect(large.ids).toEqual(small.ids);
  });

  test('can be continued after any edge, not only the last of a page', async () => {
    const ask = list(field, filter);
    const whole = await ask(null, 100);
    for (const index of [0, 1, 2]) {
      const rest = await ask(whole?.edges[index]?.cursor ?? '', 100);
      const ids = rest?.edges.map(({ node }) => node.id) ?? [];
      expect(ids.slice(0, 50)).toEqual(whole?.edges.slice(index + 1, index + 51).map(({ node }) => node.id));
    }
  });
});

test('given a time range, then only the payments in it are returned', async () => {
  const [from, before] = ['2026-03-01T00:00:00Z', '2026-05-01T00:00:00Z'];
  const { ids } = await readAll(list('payments', `filter: { createdFrom: "${from}", createdBefore: "${before}" }`));
  const expected = company.accounts
    .flatMap((account) => account.payments)
    .filter(({ createdAt }) => createdAt >= new Date(from) && createdAt < new Date(before));
  expect([...ids].sort()).toEqual(expected.map(({ id }) => id).sort());
});

test('given a time between two seconds, then no payment is in both ranges or in neither', async () => {
  const [{ createdAt } = { createdAt: new Date() }] = company.accounts.flatMap((account) => account.payments);
  const within = new Date(createdAt.getTime() + 500).toISOString();
  const countOf = async (filter: string) => (await readAll(list('payments', `filter: { ${filter} }`))).ids.length;
  const all = await countOf('');
  const [from, before] = [await countOf(`createdFrom: "${within}"`), await countOf(`createdBefore: "${within}"`)];
  const isEarlier = (one: { createdAt: Date }) => one.createdAt <= createdAt;
  expect([from + before, before]).toEqual([
    all,
    company.accounts.flatMap((account) => account.payments).filter(isEarlier).length,
  ]);
});

describe('a customer with two Stripe customers', () => {
  const owner = company.accounts.find(
    ({ email, id }) => email && company.accounts.some((other) => other.email === email && other.id !== id),
  );
  const accounts = company.accounts.filter(({ email }) => email === owner?.email);
  const newestFirst = accounts
    .flatMap((account) => account.payments)
    .sort((a, b) => +b.createdAt - +a.createdAt || (a.id < b.id ? 1 : -1))
    .map(({ id }) => id);

  const payments = async (after: string | null, first: number) => {
    const { data, errors } = await stack.ask<{ customer: { payments: Page } }>(
      `query($email: String!, $after: String) { customer(email: $email) { payments(first: ${first}, after: $after) { ${PARTS} } } }`,
      { email: owner?.email, after },
    );
    expect(errors).toBeUndefined();
    return data?.customer.payments;
  };

  test.each([1, 2, 3, 100])('has the payments of both, newest first, in pages of %i', async (first) => {
    expect(accounts).toHaveLength(2);
    const { ids } = await readAll((after) => payments(after, first));
    expect(ids).toEqual(newestFirst);
  });

  test('can be continued after any edge', async () => {
    const whole = await payments(null, 100);
    const rest = await payments(whole?.edges[2]?.cursor ?? '', 100);
    expect(rest?.edges.map(({ node }) => node.id)).toEqual(newestFirst.slice(3));
  });

  test('has both payment accounts, one balance and all invoices', async () => {
    const { data } = await stack.ask<{
      customer: { paymentAccounts: { id: string }[]; balance: object; invoices: Page };
    }>(
      `{ customer(email: "${owner?.email}") {
        paymentAccounts { id name } balance { currency } invoices(first: 1) { ${PARTS} }
      } }`,
    );
    expect(data?.customer.paymentAccounts.map(({ id }) => id)).toEqual(accounts.map(({ id }) => id));
    expect(data?.customer.balance).toEqual({ currency: owner?.currency.toUpperCase() });
    expect(data?.customer.invoices.pageInfo.hasNextPage).toBe(accounts.flatMap(({ invoices }) => invoices).length > 1);
  });
});

test('given two Stripe customers and a new payment, then it is returned despite the search lag', async () => {
  const behind = await startStack({ stripe: { searchLagMs: 3_600_000 } });
  const owner = company.accounts.find(
    ({ email, id }) => email && company.accounts.some((other) => other.email === email && other.id !== id),
  );
  const paid = await behind.ask<{ createPayment: { payment: { id: string } } }>(`mutation {
    createPayment(input: { customerEmail: "${owner?.email}", amount: { amount: "5", currency: "EUR" }, idempotencyKey: "two" }) { payment { id } }
  }`);
  const { data } = await behind.ask<{ customer: { payments: Page } }>(
    `{ customer(email: "${owner?.email}") { payments(first: 1) { ${PARTS} } } }`,
  );
  expect(data?.customer.payments.edges[0]?.node.id).toBe(paid.data?.createPayment.payment.id);
  await behind.close();
});

test('given a Stripe customer with capitals in its address, then its payments are returned', async () => {
  const account = company.accounts.find(({ email }) => email && email !== email.toLowerCase());
  const { data } = await stack.ask<{ customer: { payments: Page } }>(
    `{ customer(email: "${account?.email?.toLowerCase()}") { payments { ${PARTS} } } }`,
  );
  expect(data?.customer.payments.edges).toHaveLength(account?.payments.length ?? 0);
});

test('given a customer without an address, then payments and balance are empty, without a Stripe call', async () => {
  const nobody = company.people.find(({ email }) => email === null);
  const { data, errors } = await stack.ask(
    `{ customer(id: "${nobody?.id}") { email balance { amount } payments { ${PARTS} } } }`,
  );
  expect(errors).toBeUndefined();
  const pageInfo = { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null };
  expect(data).toEqual({ customer: { email: null, balance: null, payments: { edges: [], pageInfo } } });
  expect(stack.stripe.calls).toEqual([]);
});

test('a customer’s deals: newest first, page by page', async () => {
  const [ada] = company.people;
  const expected = company.deals
    .filter(({ personId }) => personId === ada?.id)
    .map(({ id }) => id)
    .reverse();
  const { ids } = await readAll(async (after) => {
    const { data } = await stack.ask<{ customer: { deals: Page } }>(
      `query($after: String) { customer(id: "${ada?.id}") { deals(first: 3, after: $after) { ${PARTS} } } }`,
      { after },
    );
    return data?.customer.deals;
  });
  expect(expected.length).toBeGreaterThan(6);
  expect(ids).toEqual(expected);
});

test('a custom stage is OTHER; a free-text line item has no product; an unknown SKU has no stock', async () => {
  const odd = company.people.find(({ lifecycleStage }) => lifecycleStage === '71240313');
  const free = company.deals.find(({ lineItems }) => lineItems.some(({ sku }) => sku === null));
  const gone = company.deals.find(({ lineItems }) => lineItems.some(({ sku }) => sku?.startsWith('GONE')));
  const { data, errors } = await stack.ask<{
    customer: object;
    free: { lineItems: { name: string; product: object | null }[] };
    gone: { lineItems: object[] };
  }>(`{
    customer(id: "${odd?.id}") { lifecycleStage }
    free: deal(id: "${free?.id}") { lineItems { name product { sku } } }
    gone: deal(id: "${gone?.id}") { lineItems { product { sku name stock { quantity } } } }
  }`);
  expect(errors).toBeUndefined();
  expect(data?.customer).toEqual({ lifecycleStage: 'OTHER' });
  expect(data?.free.lineItems.find(({ name }) => name === 'Delivery and assembly')?.product).toBeNull();
  expect(data?.gone.lineItems).toContainEqual({
    product: { sku: expect.stringMatching(/^GONE/), name: 'Discontinued fitting', stock: null },
  });
});
