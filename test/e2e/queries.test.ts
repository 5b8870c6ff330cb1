import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CustomersDocument, PaymentDocument, ProductsDocument } from '../../clients/explorer/src/generated/graphql.ts';
import { CustomerOverviewDocument } from '../../clients/web/src/generated/graphql.ts';
import { createCompany } from '../../sandbox/company.ts';
import { operationsOf, type Stack, startStack } from '../helpers/stack.ts';

const company = createCompany();
const EMAIL = 'ada.lindqvist@customers.example';
const [ada] = company.people;
const adasAccount = company.accounts.find(({ email }) => email === EMAIL);

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.close());
beforeEach(() => stack.reset());

describe('CustomerOverview', () => {
  test('given one customer, then the response combines all three providers', async () => {
    const { data, errors } = await stack.ask(CustomerOverviewDocument, { email: EMAIL });

    expect(errors).toBeUndefined();
    const customer = data?.customer;
    expect(customer).toMatchObject({
      id: ada?.id,
      email: EMAIL,
      firstName: 'Ada',
      lastName: 'Lindqvist',
      lifecycleStage: 'CUSTOMER',
      company: { id: '9001', name: 'Uppsala Joinery', domain: 'uppsala-joinery-0.example' },
      balance: { amount: ((adasAccount?.balance ?? 0) / 100).toFixed(2), currency: 'SEK' },
    });
    const payments = customer?.payments?.edges.map(({ node }) => node) ?? [];
    const newestFirst = [...(adasAccount?.payments ?? [])].sort((a, b) => +b.createdAt - +a.createdAt);
    expect(payments.map((payment) => payment?.id)).toEqual(newestFirst.map(({ id }) => id));
    expect(payments.at(-1)?.refunds).toEqual(
      newestFirst.at(-1)?.refunds.map(({ id, amount }) => ({
        id,
        status: 'SUCCEEDED',
        createdAt: expect.any(String),
        amount: { amount: (amount / 100).toFixed(2), currency: 'SEK' },
      })),
    );
    const deals = customer?.deals?.edges.map(({ node }) => node) ?? [];
    expect(deals).toHaveLength(5);
    const line = deals[0]?.lineItems?.[0];
    const product = company.products.find(({ sku }) => sku === line?.product?.sku);
    expect(line?.product).toEqual({
      sku: product?.sku,
      name: product?.name,
      stock: {
        quantity: Math.max(0, product?.quantity ?? 0),
        inStock: product?.quantity !== 0,
        backorders: Math.max(0, -(product?.quantity ?? 0)),
      },
    });
  });

  test('given one customer, then HubSpot gets 7 calls, Stripe 2, and the shop 1 besides the login', async () => {
    await stack.ask(CustomerOverviewDocument, { email: EMAIL });

    expect(operationsOf(stack.hubspot)).toEqual([
      'POST /crm/associations/2026-09/contacts/companies/batch/read',
      'POST /crm/associations/2026-09/contacts/deals/batch/read',
      'POST /crm/associations/2026-09/deals/line_items/batch/read',
      'POST /crm/objects/2026-09/companies/batch/read',
      'POST /crm/objects/2026-09/contacts/batch/read',
      'POST /crm/objects/2026-09/deals/batch/read',
      'POST /crm/objects/2026-09/line_items/batch/read',
    ]);
    expect(operationsOf(stack.stripe)).toEqual(['GET /v1/customers/search', 'GET /v1/payment_intents']);
    // Uses the session of the first test.
    expect(operationsOf(stack.openmage)).toEqual(['catalogInventoryStockItemList']);
  });

  test('given an address in different case, then the same customer is returned', async () => {
    const { data } = await stack.ask(CustomerOverviewDocument, { email: ' ADA.Lindqvist@Customers.EXAMPLE' });
    expect(data?.customer?.id).toBe(ada?.id);
  });

  test('given an unknown address, then null is returned after one call', async () => {
    const { data, errors } = await stack.ask(CustomerOverviewDocument, { email: 'nobody@customers.example' });
    expect({ data, errors }).toEqual({ data: { customer: null }, errors: undefined });
    expect([...operationsOf(stack.hubspot), ...operationsOf(stack.stripe)]).toEqual([
      'POST /crm/objects/2026-09/contacts/batch/read',
    ]);
  });
});

