import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCompany, type Person } from '../../sandbox/company.ts';
import { leavesOf, selectAll } from '../helpers/crawl.ts';
import { NO_ANSWER_LIMITS } from '../helpers/no-limits.ts';
import {
  ADMINISTRATOR,
  customer,
  customerWithAllScopes,
  type PeopleGateway,
  startGatewayForPeople,
} from '../helpers/people.ts';
import { fieldsWith } from '../helpers/scopes.ts';
import { type Answer, type Ask, type Stack, startStack } from '../helpers/stack.ts';

/*
 * Customers ask for everything that the graph reaches, with the ids of all records of the sample company. Each gets their own
 * records as an administrator sees them, and every other record as one that does not exist.
 */

const company = createCompany();

let stack: Stack;
let gateway: PeopleGateway;
beforeAll(async () => {
  stack = await startStack();
  // All people share what is cached.
  gateway = await startGatewayForPeople({ ...stack.env, ...NO_ANSWER_LIMITS, CACHE_MAX_MIB: '64' });
});
afterAll(async () => {
  await gateway.close();
  await stack.close();
});

/** Far enough for a customer's deals' customers' payments' customers. */
const DEPTH = 9;

const ownFields = fieldsWith(new Set(['self:read']));

/** The root fields that look up a record, with the type of the record and of the argument. */
const LOOKUPS = {
  'customer(id: $key)': ['Customer', 'ID!'],
  'customer(email: $key)': ['Customer', 'String!'],
  'company(id: $key)': ['Company', 'ID!'],
  'deal(id: $key)': ['Deal', 'ID!'],
  'payment(id: $key)': ['Payment', 'ID!'],
  'invoice(id: $key)': ['Invoice', 'ID!'],
} as const;
type Lookup = keyof typeof LOOKUPS;

type Keys = Readonly<Record<Lookup, readonly string[]>>;

/** Keys that no record has. */
const NONE: Keys = {
  'customer(id: $key)': ['999999'],
  'customer(email: $key)': ['nobody@customers.example'],
  'company(id: $key)': ['999999'],
  'deal(id: $key)': ['999999'],
  'payment(id: $key)': ['pi_3nobody'],
  'invoice(id: $key)': ['in_1nobody'],
};

const accountsOf = ({ email }: Person) =>
  company.accounts.filter((account) => email !== null && account.email?.toLowerCase() === email);

/** The keys of all records, or of those that belong to a person. */
const keysOf = (person?: Person): Keys => {
  const people = person ? [person] : company.people;
  const accounts = person ? accountsOf(person) : company.accounts;
  const organisations = company.organisations.filter(({ id }) => !person || id === person.organisationId);
  return {
    'customer(id: $key)': people.map(({ id }) => id),
    'customer(email: $key)': people.flatMap(({ email }) => email ?? []),
    'company(id: $key)': organisations.map(({ id }) => id),
    'deal(id: $key)': company.deals.flatMap(({ id, personId }) => (!person || personId === person.id ? [id] : [])),
    'payment(id: $key)': accounts.flatMap(({ payments }) => payments.map(({ id }) => id)),
    'invoice(id: $key)': accounts.flatMap(({ invoices }) => invoices.map(({ id }) => id)),
  };
};

const ALL = keysOf();

/** The values by which a person, or a record of theirs, can be recognized. */
const marksOf = (person: Person): unknown[] => [
  ...[person.email, person.phone].filter((value) => value !== null),
  ...company.deals.flatMap(({ id, personId, lineItems }) =>
    personId === person.id ? [id, ...lineItems.map((line) => line.id)] : [],
  ),
  ...accountsOf(person).flatMap(({ id, payments, invoices }) => [
    id,
    ...payments.flatMap((payment) => [payment.id, payment.description, ...payment.refunds.map((refund) => refund.id)]),
    ...invoices.flatMap((invoice) => [invoice.id, invoice.number]),
  ]),
];

type Found = Answer<{ it: unknown }>;

const lookUp = (ask: Ask, lookup: Lookup, key: string, depth: number): Promise<Found> => {
  const [type, argument] = LOOKUPS[lookup];
  return ask(`query ($key: ${argument}) { it: ${lookup} { ${selectAll(type, ownFields, depth)} } }`, { key });
};

