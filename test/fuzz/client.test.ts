// @module-tag long

import { connect } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRandom } from '../../sandbox/random.ts';
import { type FuzzedGateway, faultOf, startFuzzedGateway } from './fuzzed-gateway.ts';
import { mutatedBytes, mutatedJson, ODD_JSON, ODD_VALUES } from './odd-bodies.ts';

/* Fuzzes the gateway with requests from clients. */

const QUERY = 'query Ask($sku: ID!) { product(sku: $sku) { sku stock { quantity } } }';
const REQUEST = {
  query: QUERY,
  operationName: 'Ask',
  variables: { sku: 'OABR-S' },
  extensions: { clientLibrary: { name: 'x' } },
};
const VALID = Buffer.from(JSON.stringify(REQUEST));
const seeds = Array.from({ length: 150 }, (_, index) => index + 1);
const DEEP = 10_000;

const MUTATION = `mutation Do($input: SetStockInput!) { setStock(input: $input) { product { sku } } }`;

type Case = {
  readonly name: string;
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Record<string, string>;
};
const odd = (name: string, body: unknown, headers?: Record<string, string>): Case => ({
  name,
  body: typeof body === 'string' ? body : JSON.stringify(body),
  ...(headers && { headers }),
});
const query = (name: string, text: string): Case => odd(name, { query: text });

const QUERIES: readonly Case[] = [
  query('an empty query', ''),
  query('spaces', ' '.repeat(100_000)),
  query('commas', ','.repeat(100_000)),
  query('a comment', `#${'x'.repeat(100_000)}`),
  query('a byte order mark', '\ufeff{ __typename }'),
  query('a null character', '{ __typename \u0000 }'),
  query('half a surrogate pair', '{ product(sku: "\ud800") { sku } }'),
  query('invalid escapes', '{ product(sku: "\\u{110000}") { sku } product(sku: "\\ud800") { sku } }'),
  query('an unterminated string', '{ product(sku: "x'),
  query('an unterminated block string', '{ product(sku: """x'),
  query('a block string of quotes', `{ product(sku: """${'\\"""'.repeat(10_000)}""") { sku } }`),
  query('a block string of lines', `{ product(sku: """${' \n'.repeat(10_000)}""") { sku } }`),
  query('ten thousand unclosed braces', '{a'.repeat(DEEP)),
  query('ten thousand nested braces', `${'{a'.repeat(DEEP)}${'}'.repeat(DEEP)}`),
  query('ten thousand lists in a value', `{ products(skus: ${'['.repeat(DEEP)}${']'.repeat(DEEP)}) { sku } }`),
  query('ten thousand lists in a type', `query($a: ${'['.repeat(DEEP)}Int${']'.repeat(DEEP)}) { __typename }`),
  query('ten thousand objects in a value', `{ product(sku: ${'{a:'.repeat(DEEP)}1${'}'.repeat(DEEP)}) { sku } }`),
  query('a number of ten thousand digits', `{ customers(first: ${'9'.repeat(DEEP)}) { edges { node { id } } } }`),
  query('a fraction', '{ customers(first: 1.5) { edges { node { id } } } }'),
  query('an infinite number', '{ customers(first: 1e999) { edges { node { id } } } }'),
  query('a negative number', '{ customers(first: -1) { edges { node { id } } } }'),
  query('a fragment that spreads itself', '{ ...a } fragment a on Query { ...a }'),
  query('two fragments that spread each other', '{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }'),
  query('an unknown fragment', '{ ...a }'),
  query('a thousand errors', `{ ${Array.from({ length: 1_000 }, (_, i) => `x${i}`).join(' ')} }`),
  query('names of inherited properties', '{ __proto__ constructor toString: __typename hasOwnProperty: __typename }'),
  query(
    'aliases of inherited properties',
    '{ __proto__: __typename constructor: __typename valueOf: product(sku: "OABR-S") { __proto__: sku } }',
  ),
  query('unknown directives', '{ __typename @a @b @c }'),
  query('a thousand directives', `{ __typename ${'@include(if: true) '.repeat(1_000)} }`),
  query('a schema', 'type Query { a: Int }'),
  query('two operations', '{ __typename } { __typename }'),
  query('a subscription', 'subscription { a }'),
  query('the entities of a subgraph', '{ _entities(representations: [{}]) { __typename } _service { sdl } }'),
  query(
    'unusual introspection',
    '{ __type(name: "__proto__") { name } __schema { types { fields(includeDeprecated: null) { name } } } }',
  ),
  query('an invalid cursor', '{ customers(first: 1, after: "%%%") { edges { node { id } } } }'),
  query(
    'a cursor of brackets',
    `{ customers(first: 1, after: "${Buffer.from('['.repeat(DEEP)).toString('base64url')}") { edges { node { id } } } }`,
  ),
  query(
    'a cursor that is a prototype',
    `{ customers(first: 1, after: "${Buffer.from('{"__proto__":[]}').toString('base64url')}") { edges { node { id } } } }`,
  ),
  query(
    'an id of a hundred thousand characters',
    `{ payment(id: "${'x'.repeat(1e5)}") { id } customer(id: "${'1'.repeat(1e5)}") { id } }`,
  ),
  query(
    'ids with special characters',
    '{ payment(id: "../../x?y#z%00\\r\\n") { id } customer(id: "1\\u0000") { id } product(sku: "<![CDATA[&x;") { sku } }',
  ),
  query('an address of a hundred thousand at signs', `{ customer(email: "${'@'.repeat(1e5)}") { id } }`),
  query('an address of dots', `{ customer(email: "a@${'a.'.repeat(50_000)}") { id } }`),
];

