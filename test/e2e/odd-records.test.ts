import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import { startOverHttp } from '../helpers/over-http.ts';
import { type Answer, type Ask, type Stack, startStack } from '../helpers/stack.ts';

/* An invalid record in a list is null, with an error at its path, and does not affect the other records. */

const company = createCompany();

let stack: Stack;
let overHttp: Pick<Stack, 'ask' | 'close'>;
beforeAll(async () => {
  stack = await startStack();
  overHttp = await startOverHttp(stack, {
    CACHE_MAX_MIB: '0',
    STRIPE_QUOTA: 'account=100000/1,endpoint=100000/1,search=100000/1',
    HUBSPOT_QUOTA: 'account=100000/1,search=100000/1',
  });
});
afterAll(async () => {
  await overHttp.close();
  await stack.close();
});
beforeEach(() => stack.reset());

type Json = Record<string, unknown>;
type Edge = { cursor: string; node: Json | null };
type Data = Record<string, { edges: Edge[]; pageInfo: { hasNextPage: boolean; endCursor: string } }>;

/** Changes the list in a response, under `data` or `results`. */
const edit = (change: (items: Json[]) => void) => (body: string) => {
  const answer = JSON.parse(body) as { data?: Json[]; results?: Json[] };
  change(answer.data ?? answer.results ?? []);
  return JSON.stringify(answer);
};

/** Sets a field of one item; undefined removes it. */
const set = (index: number, field: string, value: unknown) =>
  edit((items) => {
    const item = items[index];
    if (item) item[field] = value;
  });

const BAD = 'UPSTREAM_BAD_RESPONSE';
const errorsOf = ({ errors }: Answer<unknown>) =>
  errors?.map(({ path, extensions }) => [path?.join('.'), extensions?.['code']]);

const [ada] = company.accounts;

/** Lists, each with its operation and a function that makes its second item invalid. */
const LISTS: readonly (readonly [list: string, selection: string, on: string, odd: (body: string) => string])[] = [
  ['customers', 'id', 'GET /crm/objects/2026-09/contacts', set(1, 'createdAt', 12)],
  ['customers', 'id', 'GET /crm/objects/2026-09/contacts', set(1, 'properties', { email: 7 })],
  ['customers', 'id', 'GET /crm/objects/2026-09/contacts', set(1, 'id', undefined)],
  ['customers', 'id', 'GET /crm/objects/2026-09/contacts', edit((items) => void items.splice(1, 1, null as never))],
  ['customers(filter: { lifecycleStage: CUSTOMER })', 'id', 'contacts/search', set(1, 'createdAt', undefined)],
  [
    'deals',
    'id',
    'GET /crm/objects/2026-09/deals',
    set(1, 'properties', { amount: 'lots', deal_currency_code: 'EUR' }),
  ],
  ['deals(filter: { status: WON })', 'id', 'deals/search', set(1, 'createdAt', '')],
  ['payments', 'id', 'GET /v1/payment_intents', set(1, 'status', 'by_pigeon')],
  ['payments', 'id', 'GET /v1/payment_intents', set(1, 'created', 1e15)],
  ['payments', 'id', 'GET /v1/payment_intents', set(1, 'id', 7)],
  ['payments(filter: { status: SUCCEEDED })', 'id', 'payment_intents/search', set(1, 'amount', 'many')],
];

const inList = (list: string, args: string) =>
  list.includes('(') ? list.replace('(', `(${args}, `) : `${list}(${args})`;

