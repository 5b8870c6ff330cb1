import { execute, parse } from 'graphql';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createInfrastructure } from '../../connectors/infrastructure.ts';
import { createCompany, type Person } from '../../sandbox/company.ts';
import { subgraphs } from '../../subgraphs/index.ts';
import { type Identity, UNRESTRICTED } from '../../subgraphs/kit/identity.ts';
import { createRequestOptions } from '../../subgraphs/kit/request-options.ts';
import {
  ADMINISTRATOR,
  customer,
  customerWithAllScopes,
  type PeopleGateway,
  startGatewayForPeople,
} from '../helpers/people.ts';
import { type Ask, codesOf, operationsOf, type Stack, startStack } from '../helpers/stack.ts';

/* A customer's own view of each domain: what is read for it, and what the crawl of the sample data does not show. */

const company = createCompany();
const [ada, other] = company.people as readonly Person[] as readonly [Person, Person];
const accountOf = ({ email }: Person) => company.accounts.find((account) => account.email === email);
const dealOf = ({ id }: Person) => company.deals.find(({ personId }) => personId === id);

let stack: Stack;
let gateway: PeopleGateway;
let asAda: Ask;
let asAdmin: Ask;
beforeAll(async () => {
  stack = await startStack();
  gateway = await startGatewayForPeople(stack.env);
  asAda = gateway.as(customer(ada.email ?? ''));
  asAdmin = gateway.as(ADMINISTRATOR);
});
afterAll(async () => {
  await gateway.close();
  await stack.close();
});
beforeEach(() => stack.reset());

const invoiced = company.people.find((person) => person !== ada && accountOf(person)?.invoices.length) as Person;

/** Lookups of another customer's records, each with one of a record that does not exist. */
const LOOKUPS = [
  ['customer by id', `customer(id: "${other.id}") { firstName }`, 'customer(id: "999999") { firstName }'],
  [
    'customer by address',
    `customer(email: "${other.email}") { firstName payments { edges { cursor } } }`,
    'customer(email: "nobody@customers.example") { firstName payments { edges { cursor } } }',
  ],
  ['company', `company(id: "${other.organisationId}") { name }`, 'company(id: "999999") { name }'],
  ['deal', `deal(id: "${dealOf(other)?.id}") { name }`, 'deal(id: "999999") { name }'],
  ['payment', `payment(id: "${accountOf(other)?.payments[0]?.id}") { status }`, 'payment(id: "pi_3no") { status }'],
  ['invoice', `invoice(id: "${accountOf(invoiced)?.invoices[0]?.id}") { status }`, 'invoice(id: "in_1no") { status }'],
] as const;

describe.each(LOOKUPS)('another customer’s %s', (_, theirs, absent) => {
  const look = async (ask: Ask, query: string) => {
    stack.reset();
    const { text } = await ask(`{ it: ${query} }`);
    return [text, ...Object.values(stack.sandboxes).map(operationsOf)];
  };

  test('is answered as one that does not exist, with the same provider calls', async () => {
    expect((await look(asAdmin, theirs))[0]).not.toContain('null');
    const [text, ...calls] = await look(asAda, theirs);
    expect(text).toBe('{"data":{"it":null}}\n');
    expect([text, ...calls]).toEqual(await look(asAda, absent));
  });

  test('is answered so too when it is cached and no provider responds', async () => {
    const cached = await startGatewayForPeople({ ...stack.env, CACHE_MAX_MIB: '16' });
    await cached.as(ADMINISTRATOR)(`{ it: ${theirs} }`);
    for (const sandbox of Object.values(stack.sandboxes)) sandbox.fail({ status: 500 });
    const ask = cached.as(customer(ada.email ?? ''));
    const [{ text }, { text: expected }] = [await ask(`{ it: ${theirs} }`), await ask(`{ it: ${absent} }`)];
    expect(text).toBe(expected);
    await cached.close();
  });
});

type Page = { edges: { cursor: string; node: Record<string, unknown> }[]; pageInfo: { hasNextPage: boolean } };

