import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRandom } from '../../sandbox/random.ts';
import { type Federation, startFederation } from '../helpers/federation.ts';
import { bodyOf, connectRaw, postText } from '../helpers/raw-socket.ts';

/* Malformed or unsupported requests. Each is rejected in the common error form, and none does harm. */

const SCHEMA = 'type Query { version(odd: Odd): String } scalar Odd';
const VERSION = '{ version }';
const GET_LIVE = 'GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n';

let federation: Federation<'one'>;
beforeAll(async () => {
  federation = await startFederation(
    { one: { schema: SCHEMA, fields: { 'Query.version': () => 'first' } } },
    { HEADER_TIMEOUT_MS: '1000', BODY_TIMEOUT_MS: '1000', IDLE_TIMEOUT_MS: '50' },
  );
});
afterAll(() => federation.close());

const send = async (text: string): Promise<string> => {
  const raw = await connectRaw(federation.url);
  raw.write(text);
  return raw.closed;
};

const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
  fetch(`${federation.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });

const codeOf = (body: unknown): unknown =>
  (body as { errors?: { extensions?: { code?: unknown } }[] }).errors?.[0]?.extensions?.code;

const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;

describe('bodies', () => {
  test.each([
    ['an empty body', ''],
    ['no JSON', '{"query":'],
    ['null', 'null'],
    ['a number', '1'],
    ['text', '"{ version }"'],
    ['an empty list', '[]'],
    ['a list of operations', `[{"query":"${VERSION}"},{"query":"${VERSION}"}]`],
    ['an empty object', '{}'],
    ['a query that is a number', '{"query":1}'],
    ['a query that is an object', '{"query":{"a":1}}'],
    ['a query that is a list', `{"query":["${VERSION}"]}`],
    ['a query that is null', '{"query":null}'],
    ['an operationName that is a number', `{"query":"${VERSION}","operationName":1}`],
    ['an operationName that is an object', `{"query":"${VERSION}","operationName":{}}`],
    ['an operationName that is a list', `{"query":"${VERSION}","operationName":["a"]}`],
    ['variables that are text', `{"query":"${VERSION}","variables":"{}"}`],
    ['variables that are a list', `{"query":"${VERSION}","variables":[]}`],
    ['variables that are a number', `{"query":"${VERSION}","variables":1}`],
    ['extensions that are text', `{"query":"${VERSION}","extensions":"{}"}`],
    ['extensions that are a list', `{"query":"${VERSION}","extensions":[1]}`],
    ['extensions that are a number', `{"query":"${VERSION}","extensions":true}`],
    ['a persistedQuery that is a number', `{"query":"${VERSION}","extensions":{"persistedQuery":1}}`],
    ['a persistedQuery that is null', `{"extensions":{"persistedQuery":null}}`],
    [
      'a hash that is an object',
      `{"query":"${VERSION}","extensions":{"persistedQuery":{"version":1,"sha256Hash":{}}}}`,
    ],
    ['a prototype', `{"query":"${VERSION}","__proto__":{"a":1}}`],
    ['a prototype further down', `{"query":"${VERSION}","variables":{"a":[{"__proto__":{"a":1}}]}}`],
    ['a constructor with a prototype', `{"query":"${VERSION}","constructor":{"prototype":{"a":1}}}`],
    ['an escaped prototype', `{"query":"${VERSION}","\\u005f_proto__":{"a":1}}`],
    ['variables nested too deeply', `{"query":"${VERSION}","variables":{"a":${nested(500_000)}}}`],
    ['lists nested too deeply', nested(500_000)],
    ['objects nested too deeply', '{"a":'.repeat(100_000)],
  ])('%s is BAD_REQUEST', async (_, body) => {
    const response = await post(body);
    const answer = await response.json();
    expect([response.status, codeOf(answer)]).toEqual([400, 'BAD_REQUEST']);
    expect(({} as { a?: unknown }).a).toBeUndefined();
  });

  test('nesting is counted outside of strings only, and accepted up to the limit', async () => {
    const query = 'query ($odd: Odd) { version(odd: $odd) }';
    const odd = JSON.parse(nested(190)) as unknown;
    const response = await post(JSON.stringify({ query, variables: { odd, text: `"\\${nested(500)}` } }));
    expect(await response.json()).toEqual({ data: { version: 'first' } });
  });

  test.each([
    ['a list', (count: number) => Array.from({ length: count }, () => 1)],
    ['lists', (count: number) => Array.from({ length: count / 2 }, () => [])],
    ['objects', (count: number) => Array.from({ length: count / 2 }, () => ({}))],
    ['an object', (count: number) => Object.fromEntries(Array.from({ length: count }, (_, key) => [`key${key}`, 1]))],
  ])('%s with more than MAX_BODY_VALUES values is rejected, and with as many is accepted', async (_, make) => {
    const query = 'query ($odd: Odd) { version(odd: $odd) }';
    const text = ',{['.repeat(20_000);
    // The list and its surroundings: the body, its other two values, and `variables`.
    const taken = await post(JSON.stringify({ query, text, variables: { odd: make(19_994) } }));
    expect(await taken.json()).toEqual({ data: { version: 'first' } });
    const refused = await post(JSON.stringify({ query, text, variables: { odd: make(20_000) } }));
    expect(refused.status).toBe(413);
    expect(await refused.json()).toEqual({
      errors: [
        {
          message: 'The request body has more than 20,000 values (MAX_BODY_VALUES). Send less in its variables.',
          extensions: { code: 'PAYLOAD_TOO_LARGE' },
        },
      ],
    });
  });

  test.each(['gzip', 'br', 'deflate', 'GZIP', 'identity, gzip', 'zstd', 'nonsense'])(
    'with Content-Encoding %s is rejected and not decompressed',
    async (encoding) => {
      const response = await post(new Uint8Array(gzipSync('x'.repeat(10_000_000))), { 'content-encoding': encoding });
      const answer = await response.json();
      expect([response.status, codeOf(answer)]).toEqual([415, 'BAD_REQUEST']);
    },
  );

  test('with Content-Encoding identity is accepted', async () => {
    const response = await post(JSON.stringify({ query: VERSION }), { 'content-encoding': 'identity' });
    expect(await response.json()).toEqual({ data: { version: 'first' } });
  });

  test.each([
    'text/plain',
    'text/plain; charset=utf-8',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/graphql',
    'application/xml',
    'application/jsonp',
    'json',
    'application/json, text/plain',
    '*/*',
    ';',
    'application/',
  ])('with Content-Type %j is rejected', async (type) => {
    const response = await post(JSON.stringify({ query: VERSION }), { 'content-type': type });
    const answer = await response.json();
    expect([response.status, codeOf(answer)]).toEqual([415, 'BAD_REQUEST']);
  });

  test.each(['application/json; charset=utf-8', 'APPLICATION/JSON', 'application/json;charset="UTF-8"'])(
    'with Content-Type %j is accepted',
    async (type) => {
      const response = await post(JSON.stringify({ query: VERSION }), { 'content-type': type });
      expect(await response.json()).toEqual({ data: { version: 'first' } });
    },
  );
});

