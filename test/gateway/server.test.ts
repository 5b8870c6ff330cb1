import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildClientSchema,
  buildSchema,
  getIntrospectionQuery,
  type IntrospectionQuery,
  lexicographicSortSchema,
  printSchema,
} from 'graphql';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ROOT } from '../helpers/processes.ts';
import { connectRaw } from '../helpers/raw-socket.ts';
import { type Stack, startStack } from '../helpers/stack.ts';

const ASK = '{ product(sku: "OABR-S") { sku } }';
const PREFLIGHT = { origin: 'https://shop.example', 'access-control-request-method': 'POST' };

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({
    env: { CORS_ORIGINS: 'https://shop.example,http://localhost:5173,capacitor://localhost' },
  });
  await stack.ask(ASK);
});
afterAll(() => stack.close());
beforeEach(() => stack.reset());

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${stack.url}${path}`, { headers, redirect: 'manual' });

describe('health', () => {
  test.each(['/health/live', '/health/ready'])('%s returns ok', async (path) => {
    const response = await get(path);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: 'ok' });
  });
});

test('a malformed path is rejected with a GraphQL error body', async () => {
  const response = await get('/desk/%E0%A4%A');
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] });
});

describe('GET /graphql', () => {
  test('accepts a query with a non-simple header', async () => {
    const response = await get(`/graphql?query=${encodeURIComponent(ASK)}`, { 'apollo-require-preflight': 'yes' });
    expect(await response.json()).toEqual({ data: { product: { sku: 'OABR-S' } } });
  });

  test('rejects simple cross-origin requests', async () => {
    const response = await get(`/graphql?query=${encodeURIComponent(ASK)}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] });
  });

  test('rejects a mutation', async () => {
    const mutation = 'mutation { setStock(input: { sku: "OABR-S", quantity: 1 }) { product { sku } } }';
    const response = await get(`/graphql?query=${encodeURIComponent(mutation)}`, { 'apollo-require-preflight': 'yes' });
    expect(response.status).toBe(405);
    expect(stack.openmage.calls).toEqual([]);
  });

  test('accepts a query by its hash after it has been registered', async () => {
    const sha256Hash = createHash('sha256').update(ASK).digest('hex');
    const extensions = { persistedQuery: { version: 1, sha256Hash } };
    const post = (body: object) =>
      fetch(`${stack.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }).then((response) => response.json());
    expect(await post({ extensions })).toMatchObject({
      errors: [{ extensions: { code: 'PERSISTED_QUERY_NOT_FOUND' } }],
    });
    expect(await post({ query: ASK, extensions })).toEqual({ data: { product: { sku: 'OABR-S' } } });
    const byHash = await get(`/graphql?extensions=${encodeURIComponent(JSON.stringify(extensions))}`, {
      'apollo-require-preflight': 'yes',
    });
    expect(await byHash.json()).toEqual({ data: { product: { sku: 'OABR-S' } } });
  });
});

test('introspection returns the full composed schema', async () => {
  const { data, errors } = await stack.ask(getIntrospectionQuery({ specifiedByUrl: true }));
  expect(errors).toBeUndefined();
  const committed = buildSchema(readFileSync(join(ROOT, 'gateway/schema.graphql'), 'utf8'));
  const read = buildClientSchema(data as unknown as IntrospectionQuery);
  expect(printSchema(lexicographicSortSchema(read))).toBe(printSchema(committed));
  expect(await (await get('/schema.graphql')).text()).toBe(`${printSchema(committed)}\n`);
});

describe('an invalid body', () => {
  test.each([
    ['no JSON', '{"query": ', 'application/json', 400, 'BAD_REQUEST'],
    ['no query', '{}', 'application/json', 400, 'BAD_REQUEST'],
    ['a form', 'query={a}', 'application/x-www-form-urlencoded', 415, 'BAD_REQUEST'],
    ['2 MB', JSON.stringify({ query: 'x'.repeat(2_000_000) }), 'application/json', 413, 'PAYLOAD_TOO_LARGE'],
  ])('%s is rejected with a GraphQL error body', async (_, body, contentType, status, code) => {
    const response = await fetch(`${stack.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': contentType },
      body,
    });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ errors: [{ message: expect.any(String), extensions: { code } }] });
  });

  test.each([
    ['a subscription', { query: 'subscription { stock }' }, 'GRAPHQL_VALIDATION_FAILED'],
    ['a list of queries', [{ query: ASK }], 'BAD_REQUEST'],
    ['variables that are not an object', { query: ASK, variables: [1] }, 'BAD_REQUEST'],
    [
      'a hash of another query',
      { query: ASK, extensions: { persistedQuery: { version: 1, sha256Hash: 'ab' } } },
      'BAD_REQUEST',
    ],
    [
      'a persisted query of another version',
      { query: ASK, extensions: { persistedQuery: { version: 9, sha256Hash: 'ab' } } },
      'BAD_REQUEST',
    ],
  ])('%s is rejected', async (_, body, code) => {
    const response = await fetch(`${stack.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ message: expect.any(String), extensions: { code } }] });
    expect(stack.openmage.calls).toEqual([]);
  });

  test.each([undefined, 'C'])('two operations and operationName %s are rejected', async (operationName) => {
    const response = await fetch(`${stack.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
      body: JSON.stringify({ query: `query A ${ASK} query B ${ASK}`, operationName }),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'OPERATION_RESOLUTION_FAILURE' } }] });
    expect(stack.openmage.calls).toEqual([]);
  });

  test('fragments that expand to millions of fields are rejected', async () => {
    const fragments = Array.from(
      { length: 30 },
      (_, index) => `fragment F${index} on Customer { ...F${index + 1} ...F${index + 1} }`,
    ).join(' ');
    const { errors } = await stack.ask(
      `{ customer(id: "101") { ...F0 } } ${fragments} fragment F30 on Customer { id email }`,
    );
    expect(errors?.[0]?.extensions?.['code']).toBe('OPERATION_LIMIT_EXCEEDED');
    expect(stack.hubspot.calls).toEqual([]);
  });
});