/** Reads a whole list, a page at a time. */
const readList = async (ask: Ask, list: string, args: string, selection: string, first = 2) => {
  const nodes: unknown[] = [];
  for (let after = ''; ; ) {
    const paging = `first: ${first}${after && `, after: "${after}"`}`;
    const { data, errors } = await ask<{ it: Page }>(
      `{ it: ${list}(${paging}${args && `, ${args}`}) { edges { cursor node { ${selection} } } pageInfo { hasNextPage } } }`,
    );
    expect(errors).toBeUndefined();
    const { edges = [], pageInfo } = data?.it ?? {};
    nodes.push(...edges.map(({ node }) => node));
    if (!pageInfo?.hasNextPage) return nodes;
    after = edges.at(-1)?.cursor ?? '';
  }
};

describe('a customer’s lists', () => {
  const own = {
    payments: new Set(accountOf(ada)?.payments.map(({ id }) => id)),
    deals: new Set(company.deals.filter(({ personId }) => personId === ada.id).map(({ id }) => id)),
    customers: new Set([ada.id]),
  };

  test.each([
    ['payments', ''],
    ['payments', 'filter: { status: SUCCEEDED }'],
    ['payments', 'filter: { status: REQUIRES_CONFIRMATION }'],
    ['payments', 'filter: { createdFrom: "2026-04-01T00:00:00Z", createdBefore: "2026-08-01T00:00:00Z" }'],
    ['deals', ''],
    ['deals', 'filter: { status: WON }'],
    ['deals', 'filter: { status: LOST, text: "spare" }'],
    ['deals', 'filter: { stage: "contractsent" }'],
    ['deals', 'filter: { text: "LINDQVIST parts" }'],
    ['customers', ''],
    ['customers', 'filter: { lifecycleStage: CUSTOMER }'],
    ['customers', 'filter: { lifecycleStage: LEAD }'],
    ['customers', 'filter: { text: "ada customers.example" }'],
    ['customers', 'filter: { text: "nobody" }'],
  ] as const)('%s(%s): those of the list of all that are the customer’s', async (list, args) => {
    const all = (await readList(asAdmin, list, args, 'id createdAt', 100)) as { id: string; createdAt: string }[];
    const expected = all.filter(({ id }) => own[list].has(id));
    // Deals are listed in the order of their creation, a customer's own newest first.
    if (list === 'deals') expected.reverse();
    expect(await readList(asAda, list, args, 'id createdAt')).toEqual(expected);
  });

  test('the filters above select some of the records', async () => {
    expect((await readList(asAda, 'deals', 'filter: { status: WON }', 'id')).length).toBeGreaterThan(0);
    expect((await readList(asAda, 'payments', 'filter: { status: SUCCEEDED }', 'id')).length).toBeGreaterThan(1);
  });

  test.each(['customers', 'deals', 'payments'])('a cursor of the list of all %s is refused', async (list) => {
    const { data } = await asAdmin<{ it: Page }>(`{ it: ${list}(first: 1) { edges { cursor } } }`);
    const after = data?.it.edges[0]?.cursor;
    const { errors } = await asAda(`{ it: ${list}(first: 1, after: "${after}") { edges { cursor } } }`);
    expect(codesOf(errors)).toEqual([['BAD_USER_INPUT', undefined]]);
  });

  test('an own record that cannot be read is an error, and the others are found', async () => {
    const [odd, good] = [...own.payments];
    stack.stripe.fail({ on: 'GET /v1/payment_intents', rewrite: (body) => body.replace(`"${odd}"`, '7') });
    const { data, errors } = await asAda(`{ odd: payment(id: "${odd}") { id } good: payment(id: "${good}") { id } }`);
    expect(data).toEqual({ odd: null, good: { id: good } });
    expect(codesOf(errors)).toEqual([['UPSTREAM_BAD_RESPONSE', undefined]]);
  });

  test('a deal with several buyers shows the customer alone', async () => {
    const shared = dealOf(other)?.id;
    stack.hubspot.fail({
      on: 'contacts/deals/batch/read',
      rewrite: (body) => body.replace(/"to":\[/, `"to":[{"toObjectId":"${shared}","associationTypes":[]},`),
    });
    const { data, errors } = await asAda(`{ deal(id: "${shared}") { id customers { id } company { id } } }`);
    expect(errors).toBeUndefined();
    const expected = { id: shared, customers: [{ id: ada.id }], company: { id: other.organisationId } };
    expect(data).toEqual({ deal: expected });
  });
});

test('an invoice that names an earlier address of the customer does not lead to that customer', async () => {
  const { email } = invoiced;
  const [invoice] = accountOf(invoiced)?.invoices ?? [];
  stack.stripe.fail({
    on: 'GET /v1/invoices',
    rewrite: (body) => body.replaceAll(`"customer_email":"${email}"`, `"customer_email":"${ada.email}"`),
  });
  const ask = gateway.as(customer(email ?? ''));
  const { data } = await ask(`{ invoice(id: "${invoice?.id}") { id customer { email } } }`);
  expect(data).toEqual({ invoice: { id: invoice?.id, customer: null } });
});

describe('references from other subgraphs', () => {
  const executeAs = async (identity: Identity, name: string, representation: object, selection: string) => {
    const subgraph = subgraphs
      .find((one) => one.name === name)
      ?.create(stack.env, createInfrastructure({ cacheBytes: 0 }));
    if (!subgraph) throw new Error(`There is no subgraph ${name}.`);
    const { call } = createRequestOptions({
      signal: AbortSignal.timeout(60_000),
      deadlineAt: Number.POSITIVE_INFINITY,
      noCache: false,
      report: undefined,
      reportMaxAge: false,
    });
    const { schema, createContext, close } = subgraph;
    const document = parse(`query ($of: [_Any!]!) { _entities(representations: $of) { ${selection} } }`);
    const contextValue = { ...createContext(call, identity), stale: [] };
    const result = await execute({ schema, document, variableValues: { of: [representation] }, contextValue });
    await close();
    return JSON.parse(JSON.stringify(result));
  };
  const CRM = '... on Customer { id firstName company { id } deals { edges { node { id } } } }';
  const PAYMENTS = `... on Customer {
    balance { amount } balances { amount } paymentAccounts { id }
    payments { edges { node { id } } } invoices { edges { node { id } } } }`;

  test.each([
    ['crm', { __typename: 'Customer', id: other.id }, { __typename: 'Customer', id: '999999' }, CRM],
    ['crm', { __typename: 'Customer', email: other.email }, { __typename: 'Customer', email: 'no@body.example' }, CRM],
    ['crm', { __typename: 'Deal', id: dealOf(other)?.id }, { __typename: 'Deal', id: '999999' }, '... on Deal { id }'],
    [
      'crm',
      { __typename: 'Company', id: other.organisationId },
      { __typename: 'Company', id: '999999' },
      '... on Company { id }',
    ],
    [
      'payments',
      { __typename: 'Customer', email: other.email },
      { __typename: 'Customer', email: 'no@body.example' },
      PAYMENTS,
    ],
  ])('%s: %j is answered as %j', async (subgraph, theirs, absent, selection) => {
    const identity = customer(ada.email ?? '');
    const answer = await executeAs(identity, subgraph, theirs, selection);
    expect(answer).toEqual(await executeAs(identity, subgraph, absent, selection));
    expect(answer).not.toEqual(await executeAs(UNRESTRICTED, subgraph, theirs, selection));
  });
});

describe('writes of a customer with all scopes', () => {
  const [payment] = accountOf(ada)?.payments ?? [];
  const money = '{ amount: "1", currency: "SEK" }';

  test.each([
    ['createCustomer(input: { email: "ada.two@customers.example" })'],
    [`updateCustomer(input: { id: "${ada.id}", phone: "1" })`],
    [`updateDeal(input: { id: "${dealOf(ada)?.id}", name: "Mine" })`],
    ['setStock(input: { sku: "OABR-S", quantity: 1 })'],
    [`createPayment(input: { customerEmail: "${ada.email}", amount: ${money}, idempotencyKey: "own-1" })`],
    [`capturePayment(input: { paymentId: "${payment?.id}", idempotencyKey: "own-2" })`],
    [`cancelPayment(input: { paymentId: "${payment?.id}", idempotencyKey: "own-3" })`],
    [`refundPayment(input: { paymentId: "${payment?.id}", idempotencyKey: "own-4" })`],
  ])('%s is refused, and no provider is called', async (mutation) => {
    const ask = gateway.as(customerWithAllScopes(ada.email ?? ''));
    const { data, errors } = await ask(`mutation { it: ${mutation} { __typename } }`);
    expect(data).toEqual({ it: null });
    expect(codesOf(errors)).toEqual([['FORBIDDEN', undefined]]);
    expect(Object.values(stack.sandboxes).flatMap(operationsOf)).toEqual([]);
  });
});