const VARIABLES: readonly Case[] = ODD_VALUES.flatMap((value) => {
  const shown = JSON.stringify(value).slice(0, 40);
  return [
    odd(`variables ${shown}`, { query: QUERY, variables: value }),
    odd(`the variable ${shown}`, { query: QUERY, variables: { sku: value } }),
    odd(`the input ${shown}`, { query: MUTATION, variables: { input: value } }),
    odd(`the input's parts ${shown}`, {
      query: MUTATION,
      variables: { input: { sku: value, quantity: value, isInStock: value } },
    }),
    odd(`operationName ${shown}`, { ...REQUEST, operationName: value }),
    odd(`extensions ${shown}`, { ...REQUEST, extensions: value }),
    odd(`a persisted query ${shown}`, { extensions: { persistedQuery: value } }),
    odd(`a persisted query's hash ${shown}`, { extensions: { persistedQuery: { version: 1, sha256Hash: value } } }),
    odd(`a persisted query with a text and hash ${shown}`, {
      query: QUERY,
      extensions: { persistedQuery: { version: value, sha256Hash: value } },
    }),
    odd(`a query of ${shown}`, { query: value }),
    odd(`a request of ${shown}`, [value]),
  ];
});

const HEADERS: readonly Case[] = [
  ...[
    'text/plain',
    'application/graphql',
    'multipart/form-data; boundary=x',
    'application/json; charset=utf-16',
    '',
    'application/json/x',
    'x',
  ].map((type) => odd(`the content type ${type}`, REQUEST, { 'content-type': type })),
  odd('another encoding', REQUEST, { 'content-encoding': 'gzip' }),
  odd('a cache-control of commas', REQUEST, { 'cache-control': `no-cache${', '.repeat(3_000)}` }),
  odd('a cache-control of spaces', REQUEST, { 'cache-control': `${' no-cach'.repeat(1_000)}e` }),
  odd('an accept of commas', REQUEST, { accept: ','.repeat(8_000) }),
  odd('an accept of parameters', REQUEST, { accept: `a/b${';q=1'.repeat(2_000)}` }),
  odd('an invalid report header', REQUEST, { 'x-tributary-report': '__proto__' }),
  odd('an invalid deadline', REQUEST, {
    'x-tributary-deadline-ms': '-1',
    'x-tributary-freshness': '9'.repeat(1_000),
  }),
  odd('an invalid origin', REQUEST, { origin: 'null', referer: 'x'.repeat(5_000) }),
  odd('an invalid trace', REQUEST, { traceparent: 'x'.repeat(5_000), 'x-request-id': ' ' }),
];

let gateway: FuzzedGateway;
let right: string;
beforeAll(async () => {
  gateway = await startFuzzedGateway({ SAFELIST: 'learn', CALL_REPORT: 'on', CLIENT_NO_CACHE: 'on' });
  right = await gateway.post(VALID);
  expect(faultOf(right, false)).toBeUndefined();
});
afterAll(() => gateway.close());

const tryAll = async (cases: readonly Case[]) => {
  const faults: string[] = [];
  for (const { name, body, headers } of cases) {
    const fault = await gateway.judge(async () => faultOf(await gateway.post(body, headers)));
    if (fault) faults.push(`${name}: ${fault}`);
  }
  // Later, the same data may come with a report that it is being refreshed.
  const dataOf = (text: string): unknown => (JSON.parse(text) as { data?: unknown }).data;
  if (!isDeepStrictEqual(dataOf(await gateway.post(VALID)), dataOf(right))) faults.push('other data afterwards');
  return faults;
};