describe.each(['in process', 'over HTTP'])('%s', (transport) => {
  const ask: Ask = (...args) => (transport === 'over HTTP' ? overHttp : stack).ask(...args);

  test.each(LISTS.map(([list, selection, on, odd], index) => ({ index, list, selection, on, odd })))(
    '$index: $list: given an invalid second record, then it is null, and paging continues after it',
    async ({ list, selection, on, odd }) => {
      const page = (args: string) =>
        ask<Data>(
          `{ list: ${inList(list, args)} { edges { cursor node { ${selection} } } pageInfo { hasNextPage endCursor } } }`,
        );
      const good = await page('first: 4');
      expect(good.errors).toBeUndefined();
      const nodes = good.data?.['list']?.edges.map(({ node }) => node) ?? [];
      expect(nodes).toHaveLength(4);

      stack[list.startsWith('payments') ? 'stripe' : 'hubspot'].fail({ on, rewrite: odd, times: 1 });
      const answer = await page('first: 4');
      const edges = answer.data?.['list']?.edges ?? [];
      expect(edges.map(({ node }) => node)).toEqual([nodes[0], null, nodes[2], nodes[3]]);
      expect(errorsOf(answer)).toEqual([['list.edges.1.node', BAD]]);

      const after = await page(`first: 2, after: "${edges[1]?.cursor}"`);
      expect(after.data?.['list']?.edges.map(({ node }) => node)).toEqual([nodes[2], nodes[3]]);
    },
  );

  test('given a page that ends with the invalid record, then the next page continues after it', async () => {
    const page = (args: string) =>
      ask<Data>(`{ payments(first: 2${args}) { edges { node { id } } pageInfo { endCursor } } }`);
    const four = await ask<Data>('{ payments(first: 4) { edges { node { id } } } }');
    stack.stripe.fail({ on: 'GET /v1/payment_intents', rewrite: set(1, 'status', 'by_pigeon'), times: 1 });
    const first = await page('');
    expect(first.data?.['payments']?.edges[1]?.node).toBeNull();
    const second = await page(`, after: "${first.data?.['payments']?.pageInfo.endCursor}"`);
    expect(second.data?.['payments']?.edges).toEqual(four.data?.['payments']?.edges.slice(2));
  });

  test.each([
    ['payments', 'GET /v1/payment_intents'],
    ['invoices', 'GET /v1/invoices'],
  ])('a customer’s %s: given an invalid one, then it is null, and paging continues after it', async (list, on) => {
    const owner = company.accounts.find(
      (account) =>
        account.email &&
        account[list as 'payments' | 'invoices'].length >= 2 &&
        company.accounts.filter(({ email }) => email?.toLowerCase() === account.email?.toLowerCase()).length === 1,
    );
    const page = (args: string) =>
      ask<{ customer: Data }>(
        `{ customer(email: "${owner?.email}") { ${list}(${args}) { edges { cursor node { id } } } } }`,
      );
    const good = (await page('first: 9')).data?.customer[list]?.edges ?? [];
    stack.stripe.fail({ on, rewrite: set(0, 'created', 'today'), times: 1 });
    const answer = await page('first: 9');
    const edges = answer.data?.customer[list]?.edges ?? [];
    expect(edges.map(({ node }) => node)).toEqual([null, ...good.slice(1).map(({ node }) => node)]);
    expect(errorsOf(answer)).toEqual([[`customer.${list}.edges.0.node`, BAD]]);
    expect((await page(`first: 9, after: "${edges[0]?.cursor}"`)).data?.customer[list]?.edges).toEqual(good.slice(1));
  });

  const big = company.deals.find(({ lineItems }) => lineItems.length >= 3);

  test('given an invalid line item of a deal, then it is null at its position', async () => {
    const ASK = `{ deal(id: "${big?.id}") { name lineItems { id } } }`;
    const good = await ask<{ deal: { name: string; lineItems: Json[] } }>(ASK);
    const lines = good.data?.deal.lineItems ?? [];
    const odd = lines[1]?.['id'];
    stack.hubspot.fail({
      on: 'line_items/batch/read',
      rewrite: edit((items) => {
        for (const item of items) if (item['id'] === odd) item['properties'] = { quantity: 'many' };
      }),
    });
    const answer = await ask<{ deal: { name: string; lineItems: Json[] } }>(ASK);
    expect(answer.data?.deal).toEqual({
      name: good.data?.deal.name,
      lineItems: lines.map((line, at) => (at === 1 ? null : line)),
    });
    expect(errorsOf(answer)).toEqual([['deal.lineItems.1', BAD]]);
  });

  test('given an invalid association of a deal, then its line item is null after the others', async () => {
    const ASK = `{ deal(id: "${big?.id}") { lineItems { id } } other: deal(id: "50001") { lineItems { id } } }`;
    const good = await ask<Record<string, { lineItems: Json[] }>>(ASK);
    stack.hubspot.fail({
      on: 'deals/line_items',
      rewrite: edit((items) => {
        for (const item of items) {
          if ((item['from'] as Json)['id'] === big?.id) (item['to'] as Json[])[1] = { toObjectId: 'x1' };
        }
      }),
    });
    const answer = await ask<Record<string, { lineItems: Json[] }>>(ASK);
    const lines = good.data?.['deal']?.lineItems ?? [];
    expect(answer.data?.['deal']?.lineItems).toEqual([lines[0], ...lines.slice(2), null]);
    expect(answer.data?.['other']).toEqual(good.data?.['other']);
    expect(errorsOf(answer)).toEqual([[`deal.lineItems.${lines.length - 1}`, BAD]]);
  });

  test('given an unreadable company association, then only that customer’s company is an error', async () => {
    stack.hubspot.fail({
      on: 'contacts/companies',
      rewrite: edit((items) => {
        for (const item of items) {
          if ((item['from'] as Json)['id'] === '101')
            item['to'] = [{ toObjectId: null }, { toObjectId: 9002, associationTypes: [] }];
        }
      }),
    });
    const answer = await ask('{ a: customer(id: "101") { company { id } } b: customer(id: "102") { company { id } } }');
    expect(answer.data).toMatchObject({ a: { company: null }, b: { company: { id: expect.any(String) } } });
    expect(errorsOf(answer)).toEqual([['a.company', BAD]]);
  });

  test.each([
    ['is invalid', (item: Json) => Object.assign(item, { createdAt: 1 })],
    ['has no id', (item: Json) => Object.assign(item, { id: undefined })],
    ['is a number', () => 7],
  ])('given a customer in a batch that %s, then it is an error and not "not found"', async (_, change) => {
    stack.hubspot.fail({
      on: 'contacts/batch/read',
      rewrite: edit((items) => {
        const at = items.findIndex(({ id }) => id === '102');
        items[at] = change(items[at] ?? {}) as Json;
      }),
    });
    const answer = await ask(
      '{ a: customer(id: "101") { id } b: customer(id: "102") { id } c: customer(id: "103") { id } d: customer(id: "99999") { id } }',
    );
    expect(answer.data).toEqual({ a: { id: '101' }, b: null, c: { id: '103' }, d: null });
    expect(errorsOf(answer)).toEqual([['b', BAD]]);
  });

  test('given a refund of unknown status, then it is null at its position', async () => {
    const paid = company.accounts
      .flatMap(({ payments }) => payments)
      .filter(({ status, refunds, amount }) => status === 'succeeded' && refunds.length === 0 && amount > 500);
    const id = paid[transport === 'over HTTP' ? 0 : 1]?.id;
    const money = company.accounts
      .find(({ payments }) => payments.some((one) => one.id === id))
      ?.currency.toUpperCase();
    for (const key of ['a', 'b', 'c']) {
      const input = `{ paymentId: "${id}", amount: { amount: "1", currency: "${money}" }, idempotencyKey: "${id}${key}" }`;
      expect((await ask(`mutation { refundPayment(input: ${input}) { refund { id } } }`)).errors).toBeUndefined();
    }
    const ASK = `{ payment(id: "${id}") { id refunds { id } } }`;
    const good = await ask<{ payment: { refunds: Json[] } }>(ASK);
    stack.stripe.fail({
      on: 'GET /v1/payment_intents/{id}',
      rewrite: (body) => {
        const payment = JSON.parse(body);
        payment.latest_charge.refunds.data[1].status = 'by_pigeon';
        return JSON.stringify(payment);
      },
    });
    const answer = await ask<{ payment: { refunds: Json[] } }>(ASK);
    const [first, , third] = good.data?.payment.refunds ?? [];
    expect(answer.data).toEqual({ payment: { id, refunds: [first, null, third] } });
    expect(errorsOf(answer)).toEqual([['payment.refunds.1', BAD]]);
  });
});

