import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { auditServer } from '../helpers/audits.ts';
import { bodyOf, connectRaw, postText } from '../helpers/raw-socket.ts';
import { type Stack, startStack } from '../helpers/stack.ts';

/* GraphQL over HTTP (https://graphql.github.io/graphql-over-http/), including content negotiation. */

const JSON_TYPE = 'application/json; charset=utf-8';
const GRAPHQL_TYPE = 'application/graphql-response+json; charset=utf-8';
const QUERY = '{ product(sku: "OABR-S") { sku } }';
const DATA = { data: { product: { sku: 'OABR-S' } } };
const MUTATION = 'mutation { setStock(input: { sku: "OABR-S", quantity: 1 }) { product { sku } } }';
const PREFLIGHT = { 'apollo-require-preflight': 'yes' };

/** Audits that send a simple cross-origin GET, which CSRF prevention rejects. */
const FORBIDDEN_BY_CSRF_PREVENTION = [
  // MAY accept application/x-www-form-urlencoded formatted GET requests
  '5A70',
  // MAY allow URL-encoded JSON string {variables} parameter in GETs, for either type of response
  'D6D5',
  '6A70',
];

/** Audits that query `__type`, which needs introspection. */
const NEED_INTROSPECTION = [
  // SHOULD allow map {variables} parameter when accepting application/graphql-response+json
  '2EA1',
  // MUST allow map {variables} parameter when accepting application/json
  '28B9',
];

let stack: Stack;
let production: Awaited<ReturnType<Stack['startAnother']>>;
beforeAll(async () => {
  stack = await startStack();
  production = await stack.startAnother({ NODE_ENV: 'production', AUTH: 'none' });
  await stack.ask(QUERY);
});
afterAll(async () => {
  await production.close();
  await stack.close();
});
beforeEach(() => stack.reset());

const post = (body: unknown, headers: Record<string, string> = {}, url = stack.url) =>
  fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

const get = (parameters: Record<string, string>, headers: Record<string, string> = PREFLIGHT) =>
  fetch(`${stack.url}/graphql?${new URLSearchParams(parameters)}`, { headers });

const codeOf = async (response: Response): Promise<unknown> => {
  const { errors } = (await response.json()) as { errors?: { extensions: { code: unknown } }[] };
  return errors?.[0]?.extensions.code;
};

describe('the audits of graphql-http pass', () => {
  const idsOf = ({ failed }: { failed: object }) => Object.keys(failed).sort();

  test('in development, except those that CSRF prevention rejects', async () => {
    const result = await auditServer(`${stack.url}/graphql`);
    expect(result.count).toBe(61);
    expect(idsOf(result)).toEqual([...FORBIDDEN_BY_CSRF_PREVENTION].sort());
  });

  test('in production, except those and the two that need introspection', async () => {
    const result = await auditServer(`${production.url}/graphql`);
    expect(idsOf(result)).toEqual([...FORBIDDEN_BY_CSRF_PREVENTION, ...NEED_INTROSPECTION].sort());
  });

  test('all of them, for a client that sends a non-simple header', async () => {
    expect((await auditServer(`${stack.url}/graphql`, PREFLIGHT)).failed).toEqual({});
  });
});

describe('the media type of a response', () => {
  test.each([
    [undefined, JSON_TYPE],
    ['', JSON_TYPE],
    ['*/*', JSON_TYPE],
    ['application/*', JSON_TYPE],
    ['application/json', JSON_TYPE],
    ['APPLICATION/JSON', JSON_TYPE],
    ['application/json; charset=utf-8', JSON_TYPE],
    ['application/json;charset="UTF-8"', JSON_TYPE],
    ['application/json;\tcharset=utf-8', JSON_TYPE],
    ['text/html, application/json;q=0.1', JSON_TYPE],
    ['application/graphql-response+json', GRAPHQL_TYPE],
    ['application/graphql-response+json;charset=utf8', GRAPHQL_TYPE],
    ['application/graphql-response+json, application/json', GRAPHQL_TYPE],
    ['application/graphql-response+json,application/json;q=0.9', GRAPHQL_TYPE],
    ['application/json;q=0.9, application/graphql-response+json', GRAPHQL_TYPE],
    ['application/json, application/graphql-response+json', JSON_TYPE],
    ['application/graphql-response+json;q=0.5, */*;q=0.8', JSON_TYPE],
    ['application/json;q=0, */*', GRAPHQL_TYPE],
    ['*/*, application/graphql-response+json', GRAPHQL_TYPE],
    ['multipart/mixed;deferSpec=20220824, application/graphql-response+json, application/json', GRAPHQL_TYPE],
    [`${'text/x, '.repeat(100)}application/json`, JSON_TYPE],
  ])('for Accept: %s is %s', async (accept, type) => {
    const raw = await connectRaw(stack.url);
    const headers = `connection: close\r\n${accept === undefined ? '' : `accept: ${accept}\r\n`}`;
    raw.write(postText(JSON.stringify({ query: QUERY }), { headers }));
    const response = await raw.closed;
    expect(response).toMatch(/^HTTP\/1\.1 200 /);
    expect(response).toContain(`\r\ncontent-type: ${type}\r\n`);
    expect(bodyOf(response)).toEqual(DATA);
  });

  test.each([
    'text/html',
    'text/plain',
    'image/*',
    'application/xml',
    'multipart/mixed',
    'application/json;q=0',
    'application/json; charset=utf-16',
    'nonsense',
    '*/*;q=0',
  ])('Accept: %s is rejected before a mutation is executed', async (accept) => {
    const response = await post({ query: MUTATION }, { accept });
    expect([response.status, await codeOf(response)]).toEqual([406, 'BAD_REQUEST']);
    expect(stack.openmage.calls).toEqual([]);
  });

  test('is listed in the Vary header of responses to GET', async () => {
    const response = await get({ query: QUERY });
    expect(response.headers.get('vary')?.toLowerCase().split(/, */)).toContain('accept');
    expect(await response.json()).toEqual(DATA);
  });
});

