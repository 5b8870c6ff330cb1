import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startHttpServer } from '../helpers/http-server.ts';
import { type Stack, startStack } from '../helpers/stack.ts';

/* A remote payments subgraph that returns arbitrary responses. */

const ASK = '{ payment(id: "pi_3x") { id status } product(sku: "OABR-S") { sku } }';

let answer: (request: IncomingMessage, response: ServerResponse) => void;
let received: { headers: IncomingMessage['headers']; body: string }[];
let server: Awaited<ReturnType<typeof startHttpServer>>;
let stack: Stack;

beforeEach(async () => {
  received = [];
  server = await startHttpServer(async (request, response) => {
    received.push({ headers: request.headers, body: await text(request) });
    answer(request, response);
  });
  stack = await startStack({ env: { PAYMENTS_URL: `${server.url}/graphql`, REQUEST_TIMEOUT_MS: '6000' } });
});
afterEach(async () => {
  await stack.close();
  await server.close();
});

const json = (status: number, body: unknown) => (_: IncomingMessage, response: ServerResponse) => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};

test('receives the headers in FORWARD_HEADERS and no others', async () => {
  answer = json(200, { data: { payment: { id: 'pi_3x', status: 'SUCCEEDED' } } });
  const { data } = await stack.ask(
    ASK,
    {},
    { headers: { 'x-request-id': 'r-1', traceparent: '00-1-2-01', authorization: 'Bearer secret', cookie: 'a=b' } },
  );
  expect(data).toMatchObject({ payment: { id: 'pi_3x', status: 'SUCCEEDED' } });
  expect(received[0]?.headers).toMatchObject({ 'x-request-id': 'r-1', traceparent: '00-1-2-01' });
  const deadlineMs = Number(received[0]?.headers['x-tributary-deadline-ms']);
  expect(deadlineMs).toBeGreaterThan(0);
  expect(deadlineMs).toBeLessThanOrEqual(6_000);
  expect(received[0]?.headers).not.toHaveProperty('authorization');
  expect(received[0]?.headers).not.toHaveProperty('cookie');
});

test.each([
  ['a minute', 60_000, 'max-age=60, private'],
  ['more than a year', 1e300, 'max-age=31536000, private'],
  ['zero', 0, 'no-store'],
  ['a negative time', -5, 'no-store'],
  ['text', 'long', 'no-store'],
  ['undefined', undefined, 'no-store'],
  ['null, as nothing ages', null, 'no-store'],
])(
  'given a reported freshness of %s, then the client receives it in Cache-Control',
  async (_, freshForMs, expected) => {
    const extensions = { tributary: { freshForMs } };
    answer = json(200, { data: { payment: { id: 'pi_3x', status: 'SUCCEEDED' } }, extensions });
    const query = encodeURIComponent('{ payment(id: "pi_3x") { id status } }');
    const response = await fetch(`${stack.url}/graphql?query=${query}`, {
      headers: { 'apollo-require-preflight': 'yes' },
    });
    expect(await response.json()).toEqual({ data: { payment: { id: 'pi_3x', status: 'SUCCEEDED' } } });
    expect(response.headers.get('cache-control')).toBe(expected);
    expect(received[0]?.headers).toMatchObject({ 'x-tributary-freshness': '1' });
  },
);

test.each([
  ['unknown columns', { calls: [{ subgraph: 'payments', operation: 'x', calls: 2, cost: 9 }] }, [{ calls: 2 }]],
  ['text for numbers', { calls: [{ subgraph: 'payments', operation: 'x', calls: 'many' }] }, []],
  ['values that are not lists', { calls: 7, stale: 'yes' }, []],
])('given a report with %s, then invalid parts are omitted', async (_, tributary, expected) => {
  answer = json(200, { data: { payment: { id: 'pi_3x', status: 'SUCCEEDED' } }, extensions: { tributary } });
  const { text, errors } = await stack.ask(ASK, {}, { headers: { 'x-tributary-report': '1' } });
  expect(errors).toBeUndefined();
  const { extensions } = JSON.parse(text) as { extensions: { tributary: { calls: { subgraph: string }[] } } };
  const rows = extensions.tributary.calls.filter(({ subgraph }) => subgraph === 'payments');
  expect(rows).toMatchObject(expected);
  expect(text).not.toContain('cost');
});