describe('methods', () => {
  test.each(['HEAD', 'OPTIONS', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'QUERY', 'TRACE'])(
    '%s on /graphql is rejected, and the Allow header lists the supported ones',
    async (method) => {
      const response = await send(`${method} /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`);
      expect(response).toMatch(/^HTTP\/1\.1 405 /);
      expect(response).toMatch(/^allow: GET, POST\r$/im);
      if (method !== 'HEAD') expect(codeOf(bodyOf(response))).toBe('METHOD_NOT_ALLOWED');
    },
  );

  test.each(['GET', 'POST', 'PUT'])('%s of an unknown path is NOT_FOUND', async (method) => {
    const response = await fetch(`${federation.url}/nowhere?a=1`, { method });
    const answer = await response.json();
    expect([response.status, codeOf(answer)]).toEqual([404, 'NOT_FOUND']);
    expect(JSON.stringify(answer)).toContain('/graphql');
  });

  test('POST on /health/live is rejected, HEAD is not', async () => {
    expect((await fetch(`${federation.url}/health/live`, { method: 'POST' })).status).toBe(405);
    expect((await fetch(`${federation.url}/health/live`, { method: 'HEAD' })).status).toBe(200);
  });
});

describe('headers', () => {
  test.each([
    ['longer than MAX_HEADER_KIB', `x-long: ${'x'.repeat(17 * 1024)}\r\n`],
    ['more than MAX_HEADERS', 'x-a: 1\r\n'.repeat(101)],
  ])('%s are rejected with 431', async (_, headers) => {
    const response = await send(postText(JSON.stringify({ query: VERSION }), { headers }));
    expect(response).toMatch(/^HTTP\/1\.1 431 /);
    expect(codeOf(bodyOf(response))).toBe('BAD_REQUEST');
  });

  test('none is dropped silently: the last of a hundred is used', async () => {
    const headers = `${'x-a: 1\r\n'.repeat(95)}content-encoding: gzip\r\n`;
    expect(await send(postText('{}', { headers }))).toMatch(/^HTTP\/1\.1 415 /);
  });

  test('Expect: 100-continue is answered before the request', async () => {
    const raw = await connectRaw(federation.url);
    const body = JSON.stringify({ query: VERSION });
    raw.write(postText('', { length: body.length, headers: 'expect: 100-continue\r\nconnection: close\r\n' }));
    await raw.until('HTTP/1.1 100 Continue');
    raw.write(body);
    expect(await raw.closed).toContain('{"data":{"version":"first"}}');
  });

  test('another expectation is rejected with 417', async () => {
    const response = await send(postText('{}', { headers: 'expect: miracles\r\n' }));
    expect(response).toMatch(/^HTTP\/1\.1 417 /);
    expect(response).toContain('"code":"BAD_REQUEST"');
  });
});