describe('Customers', () => {
  test('given 50 customers, then HubSpot gets 3 calls, and Stripe one search per ten customers', async () => {
    const { data, errors } = await stack.ask(CustomersDocument);

    expect(errors).toBeUndefined();
    const customers = data?.customers?.edges.flatMap(({ node }) => node ?? []) ?? [];
    expect(customers).toHaveLength(50);
    expect(data?.customers?.pageInfo.hasNextPage).toBe(true);
    for (const customer of customers) {
      const accounts = company.accounts.filter(({ email }) => email && email.toLowerCase() === customer.email);
      const payments = accounts
        .flatMap((account) => account.payments)
        .sort((a, b) => +b.createdAt - +a.createdAt || (a.id < b.id ? 1 : -1));
      expect(customer.payments?.edges.map(({ node }) => node?.status)).toEqual(
        payments.slice(0, 3).map(({ status }) => status.toUpperCase()),
      );
    }
    expect(operationsOf(stack.hubspot)).toEqual([
      'POST /crm/associations/2026-09/contacts/companies/batch/read',
      'POST /crm/objects/2026-09/companies/batch/read',
      'POST /crm/objects/2026-09/contacts/search',
    ]);
    const emails = new Set(customers.flatMap(({ email }) => email ?? []));
    const accounts = company.accounts.filter(({ email }) => emails.has(email?.toLowerCase() ?? ''));
    const searches = operationsOf(stack.stripe);
    expect(searches.filter((call) => call === 'GET /v1/customers/search')).toHaveLength(Math.ceil(emails.size / 10));
    expect(searches.filter((call) => call === 'GET /v1/payment_intents/search')).toHaveLength(
      Math.ceil(accounts.length / 10),
    );
    expect(searches).toHaveLength(Math.ceil(emails.size / 10) + Math.ceil(accounts.length / 10));
  });
});

test('given an incomplete search result, then payments are listed per Stripe customer', async () => {
  const whole = await stack.ask(CustomersDocument);
  stack.reset();
  stack.stripe.fail({
    on: 'payment_intents/search',
    rewrite: (body) => {
      const answer = JSON.parse(body) as { data: object[] };
      return JSON.stringify({ ...answer, data: answer.data.slice(5), has_more: true, next_page: 'x' });
    },
  });
  const { data, errors } = await stack.ask(CustomersDocument);
  expect(errors).toBeUndefined();
  expect(data).toEqual(whole.data);
  expect(operationsOf(stack.stripe).filter((call) => call === 'GET /v1/payment_intents').length).toBeGreaterThan(40);
});

describe('Products', () => {
  test('given an unknown and a repeated SKU, then products are in the requested order, after one call', async () => {
    const skus = ['ZIWA-XL', 'NO-SUCH', 'OABR-S', 'ZIWA-XL'];
    const { data, errors } = await stack.ask(ProductsDocument, { skus });

    expect(errors).toBeUndefined();
    expect(data?.products?.map((product) => product?.sku)).toEqual(['ZIWA-XL', undefined, 'OABR-S', 'ZIWA-XL']);
    expect(data?.products?.[1]).toBeNull();
    expect(stack.openmage.calls.map(({ operation, keys }) => [operation, keys])).toEqual([
      ['catalogInventoryStockItemList', ['ZIWA-XL', 'NO-SUCH', 'OABR-S']],
    ]);
  });

  test('given 450 SKUs, then three calls of at most 200 are made', async () => {
    const skus = company.products.slice(0, 450).map(({ sku }) => sku);
    const { data } = await stack.ask(ProductsDocument, { skus });
    expect(data?.products?.map((product) => product?.sku)).toEqual(skus);
    expect(stack.openmage.calls.map(({ keys }) => keys.length)).toEqual([200, 200, 50]);
  });

  test('given names of several products, then one call reads the catalogue', async () => {
    const { data } = await stack.ask<{ products: unknown }>('{ products(skus: ["OABR-S", "OABR-M"]) { name } }');
    expect(data?.products).toEqual([{ name: 'Oak bracket, S' }, { name: 'Oak bracket, M' }]);
    expect(operationsOf(stack.openmage)).toEqual(['catalogInventoryStockItemList', 'catalogProductList']);
  });
});

describe('payment', () => {
  test('given a payment with its customer and company, then Stripe gets 1 call and HubSpot 3', async () => {
    const payment = adasAccount?.payments[0];
    const { data, errors } = await stack.ask(PaymentDocument, { id: payment?.id ?? '' });

    expect(errors).toBeUndefined();
    expect(data?.payment).toEqual({
      amount: { amount: ((payment?.amount ?? 0) / 100).toFixed(2), currency: 'SEK', minorUnits: payment?.amount },
      customer: { lastName: 'Lindqvist', company: { name: 'Uppsala Joinery' } },
    });
    expect(operationsOf(stack.stripe)).toEqual(['GET /v1/payment_intents/{id}']);
    expect(operationsOf(stack.hubspot)).toHaveLength(3);
  });

  test.each([
    ['jpy', /^\d+$/, 1],
    ['kwd', /^\d+\.\d{3}$/, 1000],
  ])('given a payment in %s, then the amount has the currency’s decimals', async (currency, digits, perMajor) => {
    const payment = company.accounts.find((account) => account.currency === currency)?.payments[0];
    const { data } = await stack.ask(PaymentDocument, { id: payment?.id ?? '' });
    expect(data?.payment?.amount?.amount).toMatch(digits);
    expect(Number(data?.payment?.amount?.amount) * perMajor).toBeCloseTo(payment?.amount ?? 0, 6);
    expect(data?.payment?.amount?.minorUnits).toBe(payment?.amount);
  });

  test('given an unknown id, then null is returned without an error', async () => {
    const { data, errors } = await stack.ask(PaymentDocument, { id: 'pi_3doesnotexist' });
    expect({ data, errors }).toEqual({ data: { payment: null }, errors: undefined });
  });
});

