import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCompany, type Person } from '../../sandbox/company.ts';
import { resetClock, stopClock } from '../helpers/clock.ts';
import { type Lookup, leavesOf, listsWith, lookupsWith, selectAll } from '../helpers/crawl.ts';
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
 * Customers ask for everything that the graph reaches, with the keys of all records of the sample company. Each gets their own
 * records as an administrator sees them, and every other record as one that does not exist.
 */

const company = createCompany();

let stack: Stack;
let gateway: PeopleGateway;
beforeAll(async () => {
  // Nothing becomes stale, however long it takes: responses are compared as text.
  stopClock();
  stack = await startStack();
  // All people share what is cached.
  gateway = await startGatewayForPeople({ ...stack.env, ...NO_ANSWER_LIMITS, CACHE_MAX_MIB: '64' });
});
afterAll(async () => {
  resetClock();
  await gateway.close();
  await stack.close();
});

/** Far enough for a customer's deals' customers' payments' customers. */
const DEPTH = 9;

const ownFields = fieldsWith(new Set(['self:read']));
const LOOKUPS = lookupsWith(ownFields);
const LISTS = listsWith(ownFields);

/** The keys of a lookup's records. */
type Keys = (lookup: Lookup) => readonly string[];

const accountsOf = ({ email }: Person) =>
  company.accounts.filter((account) => email !== null && account.email?.toLowerCase() === email);

const dealsOf = ({ id }: Person) => company.deals.filter(({ personId }) => personId === id);

/** The keys of all records, or of those that belong to a person. */
const keysOf = (person?: Person): Keys => {
  const people = person ? [person] : company.people;
  const accounts = person ? accountsOf(person) : company.accounts;
  const ids: Readonly<Record<string, readonly { readonly id: string }[]>> = {
    Customer: people,
    Company: company.organisations.filter(({ id }) => !person || id === person.organisationId),
    Deal: person ? dealsOf(person) : company.deals,
    Payment: accounts.flatMap(({ payments }) => payments),
    Invoice: accounts.flatMap(({ invoices }) => invoices),
  };
  return ({ type, key }) => {
    if (key === 'email') return people.flatMap(({ email }) => email ?? []);
    const records = ids[type];
    if (!records) throw new Error(`Say which records have an ID of a ${type}.`);
    return records.map(({ id }) => id);
  };
};

/** A key that no record has. */
const absentKey: Keys = ({ type, key }) => {
  if (key === 'email') return ['nobody@customers.example'];
  return [{ Payment: 'pi_3nobody', Invoice: 'in_1nobody' }[type] ?? '999999'];
};

/** The values by which a person, or a record of theirs, can be recognized. */
const marksOf = (person: Person): unknown[] => [
  ...[person.email, person.phone].filter((value) => value !== null),
  ...dealsOf(person).flatMap(({ id, lineItems }) => [id, ...lineItems.map((line) => line.id)]),
  ...accountsOf(person).flatMap(({ id, payments, invoices }) => [
    id,
    ...payments.flatMap((payment) => [payment.id, payment.description, ...payment.refunds.map((refund) => refund.id)]),
    ...invoices.flatMap((invoice) => [invoice.id, invoice.number]),
  ]),
];

type Found = Answer<{ it: unknown }>;

const nameOf = ({ field, key }: Lookup, value: string): string => `${field}(${key}: ${value})`;

const namesOf = (keys: Keys): string[] =>
  LOOKUPS.flatMap((lookup) => keys(lookup).map((value) => nameOf(lookup, value)));