describe('given ten addresses searched together, when a Stripe customer', () => {
  const PAGE = `{ customers(first: 10) { edges { node { email balance { amount } paymentAccounts { id }
    payments(first: 2) { edges { node { id } } } } } } }`;
  type Page = { customers: { edges: { node: Json }[] } };

  // Not the first of the customers that are searched together.
  const owned = company.people.slice(3, 10).flatMap(({ email }) => {
    const accounts = company.accounts.filter((account) => account.email?.toLowerCase() === email);
    return accounts.length === 1 && email ? [{ email, account: accounts[0] }] : [];
  })[0];

  type Case = readonly [name: string, odd: Json, fields: readonly string[], codes: readonly string[]];

  test.each<Case>([
    // The fields that become null, by the invalid field of the account.
    ['has an invalid time', { created: 'today' }, ['balance', 'paymentAccounts.0'], [BAD, BAD]],
    ['has an invalid balance', { balance: 'lots' }, ['balance', 'paymentAccounts.0'], [BAD, BAD]],
    ['has no address', { email: 7 }, ['balance', 'paymentAccounts.0'], [BAD, BAD]],
    ['has no id', { id: 7 }, ['balance', 'paymentAccounts.0', 'payments'], [BAD, BAD, BAD]],
    ['has no balance', { balance: undefined }, [], []],
  ])('%s, then only its owner’s fields are affected', async (_, odd, fields, codes) => {
    const good = await stack.ask<Page>(PAGE);
    const index = good.data?.customers.edges.findIndex(({ node }) => node['email'] === owned?.email) ?? -1;
    expect(index).toBeGreaterThanOrEqual(0);
    stack.reset();
    stack.stripe.fail({
      on: 'customers/search',
      rewrite: edit((items) => {
        for (const item of items) if (item['id'] === owned?.account?.id) Object.assign(item, odd);
      }),
    });
    const answer = await stack.ask<Page>(PAGE);
    expect(errorsOf(answer)?.sort() ?? []).toEqual(
      fields.map((field, at) => [`customers.edges.${index}.node.${field}`, codes[at]]),
    );
    const others = (page: Answer<Page>) => page.data?.customers.edges.filter((edge, at) => edge && at !== index);
    expect(others(answer)).toEqual(others(good));
    const owner = answer.data?.customers.edges[index]?.node;
    expect(owner?.['balance']).toBeNull();
    if (!fields.includes('payments')) {
      expect(owner?.['payments']).toEqual(good.data?.customers.edges[index]?.node['payments']);
    }
  });
});