describe('the status of a well-formed request that is not executed', () => {
  const REQUESTS: [string, object, string][] = [
    ['that is not GraphQL', { query: '{' }, 'GRAPHQL_PARSE_FAILED'],
    ['for an unknown field', { query: '{ nothing }' }, 'GRAPHQL_VALIDATION_FAILED'],
    ['with a subscription', { query: 'subscription { a }' }, 'GRAPHQL_VALIDATION_FAILED'],
    [
      'with several operations and no name',
      { query: `query A ${QUERY} query B ${QUERY}` },
      'OPERATION_RESOLUTION_FAILURE',
    ],
    [
      'with an unknown name',
      { query: `query A ${QUERY} query B ${QUERY}`, operationName: 'C' },
      'OPERATION_RESOLUTION_FAILURE',
    ],
    [
      'with a variable of another type',
      { query: 'query ($id: ID!) { customer(id: $id) { id } }', variables: { id: {} } },
      'BAD_USER_INPUT',
    ],
    [
      'over a limit',
      { query: `{ ${Array.from({ length: 1_000 }, (_, index) => `a${index}: __typename`).join(' ')} }` },
      'OPERATION_LIMIT_EXCEEDED',
    ],
  ];

  test.each(REQUESTS)(
    '%s is 400 for a client that accepts application/graphql-response+json',
    async (_, body, code) => {
      const response = await post(body, { accept: GRAPHQL_TYPE });
      expect([response.status, response.headers.get('content-type')]).toEqual([400, GRAPHQL_TYPE]);
      const answer = (await response.json()) as object;
      expect(answer).toMatchObject({ errors: [{ extensions: { code } }] });
      expect(answer).not.toHaveProperty('data');
    },
  );

  test.each(REQUESTS)('%s is 200 for a client that accepts only JSON', async (_, body, code) => {
    const response = await post(body, { accept: 'application/json' });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, JSON_TYPE]);
    expect(await codeOf(response)).toBe(code);
  });
});

describe('a request that is not well-formed', () => {
  const PERSISTED = { version: 1, sha256Hash: 'ab' };

  describe.each([
    ['application/json', JSON_TYPE],
    ['application/graphql-response+json, application/json;q=0.9', GRAPHQL_TYPE],
  ])('of a client that accepts %s', (accept, type) => {
    test.each([
      ['no JSON', '{"query":', 400],
      ['no query', '{"qeury":"{ __typename }"}', 400],
      ['a list of operations', [{ query: QUERY }], 400],
      ['variables that are a list', { query: QUERY, variables: [7] }, 400],
      ['a hash of another operation', { query: QUERY, extensions: { persistedQuery: PERSISTED } }, 400],
      ['a hash that is not a string', { extensions: { persistedQuery: { version: 1, sha256Hash: 1 } } }, 400],
      ['2 MB', JSON.stringify({ query: 'x'.repeat(2_000_000) }), 413],
    ])('%s is rejected, with the media type that it accepts', async (_, body, status) => {
      const response = await post(body, { accept });
      expect([response.status, response.headers.get('content-type')]).toEqual([status, type]);
      expect(await codeOf(response)).toBe(status === 413 ? 'PAYLOAD_TOO_LARGE' : 'BAD_REQUEST');
      expect(stack.openmage.calls).toEqual([]);
    });

    test('a compressed body, another Content-Type, another method and another path are rejected too', async () => {
      const refused = [
        await post('{}', { accept, 'content-encoding': 'gzip' }),
        await post('{}', { accept, 'content-type': 'application/graphql' }),
        await fetch(`${stack.url}/graphql`, { method: 'PUT', headers: { accept } }),
        await fetch(`${stack.url}/graphq`, { method: 'POST', headers: { accept } }),
      ];
      expect(refused.map(({ status, headers }) => [status, headers.get('content-type')])).toEqual([
        [415, type],
        [415, type],
        [405, type],
        [404, type],
      ]);
    });
  });
});