test.each(['GET', 'POST', 'PUT'])(
  '%s of an unknown path returns 404 and names the GraphQL endpoint',
  async (method) => {
    const response = await fetch(`${stack.url}/nothing`, { method });
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({
      errors: [
        {
          message: 'Nothing is served at this path. GraphQL is served at /graphql.',
          extensions: { code: 'NOT_FOUND' },
        },
      ],
    });
  },
);

test('a browser is redirected to the Sandbox page', async () => {
  const root = await get('/');
  expect([root.status, root.headers.get('location')]).toEqual([302, '/graphql']);
  const page = await get('/graphql', { accept: 'text/html' });
  expect(page.headers.get('content-type')).toContain('text/html');
});

test.each<[string, string, RequestInit]>([
  ['a health check', '/health/ready', {}],
  ['an answer', `/graphql?query=${encodeURIComponent(ASK)}`, { headers: { 'apollo-require-preflight': '1' } }],
  ['a refusal', '/graphql', { method: 'POST', body: '{', headers: { 'content-type': 'application/json' } }],
  ['an unknown path', '/nothing', {}],
  ['a malformed path', '/desk/%E0%A4%A', {}],
  ['the schema', '/schema.graphql', {}],
  ['a preflight request', '/graphql', { method: 'OPTIONS', headers: PREFLIGHT }],
])('%s has a type that a browser must not guess otherwise', async (_, path, init) => {
  const response = await fetch(`${stack.url}${path}`, init);
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
});

test('nor does a response to what is no HTTP', async () => {
  const raw = await connectRaw(stack.url);
  raw.write('GRAPHQL\r\n\r\n');
  expect(await raw.closed).toContain('\r\nx-content-type-options: nosniff\r\n');
});

test('only the origins in CORS_ORIGINS are allowed', async () => {
  for (const origin of ['https://shop.example', 'http://localhost:5173', 'capacitor://localhost']) {
    const allowed = await get('/health/live', { origin });
    expect(allowed.headers.get('access-control-allow-origin')).toBe(origin);
  }
  const other = await get('/health/live', { origin: 'https://other.example' });
  expect(other.headers.get('access-control-allow-origin')).toBeNull();
});

test('given a client that disconnects, then the provider request is aborted', async () => {
  stack.stripe.fail({ hang: true });
  const client = new AbortController();
  const asked = stack.ask('{ payment(id: "pi_3x") { id } }', {}, { signal: client.signal });
  await expect.poll(() => stack.stripe.calls.length).toBe(1);
  client.abort();
  await expect(asked).rejects.toThrow();
  await expect.poll(() => stack.stripe.calls[0]?.clientAborted).toBe(true);
});

test('given one client that disconnects, then another with the same query gets its response', async () => {
  stack.openmage.fail({ on: 'catalogInventory', delayMs: 300, times: 1 });
  const client = new AbortController();
  const left = stack.ask(ASK, {}, { signal: client.signal });
  const stayed = stack.ask(ASK);
  await expect.poll(() => stack.openmage.calls.length).toBe(1);
  client.abort();
  await expect(left).rejects.toThrow();
  expect((await stayed).data).toEqual({ product: { sku: 'OABR-S' } });
  expect(stack.openmage.calls).toHaveLength(1);
});

test('given a request that times out, then missing fields are UPSTREAM_TIMEOUT', async () => {
  const hurried = await startStack({ env: { REQUEST_TIMEOUT_MS: '3000' } });
  hurried.hubspot.fail({ hang: true });
  const { data, errors } = await hurried.ask('{ customer(id: "101") { id } payment(id: "pi_3x") { id } }');
  expect(data).toEqual({ customer: null, payment: null });
  expect(errors?.map(({ path, extensions }) => [path, extensions?.['code']])).toEqual([
    [['customer'], 'UPSTREAM_TIMEOUT'],
  ]);
  await hurried.close();
});

describe('in production', () => {
  let production: Stack;
  beforeAll(async () => {
    production = await startStack({ env: { NODE_ENV: 'production', AUTH: 'none' } });
  });
  afterAll(() => production.close());

  test('introspection is disabled', async () => {
    const { errors } = await production.ask('{ __schema { types { name } } }');
    expect(errors?.[0]?.extensions?.['code']).toBe('GRAPHQL_VALIDATION_FAILED');
    const typo = await production.ask('{ custmer(id: "1") { id } }');
    expect(typo.text).not.toContain('customer"');
  });

  test('there is no Sandbox page', async () => {
    expect((await fetch(`${production.url}/`)).status).toBe(404);
    const page = await fetch(`${production.url}/graphql`, { headers: { accept: 'text/html' } });
    expect(page.headers.get('content-type')).not.toContain('text/html');
  });
});