describe.each([
  ['500', json(500, { oops: true }), 'UPSTREAM_UNAVAILABLE'],
  [
    'an HTML page',
    (_: unknown, response: ServerResponse) => response.end('<html>nginx</html>'),
    'UPSTREAM_BAD_RESPONSE',
  ],
  ['no data', json(200, {}), 'UPSTREAM_BAD_RESPONSE'],
  ['another kind of data', json(200, { data: [1] }), 'UPSTREAM_BAD_RESPONSE'],
  [
    'too many bytes',
    (_: unknown, response: ServerResponse) => response.end('x'.repeat(40_000_000)),
    'UPSTREAM_BAD_RESPONSE',
  ],
  ['no response', () => {}, 'UPSTREAM_TIMEOUT'],
  ['a broken connection', (request: IncomingMessage) => request.socket.destroy(), 'UPSTREAM_UNAVAILABLE'],
  [
    'a custom error',
    json(200, {
      data: { payment: null },
      errors: [
        {
          message: 'connect ECONNREFUSED 10.0.0.7:5432',
          path: ['payment'],
          extensions: { code: 'DB_DOWN', stacktrace: ['at x'] },
        },
      ],
    }),
    'INTERNAL_SERVER_ERROR',
  ],
  [
    'an error without a path',
    json(400, { errors: [{ message: 'no such field', extensions: { code: 'BAD_USER_INPUT' } }] }),
    'BAD_USER_INPUT',
  ],
])('given it responds with %s', (_, how, code) => {
  test(`then its field has one error, ${code}, and the other field is returned`, async () => {
    answer = how;
    const { data, errors, text: whole } = await stack.ask(ASK);
    expect(data).toEqual({ payment: null, product: { sku: 'OABR-S' } });
    expect(errors?.map(({ path, extensions }) => [path, extensions?.['code']])).toEqual([[['payment'], code]]);
    expect(whole).not.toMatch(/127\.0\.0\.1|10\.0\.0\.7|ECONN|nginx|at x/);
  });
});

test('given an error with a known code, then only known extensions are passed on', async () => {
  answer = json(200, {
    data: { payment: null },
    errors: [
      {
        message: 'No.',
        path: ['payment'],
        extensions: {
          code: 'UPSTREAM_REJECTED',
          reason: 'WRONG_STATE',
          stacktrace: ['at x'],
          http: { status: 400, headers: { a: 'b' } },
          query: 'SELECT 1',
        },
      },
    ],
  });
  const { status, errors } = await stack.ask(ASK);
  expect(status).toBe(200);
  expect(errors).toEqual([
    {
      message: 'No.',
      path: ['payment'],
      extensions: { code: 'UPSTREAM_REJECTED', reason: 'WRONG_STATE', serviceName: 'payments' },
    },
  ]);
});

test('given an error without a code but with a status, then its message is not passed on', async () => {
  answer = json(200, {
    data: { payment: null },
    errors: [{ message: 'table secrets', path: ['payment'], extensions: { code: 42, http: { status: 400 } } }],
  });
  const { status, errors, text: whole } = await stack.ask(ASK);
  expect(status).toBe(200);
  expect(errors?.map(({ path, extensions }) => [path, extensions?.['code']])).toEqual([
    [['payment'], 'INTERNAL_SERVER_ERROR'],
  ]);
  expect(whole).not.toContain('secrets');
});

test.each([
  ['path', { path: null }],
  ['extensions', { extensions: null }],
  ['an entry', null],
])('given an error with null for %s, then its data is returned', async (_, odd) => {
  const error = odd && { message: 'No.', path: ['payment', 'description'], extensions: { code: 'BAD_USER_INPUT' } };
  const data = { payment: { id: 'pi_3x', description: null } };
  answer = json(200, { data, errors: [odd && { ...error, ...odd }], extensions: null });
  const answered = await stack.ask('{ payment(id: "pi_3x") { id description } product(sku: "OABR-S") { sku } }');
  expect(answered.data).toEqual({ ...data, product: { sku: 'OABR-S' } });
  expect(answered.errors).toHaveLength(1);
});

test.each([
  ['', 401, 'UPSTREAM_UNAUTHORIZED'],
  ['authorization', 401, 'UNAUTHENTICATED'],
  ['authorization', 403, 'FORBIDDEN'],
])('given FORWARD_HEADERS=%s and the status %i, then the code is %s', async (FORWARD_HEADERS, status, code) => {
  const { url } = server;
  const another = await stack.startAnother({ PAYMENTS_URL: `${url}/graphql`, FORWARD_HEADERS });
  answer = json(status, { message: 'from a proxy' });
  const { data, errors } = await another.ask(ASK, {}, { headers: { authorization: 'Bearer a' } });
  await another.close();
  expect(data).toEqual({ payment: null, product: { sku: 'OABR-S' } });
  expect(errors).toMatchObject([{ path: ['payment'], extensions: { code } }]);
});

test('given an unknown code, then neither it nor the message is passed on', async () => {
  answer = json(200, {
    data: { payment: null },
    errors: [{ message: 'table secrets', path: ['payment'], extensions: { code: 'FOREIGN_CODE' } }],
  });
  const { errors, text: whole } = await stack.ask(ASK);
  expect(errors).toMatchObject([{ path: ['payment'], extensions: { code: 'INTERNAL_SERVER_ERROR' } }]);
  expect(whole).not.toMatch(/secrets|FOREIGN/);
});

test('given a client that disconnects, then the subgraph request is aborted', async () => {
  const gone = Promise.withResolvers<void>();
  answer = (request) => request.socket.once('close', () => gone.resolve());
  const client = new AbortController();
  const asked = stack.ask(ASK, {}, { signal: client.signal });
  await expect.poll(() => received.length).toBe(1);
  client.abort();
  await expect(asked).rejects.toThrow();
  await gone.promise;
});

test('given entities missing from the response, then each is an error at its index', async () => {
  answer = json(503, {});
  const { errors } = await stack.ask(
    '{ customers(first: 3) { edges { node { id money: balance { amount } payments @include(if: false) { edges { cursor } } } } } }',
  );
  expect(errors?.map(({ path }) => path)).toEqual(
    [0, 1, 2].map((index) => ['customers', 'edges', index, 'node', 'money']),
  );
});
