import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Stack, startStack } from '../../helpers/stack.ts';

/* Limits that are enforced before anything is fetched: documents, estimates, variables. */

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.close());
afterEach(() => stack.reset());

// The WSDL is always read at startup.
const providerCalls = () =>
  [stack.stripe, stack.hubspot, stack.openmage]
    .flatMap(({ calls }) => calls)
    .filter(({ operation }) => operation !== 'WSDL');

const repeat = (count: number, write: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => write(index)).join(' ');

const nested = (levels: number, outer: string, inner: string): string =>
  `${outer.repeat(levels)} ${inner} ${'}'.repeat(outer.split('{').length - 1).repeat(levels)}`;

const DOUBLING = `{ customers { edges { node { ...F0 } } } } ${repeat(
  40,
  (index) => `fragment F${index} on Customer { ...F${index + 1} ...F${index + 1} }`,
)} fragment F40 on Customer { email }`;

describe('given a document that is too large, then it is rejected with the limit, its value and its variable', () => {
  test.each([
    ['characters', `{ customers { edges { cursor } } } #${' '.repeat(100_000)}`, 'MAX_OPERATION_CHARS', 100_000],
    ['tokens', `{ ${repeat(10_001, () => 'a')} }`, 'MAX_OPERATION_TOKENS', 10_000],
    ['levels', `{ ${nested(26, 'customers { edges { ', 'cursor')} }`, 'MAX_OPERATION_DEPTH', 50],
    ['brackets', `{ customer(id: ${'['.repeat(300)}1${']'.repeat(300)}) { id } }`, 'MAX_OPERATION_DEPTH', 200],
    ['aliases', `{ customers { ${repeat(501, (i) => `a${i}: pageInfo { hasNextPage }`)} } }`, 'MAX_ALIASES', 500],
    ['directives', `{ __typename ${repeat(501, () => '@include(if: true)')} }`, 'MAX_DIRECTIVES', 500],
    [
      'directives above many fields',
      `query($a: Boolean!) { customers { ${'... @include(if: $a) {'.repeat(100)} ${repeat(200, () => '__typename')} ${'}'.repeat(101)} }`,
      'MAX_DIRECTIVES',
      10_000,
    ],
    ['selections', DOUBLING, 'MAX_SELECTIONS', 2_500],
    ['root fields', `{ ${repeat(101, (i) => `a${i}: __typename`)} }`, 'MAX_ROOT_FIELDS', 100],
    [
      'mutations',
      `mutation { ${repeat(11, (i) => `m${i}: setStock(input: { sku: "ACME-1", quantity: ${i} }) { product { sku } }`)} }`,
      'MAX_MUTATIONS',
      10,
    ],
  ])('%s', async (_, query, variable, limit) => {
    const { status, data, errors } = await stack.ask(query);
    expect({ status, data }).toEqual({ status: 400, data: undefined });
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'OPERATION_LIMIT_EXCEEDED', variable, limit });
    expect(errors?.[0]?.extensions?.['value']).toBeGreaterThan(limit);
    expect(errors?.[0]?.message).toContain(variable);
    expect(providerCalls()).toEqual([]);
  });

  test('also when it is repeated, sent with an operation name, and sent by its hash', async () => {
    for (const body of [{ query: DOUBLING }, { query: DOUBLING, operationName: 'None' }]) {
      const response = await fetch(`${stack.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      const { errors } = (await response.json()) as { errors: { extensions: { code: string } }[] };
      expect(errors.map(({ extensions }) => extensions.code)).toEqual(['OPERATION_LIMIT_EXCEEDED']);
    }
  });
});

describe('given an operation whose estimated response is too large, then it is rejected', () => {
  test.each([
    [
      'nested lists',
      `{ customers(first: 100) { edges { node { deals(first: 100) { edges { node { customers { id } } } } } } } }`,
    ],
    [
      'lists nested through another provider',
      `{ customers { edges { node { ${nested(4, 'payments { edges { node { customer {', 'id')} } } } }`,
    ],
    [
      'a list requested by keys',
      `{ products(skus: [${repeat(500, (i) => `"S${i}"`)}]) { ${repeat(30, (i) => `s${i}: stock { inStock }`)} } }`,
    ],
  ])('%s', async (_, query) => {
    const { status, data, errors } = await stack.ask(query);
    expect({ status, data }).toEqual({ status: 400, data: undefined });
    expect(errors?.[0]?.extensions).toMatchObject({
      code: 'OPERATION_LIMIT_EXCEEDED',
      variable: 'MAX_ESTIMATED_OBJECTS',
      limit: 10_000,
    });
    expect(providerCalls()).toEqual([]);
  });

  test('depending on its variables: the same operation with smaller pages is executed', async () => {
    const query = `query($customers: Int!, $deals: Int! = 2) {
      customers(first: $customers) { edges { node { deals(first: $deals) { edges { node { customers { id } } } } } } }
    }`;
    const small = await stack.ask(query, { customers: 2 });
    expect(small.errors).toBeUndefined();
    stack.reset();
    const large = await stack.ask(query, { customers: 100, deals: 100 });
    expect(large.errors?.[0]?.extensions).toMatchObject({ variable: 'MAX_ESTIMATED_OBJECTS' });
    expect(providerCalls()).toEqual([]);
  });

  test('because of many values in few objects', async () => {
    const fields = repeat(120, (index) => `a${index}: email`);
    const query = (pages: number) =>
      `{ ${repeat(pages, (i) => `p${i}: customers(first: 100) { edges { node { ...Fields } } }`)} } fragment Fields on Customer { ${fields} }`;
    expect((await stack.ask(query(4))).errors).toBeUndefined();
    stack.reset();
    const { errors } = await stack.ask(query(5));
    expect(errors?.[0]?.extensions).toMatchObject({ variable: 'MAX_ESTIMATED_VALUES', limit: 50_000 });
    expect(providerCalls()).toEqual([]);
  });

  test('except for fragments with equal selections', async () => {
    const fragment = (name: string) =>
      `fragment ${name} on Query { customers(first: 100) { edges { node { payments(first: 10) { edges { node { id } } } } } } }`;
    const { errors } = await stack.ask(`{ ...A ...B ...C ...D } ${['A', 'B', 'C', 'D'].map(fragment).join(' ')}`);
    expect(errors).toBeUndefined();
  });
});

test('given too many fields that share a name, then the operation is rejected', async () => {
  const { status, errors } = await stack.ask(`{ ${repeat(900, () => 'customers { pageInfo { endCursor } }')} }`);
  expect(status).toBe(400);
  expect(errors?.map(({ extensions }) => extensions?.['code'])).toEqual(['OPERATION_LIMIT_EXCEEDED']);
  const deep = repeat(900, () => 'pageInfo { endCursor }');
  const aborted = await stack.ask(`{ customers { ${deep} } }`);
  expect(aborted.errors?.map(({ extensions }) => extensions?.['code'])).toEqual(['OPERATION_TOO_COMPLEX']);
});

describe('given invalid variables', () => {
  const QUERY = `mutation($input: SetStockInput!) { setStock(input: $input) { product { sku } } }`;

  test('with many unknown fields, then the response is small and does not repeat the input', async () => {
    const input = Object.fromEntries(Array.from({ length: 19_000 }, (_, index) => [`secret${index}`, 'x'.repeat(20)]));
    const { status, errors, text } = await stack.ask(QUERY, { input });
    expect(status).toBe(400);
    expect(new Set(errors?.map(({ extensions }) => extensions?.['code']))).toEqual(new Set(['BAD_USER_INPUT']));
    expect(text.length).toBeLessThan(10_000);
    expect(text).not.toContain('xxxxxxxx');
  });

  test('with many invalid list items, then the response is small', async () => {
    const skus = Array.from({ length: 9_000 }, () => ({ a: 1 }));
    const { status, text } = await stack.ask('query($skus: [ID!]!) { products(skus: $skus) { sku } }', { skus });
    expect(status).toBe(400);
    expect(text.length).toBeLessThan(10_000);
  });

  test('then the message has the position, and in production no schema names', async () => {
    const variables = { input: { sku: 'ACME-1', quantiti: 1 } };
    expect((await stack.ask(QUERY, variables)).text).toContain('Did you mean');
    const production = await stack.startAnother({ NODE_ENV: 'production', AUTH: 'none' });
    const { text } = await production.ask(QUERY, variables);
    await production.close();
    expect(text).toContain('quantiti');
    expect(text).not.toContain('Did you mean');
  });
});

describe('given introspection', () => {
  test('of the full schema, then it is executed', async () => {
    const { getIntrospectionQuery } = await import('graphql');
    expect((await stack.ask(getIntrospectionQuery())).errors).toBeUndefined();
  });

  test('of the full schema many times over, then it is rejected', async () => {
    const whole = 'types { name fields { name args { name } type { name ofType { name ofType { name } } } } }';
    const { errors } = await stack.ask(`{ ${repeat(50, (i) => `s${i}: __schema { ${whole} }`)} }`);
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'OPERATION_LIMIT_EXCEEDED', variable: 'INTROSPECTION' });
  });
});

test('given more selections than are planned in the main thread, then they are executed all the same', async () => {
  const fields = repeat(260, (index) => `a${index}: email`);
  const { data, errors } = await stack.ask<{ customers: { edges: { node: Record<string, string> }[] } }>(
    `{ customers(first: 2) { edges { node { ${fields} } } } }`,
  );
  expect(errors).toBeUndefined();
  expect(Object.keys(data?.customers.edges[0]?.node ?? {})).toHaveLength(260);
});

test('given an invalid document with many selections, then each error has its location', async () => {
  const fields = repeat(260, (index) => `a${index}: email`);
  const { status, errors } = await stack.ask(`{ customers { edges { node { ${fields} nothing\nnone } } } }`);
  expect(status).toBe(400);
  expect(errors?.map(({ extensions, locations }) => [extensions?.['code'], locations?.[0]?.line])).toEqual([
    ['GRAPHQL_VALIDATION_FAILED', 1],
    ['GRAPHQL_VALIDATION_FAILED', 2],
  ]);
});

test('given planning that takes too long, then the operation is rejected, and others are executed', async () => {
  const hasty = await stack.startAnother({ PLANNING_TIMEOUT_MS: '1' });
  const fields = repeat(400, (index) => `a${index}: payments { edges { node { id amount { amount } } } }`);
  const [slow, quick] = await Promise.all([
    hasty.ask(`{ customer(id: "101") { ${fields} } }`),
    hasty.ask('{ customer(id: "101") { id } }'),
  ]);
  const unused = await hasty.ask(`{ __typename } fragment Unused on Customer { ${repeat(1_100, () => 'email')} }`);
  await hasty.close();
  expect(unused.errors?.[0]?.extensions?.['code']).toBe('OPERATION_TOO_COMPLEX');
  expect(slow.errors?.[0]?.extensions?.['code']).toBe('OPERATION_TOO_COMPLEX');
  expect(quick.errors).toBeUndefined();
});