describe('a body in an encoding other than UTF-8', () => {
  test.each(['iso-8859-1', 'utf-16', 'windows-1252', '"latin1"'])(
    'with charset=%s is rejected instead of misread',
    async (charset) => {
      const response = await post({ query: QUERY }, { 'content-type': `application/json; charset=${charset}` });
      expect([response.status, await codeOf(response)]).toEqual([415, 'BAD_REQUEST']);
      expect(stack.openmage.calls).toEqual([]);
    },
  );

  test.each(['utf-8', 'UTF8', '"utf-8"', 'us-ascii'])('charset=%s is accepted as UTF-8', async (charset) => {
    const response = await post({ query: QUERY }, { 'content-type': `application/json; charset=${charset}` });
    expect(await response.json()).toEqual(DATA);
  });
});

test('a body that is not valid UTF-8 is rejected instead of read with replacement characters', async () => {
  const body = Buffer.from(JSON.stringify({ query: `${QUERY} # Ren\u00e9` }), 'latin1');
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${stack.url}/graphql`, { method: 'POST', headers, body });
  expect([response.status, await codeOf(response)]).toEqual([415, 'BAD_REQUEST']);
});

test.each(['POST', 'GET'])('%s with a long Content-Type is rejected before it is parsed', async (method) => {
  const type = `application/json;a=b${' '.repeat(15_000)}c`;
  const body = method === 'POST' ? JSON.stringify({ query: QUERY }) : undefined;
  const response = await fetch(`${stack.url}/graphql?query=${encodeURIComponent(QUERY)}`, {
    method,
    headers: { 'content-type': type },
    ...(body && { body }),
  });
  expect([response.status, await codeOf(response)]).toEqual([415, 'BAD_REQUEST']);
});

describe('GET', () => {
  test.each(['query', 'variables', 'operationName', 'extensions'])(
    'with two %s parameters is rejected',
    async (name) => {
      const twice = { query: `query a ${QUERY}`, variables: '{}', operationName: 'a', extensions: '{}' }[name] ?? '';
      const parameters = new URLSearchParams({ query: `query a ${QUERY}` });
      parameters.delete(name);
      parameters.append(name, twice);
      parameters.append(name, twice);
      const response = await fetch(`${stack.url}/graphql?${parameters}`, { headers: PREFLIGHT });
      expect([response.status, await codeOf(response)]).toEqual([400, 'BAD_REQUEST']);
      expect(stack.openmage.calls).toEqual([]);
    },
  );

  test.each([
    ['variables', '[1]'],
    ['variables', '{'],
    ['extensions', '"x"'],
    ['extensions', '1'],
  ])('with %s=%s is rejected', async (name, value) => {
    const response = await get({ query: QUERY, [name]: value });
    expect([response.status, await codeOf(response)]).toEqual([400, 'BAD_REQUEST']);
    expect(stack.openmage.calls).toEqual([]);
  });

  test.each(['application/json', GRAPHQL_TYPE])('a mutation is METHOD_NOT_ALLOWED, for %s', async (accept) => {
    const response = await get({ query: MUTATION }, { ...PREFLIGHT, accept });
    expect([response.status, response.headers.get('allow'), await codeOf(response)]).toEqual([
      405,
      'POST',
      'METHOD_NOT_ALLOWED',
    ]);
    expect(stack.openmage.calls).toEqual([]);
  });

  test('a Content-Type other than JSON is rejected', async () => {
    const response = await get({ query: QUERY }, { ...PREFLIGHT, 'content-type': 'text/plain' });
    expect([response.status, await codeOf(response)]).toEqual([415, 'BAD_REQUEST']);
  });
});

test('given a bundled subgraph with a wrong URL, then its fields are UPSTREAM_NOT_FOUND', async () => {
  const lost = await stack.startAnother({ INVENTORY_URL: `${stack.url}/inventory` });
  const { errors } = await lost.ask(QUERY);
  await lost.close();
  expect(errors).toEqual([
    {
      message: 'The inventory service reported an error.',
      path: ['product'],
      extensions: { code: 'UPSTREAM_NOT_FOUND', serviceName: 'inventory' },
    },
  ]);
});

test('an empty operationName selects no operation', async () => {
  expect(await (await get({ query: `query A ${QUERY}`, operationName: '' })).json()).toEqual(DATA);
  expect(await (await post({ query: `query A ${QUERY}`, operationName: '' })).json()).toEqual(DATA);
});

test('an unknown hash is 200 for all clients, as clients of persisted queries expect', async () => {
  const extensions = { persistedQuery: { version: 1, sha256Hash: 'a'.repeat(64) } };
  for (const accept of ['application/json', GRAPHQL_TYPE]) {
    const response = await post({ extensions }, { accept });
    expect([response.status, await codeOf(response)]).toEqual([200, 'PERSISTED_QUERY_NOT_FOUND']);
  }
});
