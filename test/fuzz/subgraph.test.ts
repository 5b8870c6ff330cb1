// @module-tag long

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { composeSubgraphs, type SubgraphServer, startSubgraph } from '../helpers/subgraph-server.ts';
import { type FuzzedGateway, faultOf, startFuzzedGateway } from './fuzzed-gateway.ts';
import { mutatedBytes, mutatedJson, ODD_JSON, ODD_STATUSES, ODD_VALUES, type Odd } from './odd-bodies.ts';
import { ODD_HTTP, type OddServer, startOddServer } from './odd-server.ts';

/* Fuzzes the gateway with responses of remote subgraphs. */

const seeds = Array.from({ length: 100 }, (_, index) => index + 1);

const BOOKS = {
  schema: `
    type Query { books: [Book!] book(id: ID!): Book found: [Found] }
    type Book @key(fields: "id") { id: ID! title: String pages: Int author: Author }
    type Author @key(fields: "id") { id: ID! }
    union Found = Book | Author`,
  fields: {
    'Query.books': () => [1, 2, 3].map((id) => ({ id, title: `Book ${id}`, pages: id * 100, author: { id } })),
    'Query.book': () => ({ id: 1, title: 'Book 1', pages: 100, author: { id: 1 } }),
    'Query.found': () => [
      { __typename: 'Book', id: 1 },
      { __typename: 'Author', id: 2 },
    ],
  },
};
const AUTHORS = {
  schema: `type Author @key(fields: "id") { id: ID! name: String! born: Int } type Query { authors: [Author] }`,
  fields: {
    'Query._entities': (_: never, { representations }: { representations: { id: string }[] }) =>
      representations.map(({ id }) => ({ __typename: 'Author', id, name: `Author ${id}`, born: 1900 })),
    'Query.authors': () => [{ id: 1, name: 'Author 1', born: 1900 }],
  },
};
const READS = [
  '{ books { id title pages author { id name born } } }',
  '{ found { __typename ... on Book { id title author { name } } ... on Author { id name } } book(id: 1) { title } }',
];

/** Invalid responses specific to GraphQL. */
const ODD_ANSWERS: readonly Odd[] = [
  {
    name: 'a hundred and fifty thousand calls',
    body: () => {
      const call = { subgraph: 'x', operation: 'x', kind: 'call', startMs: 1, timeMs: 1, isFailed: false };
      return JSON.stringify({ data: { books: [] }, extensions: { tributary: { spans: Array(150_000).fill(call) } } });
    },
  },
  ...ODD_VALUES.flatMap((value) =>
    [
      { data: value },
      { data: { books: value, book: value, found: value, _entities: value } },
      { data: { _entities: [value, value], books: [value] } },
      {
        data: {
          books: [{ id: value, title: value, pages: value, author: value }],
          _entities: [{ __typename: value, name: value, born: value }],
        },
      },
      { data: { books: [{ id: 1, author: { id: value } }], found: [{ __typename: value, id: value }] } },
      { data: null, errors: value },
      { data: null, errors: [value] },
      { data: null, errors: [{ message: value, path: value, locations: value, extensions: value }] },
      { data: { books: [] }, errors: [{ message: 'x', path: [value], extensions: { code: value, http: value } }] },
      { data: { books: [] }, extensions: value },
      { data: { books: [] }, extensions: { tributary: value } },
      {
        data: { books: [] },
        extensions: { tributary: { stale: value, calls: value, spans: value, freshForMs: value } },
      },
    ].map((answer, index) => ({
      name: `answer ${index} of ${JSON.stringify(value).slice(0, 30)}`,
      body: () => JSON.stringify(answer),
    })),
  ),
];

let folder: string;
let subgraphs: SubgraphServer[];
let servers: OddServer[];
let gateway: FuzzedGateway;
let right: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tributary-'));
  subgraphs = await Promise.all([startSubgraph(BOOKS), startSubgraph(AUTHORS)]);
  servers = await Promise.all(subgraphs.map(({ url }) => startOddServer(url)));
  const [books, authors] = servers;
  const sdl = composeSubgraphs({
    books: { schema: BOOKS.schema, url: books?.url ?? '' },
    authors: { schema: AUTHORS.schema, url: authors?.url ?? '' },
  });
  await writeFile(join(folder, 'supergraph.graphql'), sdl);
  gateway = await startFuzzedGateway({
    SUPERGRAPH: join(folder, 'supergraph.graphql'),
    REQUEST_TIMEOUT_MS: '10000',
    CALL_REPORT: 'on',
  });
  right = await Promise.all(READS.map(gateway.ask));
  for (const text of right) expect(faultOf(text, false)).toBeUndefined();
});
afterAll(async () => {
  await gateway.close();
  await Promise.all([...servers, ...subgraphs].map((server) => server.close()));
  await rm(folder, { recursive: true });
});

const tryAll = async (cases: readonly NonNullable<OddServer['odd']>[]) => {
  const faults: string[] = [];
  for (const [index, odd] of cases.entries()) {
    const server = servers[index % 2];
    if (server) server.odd = odd;
    const read = (index >> 1) % READS.length;
    const headers: Record<string, string> = index % 3 === 0 ? { 'x-tributary-report': 'trace' } : {};
    const fault = await gateway.judge(async () =>
      faultOf(await gateway.post(JSON.stringify({ query: READS[read] }), headers)),
    );
    if (server) server.odd = undefined;
    const after = fault
      ? undefined
      : await gateway.judge(async () =>
          (await gateway.ask(READS[read] ?? '')) === right[read] ? undefined : 'then another response',
        );
    for (const wrong of [fault, after]) if (wrong) faults.push(`${odd.name}: ${wrong}`);
  }
  return faults;
};

test('given invalid bodies, then each becomes a well-formed response', async () => {
  expect(await tryAll([...ODD_JSON, ...seeds.map(mutatedJson), ...seeds.map(mutatedBytes)])).toEqual([]);
});

test('given invalid GraphQL responses, then each becomes a well-formed response', async () => {
  expect(await tryAll(ODD_ANSWERS)).toEqual([]);
});

test('given invalid HTTP and unusual statuses, then each becomes a well-formed response', async () => {
  expect(await tryAll([...ODD_HTTP, ...ODD_STATUSES])).toEqual([]);
});