test('given unknown ids of all types, then null is returned without an error', async () => {
  const { data, errors } = await stack.ask(
    '{ customer(id: "1") { id } company(id: "1") { id } deal(id: "1") { id } invoice(id: "in_1x") { id } product(sku: "X") { sku } }',
  );
  expect({ data, errors }).toEqual({
    data: { customer: null, company: null, deal: null, invoice: null, product: null },
    errors: undefined,
  });
});

test('given the same fields at several paths, then they are fetched once', async () => {
  const { data } = await stack.ask<Record<string, { company: { name: string } }>>(
    '{ a: customer(id: "101") { company { name } } b: customer(id: "101") { company { name } } c: customer(id: "102") { company { name } } }',
  );
  expect(data?.['a']).toEqual(data?.['b']);
  expect(operationsOf(stack.hubspot)).toHaveLength(3);
});

test('given two fetches to one subgraph in one request, then the second reuses what the first has loaded', async () => {
  const payment = adasAccount?.payments[0];
  const { data, errors } = await stack.ask<Record<string, object>>(
    `{ customer(id: "101") { company { name } } payment(id: "${payment?.id}") { customer { company { name } } } }`,
  );
  expect(errors).toBeUndefined();
  expect(data?.['payment']).toEqual({ customer: data?.['customer'] });
  // The customer by id and by address; the association and the company once each.
  expect(operationsOf(stack.hubspot)).toHaveLength(4);
});

test('given a customer with two companies, then the primary one is returned', async () => {
  const [dealer] = company.people.filter(({ otherOrganisationId }) => otherOrganisationId !== null);
  const { data } = await stack.ask(`{ customer(id: "${dealer?.id}") { company { id } } }`);
  expect(data).toEqual({ customer: { company: { id: dealer?.organisationId } } });
});

test('given more associations than one response holds, then all are read', async () => {
  const paged = await startStack({ hubspot: { associationsPerPage: 3 } });
  const { data } = await paged.ask<{ customer: { deals: { edges: object[] } } }>(
    '{ customer(id: "101") { deals(first: 100) { edges { cursor } } } }',
  );
  expect(data?.customer.deals.edges).toHaveLength(company.deals.filter(({ personId }) => personId === '101').length);
  expect(operationsOf(paged.hubspot).filter((call) => call.includes('associations'))).toHaveLength(3);
  await paged.close();
});

test('given 30 deals with customers, companies and line items, then each kind costs one call', async () => {
  const { data, errors } = await stack.ask<{ deals: { edges: { node: { customers: object[] } }[] } }>(
    '{ deals(first: 30) { edges { node { customers { id } company { name } lineItems { name } } } } }',
  );
  expect(errors).toBeUndefined();
  expect(data?.deals.edges.every(({ node }) => node.customers.length === 1)).toBe(true);
  expect(operationsOf(stack.hubspot)).toEqual([
    'GET /crm/objects/2026-09/deals',
    'POST /crm/associations/2026-09/deals/companies/batch/read',
    'POST /crm/associations/2026-09/deals/contacts/batch/read',
    'POST /crm/associations/2026-09/deals/line_items/batch/read',
    'POST /crm/objects/2026-09/companies/batch/read',
    'POST /crm/objects/2026-09/contacts/batch/read',
    'POST /crm/objects/2026-09/line_items/batch/read',
  ]);
});

test('an invoice has its customer, number and status', async () => {
  const account = company.accounts.find(({ invoices, email }) => invoices.length > 1 && email);
  const invoice = account?.invoices[0];
  const { data, errors } = await stack.ask(
    `{ invoice(id: "${invoice?.id}") { number status total { minorUnits } dueDate customer { email lastName } } }`,
  );
  expect(errors).toBeUndefined();
  expect(data).toMatchObject({
    invoice: {
      number: invoice?.number,
      status: 'PAID',
      total: { minorUnits: invoice?.total },
      dueDate: invoice?.dueDate.toISOString(),
      customer: { email: account?.email?.toLowerCase(), lastName: expect.any(String) },
    },
  });
});
