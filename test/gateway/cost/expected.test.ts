import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ClientExplanation } from '../../../gateway/cost/client-explanation.ts';
import { createCompany } from '../../../sandbox/company.ts';
import { ROOT } from '../../helpers/processes.ts';
import { type Stack, startStack } from '../../helpers/stack.ts';

/* The expected calls of the product's own queries are right after a hundred runs: within a fifth of those that were made. */

const EXAMPLES = join(ROOT, 'clients/explorer/src/examples');
const VARIABLES = JSON.parse(readFileSync(join(EXAMPLES, 'variables.json'), 'utf8'));
const operations = readdirSync(EXAMPLES)
  .filter((name) => name.endsWith('.graphql'))
  .flatMap((name) => {
    const query = readFileSync(join(EXAMPLES, name), 'utf8');
    const title = /query (\w+)/.exec(query)?.[1];
    // What a subscription costs depends on its events.
    return title === undefined ? [] : [{ title, query, variables: VARIABLES[title] ?? {} }];
  });

const RUNS = 100;

const testOperations = (env: Record<string, string>): void => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ env });
  });
  afterAll(() => stack.close());

  test.each(operations)('$title', async ({ query, variables }) => {
    const explain = async () => {
      const { text } = await stack.ask(query, variables, { headers: { 'x-tributary-explain': '1' } });
      return JSON.parse(text).extensions.tributary.explain.calls;
    };
    let calls = 0;
    for (let run = 0; run < RUNS; run += 1) {
      const { text, errors } = await stack.ask(query, variables, { headers: { 'x-tributary-report': '1' } });
      expect(errors).toBeUndefined();
      for (const row of JSON.parse(text).extensions.tributary.calls) calls += row.calls;
    }
    const { expected, saved } = await explain();
    // The first runs count less and less.
    const perRun = calls / RUNS;
    expect(Math.abs(expected - perRun)).toBeLessThanOrEqual(Math.max(0.2 * perRun, 0.1));
    if (env['CACHE_MAX_MIB'] !== '0') expect(saved).toBeGreaterThan(expected);
  });
};

describe('with a cache', () => testOperations({ CACHE_MAX_MIB: '16' }));

describe('without a cache', { tags: ['long'] }, () => testOperations({ CACHE_MAX_MIB: '0' }));

test('given calls that an operation is not expected to make, when it makes them, then they are expected', async () => {
  const stack = await startStack();
  const { people, accounts } = createCompany();
  const withAccount = new Set(accounts.map(({ email }) => email?.toLowerCase()));
  const { email } = people.find((person) => person.email && !withAccount.has(person.email)) ?? {};
  // Somebody whom the search for accounts does not find is looked up in the list.
  const query = `{ customer(email: "${email}") { balances { currency } } }`;
  const expected = async () => {
    const { text } = await stack.ask(query, {}, { headers: { 'x-tributary-explain': '1' } });
    const { operations } = JSON.parse(text).extensions.tributary.explain as ClientExplanation;
    return operations.find(({ operation }) => operation === 'GET /v1/customers')?.expected;
  };
  expect(await expected()).toBe(0);
  for (let run = 0; run < 20; run += 1) await stack.ask(query);
  expect(await expected()).toBeGreaterThan(0.8);
  await stack.close();
});

test('given searches that find nothing, then whole lists are expected to be as long as before', async () => {
  const stack = await startStack();
  const query = '{ customers(first: 50) { edges { node { deals(first: 5) { edges { node { name } } } } } } }';
  const keys = async () => {
    const { text } = await stack.ask(query, {}, { headers: { 'x-tributary-explain': '1' } });
    const { operations } = JSON.parse(text).extensions.tributary.explain as ClientExplanation;
    return operations.map((operation) => operation.keys);
  };
  const before = await keys();
  const search =
    'query Search($text: String) { customers(first: 50, filter: { text: $text }) { edges { cursor node { id } } } }';
  for (let run = 0; run < 10; run += 1) await stack.ask(search, { text: 'nobody is called so' });
  expect(await keys()).toEqual(before);
  await stack.close();
});