/** Looks up records, some at a time. Returns the answers by lookup and key. */
const lookUpAll = async (ask: Ask, keys: Keys, depth: number): Promise<Map<string, Found>> => {
  const answers = new Map<string, Found>();
  const rest = (Object.keys(LOOKUPS) as Lookup[]).flatMap((lookup) =>
    keys[lookup].map((key) => [lookup, key] as const),
  );
  const work = async (): Promise<void> => {
    for (let next = rest.pop(); next; next = rest.pop()) answers.set(next.join(' '), await lookUp(ask, ...next, depth));
  };
  await Promise.all(Array.from({ length: 10 }, work));
  return answers;
};

const listOf = async (ask: Ask, list: string, type: string): Promise<unknown[]> => {
  const selection = selectAll(type, ownFields, DEPTH);
  const { data, errors } = await ask<{ it: { edges: { node: unknown }[]; pageInfo: { hasNextPage: boolean } } }>(
    `{ it: ${list}(first: 100) { edges { node { ${selection} } } pageInfo { hasNextPage } } }`,
  );
  expect(errors).toBeUndefined();
  expect(data?.it.pageInfo.hasNextPage).toBe(false);
  return data?.it.edges.map(({ node }) => node) ?? [];
};

const personAt = (index: number): Person => company.people[index] as Person;

const NULL = '{"data":{"it":null}}\n';

const WHO: readonly (readonly [what: string, person: Person])[] = [
  ['with many deals', personAt(0)],
  ['with two accounts', personAt(5)],
  ['with capitals in the address of an account', personAt(7)],
  ['without an account', personAt(8)],
];

test('a customer with all scopes finds only own records with the keys of all', async () => {
  const person = personAt(0);
  const answers = await lookUpAll(gateway.as(customerWithAllScopes(person.email ?? '')), ALL, 0);
  expect(answers.size).toBeGreaterThan(1_500);
  const found = [...answers].filter(([, { text }]) => text !== NULL).map(([name]) => name);
  const own = Object.entries(keysOf(person)).flatMap(([lookup, keys]) => keys.map((key) => `${lookup} ${key}`));
  expect(found.sort()).toEqual(own.sort());
});

describe.each(WHO)('a customer %s', (_, person) => {
  const own = keysOf(person);

  test.each([
    ['', customer(person.email ?? '')],
    ['with all scopes', customerWithAllScopes(person.email ?? '')],
  ])('%s sees what an administrator sees of them, and nothing else', async (_, identity) => {
    const expected = await lookUpAll(gateway.as(ADMINISTRATOR), own, DEPTH);
    for (const { data, errors } of expected.values()) {
      expect(errors).toBeUndefined();
      expect(data?.it).toEqual(expect.anything());
    }
    const ask = gateway.as(identity);
    const seen = await lookUpAll(ask, own, DEPTH);
    expect(new Map([...seen].map(([name, { text }]) => [name, text]))).toEqual(
      new Map([...expected].map(([name, { text }]) => [name, text])),
    );

    const recordsOf = (lookup: Lookup) => own[lookup].map((key) => expected.get(`${lookup} ${key}`)?.data?.it);
    expect(await listOf(ask, 'customers', 'Customer')).toEqual(recordsOf('customer(id: $key)'));
    expect(await listOf(ask, 'deals', 'Deal')).toEqual(recordsOf('deal(id: $key)').reverse());
    expect(await listOf(ask, 'payments', 'Payment')).toEqual(newestFirst(recordsOf('payment(id: $key)')));

    const values = new Set([...seen.values()].flatMap(({ data }) => leavesOf(data)));
    for (const mark of marksOf(person)) expect(values).toContain(mark);
    const marks = company.people.flatMap((other) => (other === person ? [] : marksOf(other)));
    expect(marks.filter((mark) => values.has(mark))).toEqual([]);
  });
});

const LISTS = [
  ['customers', 'Customer'],
  ['deals', 'Deal'],
  ['payments', 'Payment'],
] as const;

/** Sorts records as lists do: those of the same second by id. */
const newestFirst = (records: unknown[]): unknown[] => {
  const orderOf = (record: unknown): string => `${(record as Dated).createdAt} ${(record as Dated).id}`;
  return records.sort((a, b) => (orderOf(a) < orderOf(b) ? 1 : -1));
};
type Dated = { readonly createdAt: string; readonly id: string };

test('a customer whom no system knows sees nothing', async () => {
  const ask = gateway.as(customer('nobody@customers.example'));
  for (const keys of [keysOf(personAt(0)), NONE]) {
    for (const { text } of (await lookUpAll(ask, keys, DEPTH)).values()) expect(text).toBe(NULL);
  }
  for (const [list, type] of LISTS) expect(await listOf(ask, list, type)).toEqual([]);
});