describe('values that the provider’s description does not require', () => {
  const without = (field: string) => (body: string) => {
    const object = JSON.parse(body);
    delete object[field];
    return JSON.stringify(object);
  };
  const id = ada?.payments.find(({ refunds }) => refunds.length > 0)?.id;
  const ASK = `{ payment(id: "${id}") { id status amount { amount } amountReceived { amount } amountRefunded { amount }
    customer { email } refunds { id } } }`;

  test.each([
    ['amount', { amount: null }],
    ['amount_received', { amountReceived: null }],
    ['currency', { amount: null, amountReceived: null, amountRefunded: null }],
    ['customer', { customer: null }],
    ['description', {}],
    // The refunds can still be listed.
    ['latest_charge', { amountRefunded: null }],
  ])('given a payment without %s, then only its fields are null', async (field, nulls) => {
    const good = await stack.ask<{ payment: Json }>(ASK);
    stack.stripe.fail({ on: 'GET /v1/payment_intents/{id}', rewrite: without(field) });
    const { data, errors } = await stack.ask<{ payment: Json }>(ASK);
    expect(errors).toBeUndefined();
    expect(data?.payment).toEqual({ ...good.data?.payment, ...nulls });
  });

  test('given a payment’s customer as an id only, then it is an error and not just null', async () => {
    stack.stripe.fail({
      on: 'GET /v1/payment_intents/{id}',
      rewrite: (body) => JSON.stringify({ ...JSON.parse(body), customer: ada?.id }),
    });
    const answer = await stack.ask<{ payment: Json }>(ASK);
    expect(answer.data?.payment).toMatchObject({ id, customer: null });
    expect(errorsOf(answer)).toEqual([['payment.customer', BAD]]);
  });

  test('given a payment without a currency, then a partial refund is rejected', async () => {
    stack.stripe.fail({ on: 'GET /v1/payment_intents/{id}', rewrite: without('currency') });
    const answer = await stack.ask(`mutation { refundPayment(input: {
      paymentId: "${id}", amount: { amount: "1", currency: "EUR" }, idempotencyKey: "no-currency"
    }) { refund { id } } }`);
    expect(errorsOf(answer)).toEqual([['refundPayment', BAD]]);
    expect(stack.stripe.calls.filter(({ operation }) => operation.startsWith('POST'))).toEqual([]);
  });

  test('given HubSpot records without properties, then fields are null, the deal’s status included', async () => {
    const bare = edit((items) => {
      for (const item of items) item['properties'] = {};
    });
    stack.hubspot.fail({ rewrite: bare });
    const { data, errors } = await stack.ask(`{
      customers(first: 2) { edges { node { id email firstName lifecycleStage } } }
      deals(first: 1) { edges { node { id name status amount { amount } closeDate } } }
    }`);
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      customers: {
        edges: ['101', '102'].map((one) => ({ node: { id: one, email: null, firstName: null, lifecycleStage: null } })),
      },
      deals: { edges: [{ node: { id: '50001', name: null, status: null, amount: null, closeDate: null } }] },
    });
  });
});

test('given 4 million invalid items in one response, then the list is an error and memory stays flat', async () => {
  const before = process.memoryUsage().rss;
  const items = `[${'1,'.repeat(4_000_000 - 10)}1]`;
  stack.stripe.fail({ on: 'GET /v1/payment_intents', rewrite: () => `{"data":${items},"has_more":false}` });
  stack.hubspot.fail({ on: 'GET', rewrite: () => `{"results":${items}}` });
  const answer = await stack.ask('{ payments { edges { cursor } } customers { edges { cursor } } }');
  expect(errorsOf(answer)?.sort()).toEqual([
    ['customers', BAD],
    ['payments', BAD],
  ]);
  expect((process.memoryUsage().rss - before) / 1e6).toBeLessThan(600);
});