test('pipelined requests are answered in order', async () => {
  const ask = (name: string) => postText(JSON.stringify({ query: `{ ${name}: version }` }));
  const response = await send(`${ask('a')}${ask('b')}${ask('c')}${GET_LIVE}`);
  expect(response.match(/"[abc]":"first"|"ok"/g)).toEqual(['"a":"first"', '"b":"first"', '"c":"first"', '"ok"']);
});

describe('malformed requests', () => {
  test.each([
    ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a bare line', 'hello\r\n\r\n'],
    ['a target with spaces', 'GET /a b c HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n'],
    ['an unknown version', 'GET / HTTP/7.3\r\nhost: 127.0.0.1\r\n\r\n'],
    ['two lengths', postText('{}', { headers: 'content-length: 3\r\n' })],
    ['a negative length', 'POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: -1\r\n\r\n'],
    ['a length and chunks', postText('0\r\n\r\n', { headers: 'transfer-encoding: chunked\r\n' })],
    [
      'a bad chunk',
      'POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n',
    ],
    ['a folded header', 'GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a: 1\r\n 2\r\n\r\n'],
    ['a header without a name', 'GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n: 2\r\n\r\n'],
    ['a null in a header', 'GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a: \0\r\n\r\n'],
  ])('%s gets a 400 that does not repeat its input, or a closed connection', async (_, text) => {
    const response = await send(text);
    if (response === '') return;
    expect(response).toMatch(/^HTTP\/1\.1 400 /);
    expect(codeOf(bodyOf(response))).toBe('BAD_REQUEST');
    expect(response).not.toMatch(/xyz|SSH|a b c|7\.3/);
  });

  const SEEDS = [
    postText(JSON.stringify({ query: VERSION })),
    postText(JSON.stringify({ query: VERSION }), { headers: 'expect: 100-continue\r\n' }),
    `GET /graphql?query=${encodeURIComponent(VERSION)} HTTP/1.1\r\nhost: localhost\r\napollo-require-preflight: 1\r\n\r\n`,
    'POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\n5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n',
    `OPTIONS /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\norigin: http://a\r\naccess-control-request-method: POST\r\n\r\n`,
    'GET /desk/%E0%A4%A HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
    'CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n',
    'GET http://evil.example/graphql HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n',
    GET_LIVE,
  ];
  const PIECES = [
    '\r\n',
    '\n',
    '\0',
    ' ',
    ':',
    '\r\n\r\n',
    'HTTP/1.1',
    '%',
    '\xff',
    '{',
    '9'.repeat(30),
    'x'.repeat(20_000),
  ];

  test('given hundreds of malformed requests, then a valid one is still answered', async () => {
    const random = createRandom(5);
    const oneOf = <T>(items: readonly T[]): T => items[random.int(0, items.length - 1)] as T;
    const spoil = (text: string): string => {
      const at = random.int(0, text.length);
      const to = Math.min(text.length, at + random.int(0, 12));
      const way = random.int(0, 4);
      if (way === 0) return text.slice(0, at);
      if (way === 1) return text.slice(0, at) + text.slice(to);
      if (way === 2) return text.slice(0, at) + oneOf(PIECES) + text.slice(at);
      if (way === 3) return text.slice(0, at) + oneOf(SEEDS) + text.slice(at);
      return text.slice(0, at) + String.fromCharCode(random.int(0, 255)) + text.slice(at + 1);
    };
    const crashes: unknown[] = [];
    const crashed = (error: unknown) => void crashes.push(error);
    process.on('uncaughtException', crashed);
    process.on('unhandledRejection', crashed);
    const texts = Array.from({ length: 600 }, () => {
      let text = oneOf(SEEDS);
      for (let count = random.int(1, 3); count > 0; count -= 1) text = spoil(text);
      return text;
    });
    const queue = [...texts];
    const statuses = new Map<string, number>();
    const client = async (): Promise<void> => {
      for (let text = queue.pop(); text !== undefined; text = queue.pop()) {
        const raw = await connectRaw(federation.url);
        raw.socket.write(text, 'latin1');
        // Half of the clients disconnect, the others wait for the response.
        if (queue.length % 2 === 0) raw.socket.end();
        const response = await raw.closed;
        const status = /^HTTP\/1\.1 (\d+)/.exec(response)?.[1] ?? 'none';
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        expect([status.startsWith('5'), text.slice(0, 300)]).toEqual([false, text.slice(0, 300)]);
      }
    };
    try {
      await Promise.all(Array.from({ length: 60 }, client));
    } finally {
      process.off('uncaughtException', crashed);
      process.off('unhandledRejection', crashed);
    }
    expect(crashes).toEqual([]);
    expect(statuses.size).toBeGreaterThan(4);
    expect((await federation.ask(VERSION)).data).toEqual({ version: 'first' });
  });
});