test('given invalid bodies, then each gets a well-formed response', async () => {
  const mutations = [...seeds.map(mutatedJson), ...seeds.map(mutatedBytes)];
  const bodies = [...ODD_JSON, ...mutations].map(({ name, body }) => ({ name, body: Buffer.from(body(VALID)) }));
  expect(await tryAll(bodies)).toEqual([]);
});

test('given invalid queries, then each gets a well-formed response', async () => {
  expect(await tryAll(QUERIES)).toEqual([]);
});

test('given invalid variables and names, then each gets a well-formed response', async () => {
  expect(await tryAll(VARIABLES)).toEqual([]);
});

test('given invalid headers, then each gets a well-formed response', async () => {
  expect(await tryAll(HEADERS)).toEqual([]);
});

test('given invalid URLs, then each gets a well-formed response', async () => {
  const random = createRandom(1);
  const searches = [
    'query=',
    'query=%',
    'query=%ff%fe',
    'query={&query={',
    `query=${'%7Ba'.repeat(1_000)}`,
    'variables=[',
    `query=%7B__typename%7D&variables=${'['.repeat(2_000)}`,
    'query=%7B__typename%7D&extensions=%7B%22persistedQuery%22%3A1%7D',
    'extensions={"persistedQuery":{"version":1,"sha256Hash":"__proto__"}}',
    'query[]=a&query[__proto__]=b',
    ...Array.from(
      { length: 40 },
      () => `query=${random.token(20)}%${random.token(2)}&${random.token(5)}=${random.token(5)}`,
    ),
  ];
  const faults: string[] = [];
  for (const search of searches) {
    const fault = await gateway.judge(async () => {
      const response = await fetch(`${gateway.url()}/graphql?${search}`, {
        headers: { 'apollo-require-preflight': 'x' },
      });
      return faultOf(await response.text());
    });
    if (fault) faults.push(`${search.slice(0, 60)}: ${fault}`);
  }
  expect(faults).toEqual([]);
});

/** Invalid HTTP: the gateway may only close the connection. */
test('given invalid HTTP, then the gateway keeps running', async () => {
  const lines = (...headers: string[]) =>
    `POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`;
  const requests: readonly (string | Buffer)[] = [
    '\r\n\r\n',
    'x',
    'GET\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'GET /graphql HTTP/1.1\r\n\r\n',
    `GET ${'/'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
    `${'X'.repeat(20_000)} / HTTP/1.1\r\nhost: x\r\n\r\n`,
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n',
    lines('content-length: -1'),
    lines('content-length: x'),
    `${lines('content-length: 5', 'content-length: 6')}{}`,
    `${lines('content-length: 5', 'transfer-encoding: chunked')}0\r\n\r\n`,
    `${lines('transfer-encoding: gzip, chunked')}0\r\n\r\n`,
    `${lines('transfer-encoding: chunked')}zz\r\n`,
    `${lines('transfer-encoding: chunked')}-1\r\n`,
    `${lines('transfer-encoding: chunked')}ffffffffffffffff\r\n{}`,
    `${lines('transfer-encoding: chunked')}2;x="\r\n{}\r\n0\r\n__proto__: x\r\n\r\n`,
    lines('expect: 100-continue', 'content-length: 0'),
    lines('expect: odd', 'content-length: 0'),
    `${lines('upgrade: websocket', 'connection: upgrade', 'content-length: 2')}{}`,
    `${lines('__proto__: x', 'constructor: y', 'content-length: 2')}{}`,
    `${lines('x: \u0000', 'content-length: 2')}{}`,
    `${lines(...Array.from({ length: 3_000 }, (_, i) => `h${i}: x`), 'content-length: 2')}{}`,
    `${lines(`h: ${'x'.repeat(100_000)}`, 'content-length: 2')}{}`,
    Buffer.from(Array.from({ length: 2_000 }, (_, index) => (index * 167 + 13) % 256)),
  ];
  const faults: string[] = [];
  for (const [index, bytes] of requests.entries()) {
    const fault = await gateway.judge(
      () =>
        new Promise((resolve) => {
          const { hostname, port } = new URL(gateway.url());
          let text = '';
          const socket = connect(Number(port), hostname, () => socket.end(bytes));
          socket.on('data', (chunk) => {
            text += chunk;
          });
          socket.on('error', () => {});
          socket.once('close', () =>
            resolve(text === '' || text.startsWith('HTTP/1.1 ') ? undefined : text.slice(0, 100)),
          );
        }),
    );
    if (fault) faults.push(`request ${index}: ${fault}`);
  }
  expect(await gateway.post(VALID)).toBe(right);
  expect(faults).toEqual([]);
});