/** Looks up records, some at a time. Returns the answers by lookup and key. */
const lookUp = async (ask: Ask, keys: Keys, depth: number): Promise<Map<string, Found>> => {
  const answers = new Map<string, Found>();
  const rest = LOOKUPS.flatMap((lookup) => {
    const { field, key, keyType, type } = lookup;
    const query = `query ($key: ${keyType}!) { it: ${field}(${key}: $key) { ${selectAll(type, ownFields, depth)} } }`;
    return keys(lookup).map((value) => ({ name: nameOf(lookup, value), query, value }));
  });
  const work = async (): Promise<void> => {
    for (let next = rest.pop(); next; next = rest.pop()) {
      answers.set(next.name, await ask<{ it: unknown }>(next.query, { key: next.value }));
    }
  };
  await Promise.all(Array.from({ length: 10 }, work));
  return answers;
};

/** Reads all nodes of a list. */
const readList = async (ask: Ask, field: string, type: string): Promise<unknown[]> => {
  const selection = selectAll(type, ownFields, DEPTH);
  const { data, errors } = await ask<{ it: { edges: { node: unknown }[]; pageInfo: { hasNextPage: boolean } } }>(
    `{ it: ${field}(first: 100) { edges { node { ${selection} } } pageInfo { hasNextPage } } }`,
  );
  expect(errors).toBeUndefined();
  expect(data?.it.pageInfo.hasNextPage).toBe(false);
  return data?.it.edges.map(({ node }) => node) ?? [];
};

const textsOf = (answers: ReadonlyMap<string, Found>) => new Map([...answers].map(([name, { text }]) => [name, text]));

const personAt = (index: number): Person => company.people[index] as Person;

const NULL = '{"data":{"it":null}}\n';

test('a customer with all scopes finds only own records with the keys of all', { tags: ['long'] }, async () => {
  const person = personAt(0);
  const answers = await lookUp(gateway.as(customerWithAllScopes(person.email ?? '')), keysOf(), 0);
  expect(answers.size).toBeGreaterThan(1_500);
  const found = [...answers].filter(([, { text }]) => text !== NULL).map(([name]) => name);
  expect(found.sort()).toEqual(namesOf(keysOf(person)).sort());
});

const testPerson = (_: string, person: Person): void => {
  const email = person.email ?? '';

  test.each([
    ['', customer(email)],
    ['with all scopes', customerWithAllScopes(email)],
  ])('%s sees what an administrator sees of them, and nothing else', async (_, identity) => {
    const expected = await lookUp(gateway.as(ADMINISTRATOR), keysOf(person), DEPTH);
    for (const { data, errors } of expected.values()) {
      expect(errors).toBeUndefined();
      expect(data?.it).toEqual(expect.anything());
    }
    const ask = gateway.as(identity);
    const seen = await lookUp(ask, keysOf(person), DEPTH);
    expect(textsOf(seen)).toEqual(textsOf(expected));

    for (const { field, type } of LISTS) {
      const lookup = LOOKUPS.find((one) => one.type === type && one.key === 'id');
      const own = lookup ? keysOf(person)(lookup).map((key) => expected.get(nameOf(lookup, key))?.data?.it) : [];
      const listed = await readList(ask, field, type);
      expect(listed).toHaveLength(own.length);
      expect(listed).toEqual(expect.arrayContaining(own));
    }

    const values = new Set([...seen.values()].flatMap(({ data }) => leavesOf(data)));
    for (const mark of marksOf(person)) expect(values).toContain(mark);
    const marks = company.people.flatMap((other) => (other === person ? [] : marksOf(other)));
    expect(marks.filter((mark) => values.has(mark))).toEqual([]);
  });
};

describe.each([
  ['with many deals', personAt(0)],
  ['without an account', personAt(8)],
  ['with two accounts', personAt(5)],
  ['with capitals in the address of an account', personAt(7)],
])('a customer %s', { tags: ['long'] }, testPerson);

test('a customer whom no system knows sees nothing', async () => {
  const ask = gateway.as(customer('nobody@customers.example'));
  for (const keys of [keysOf(personAt(0)), absentKey]) {
    for (const { text } of (await lookUp(ask, keys, DEPTH)).values()) expect(text).toBe(NULL);
  }
  for (const { field, type } of LISTS) expect(await readList(ask, field, type)).toEqual([]);
});
