import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { composeServices } from '@apollo/composition';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { graphql, parse } from 'graphql';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startGateway } from '../../gateway/start.ts';
import type { StartedGateway } from '../../gateway/started-gateway.ts';
import { ConfigError } from '../../runtime/env.ts';
import { startHttpServer } from '../helpers/http-server.ts';
import { createAsk } from '../helpers/stack.ts';

/* An external graph: books, and reviews of them from another subgraph. */

const LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])';
const SUBGRAPHS = {
  books: {
    typeDefs: parse(`${LINK} type Query { books: [Book!]! } type Book @key(fields: "id") { id: ID! title: String }`),
    resolvers: {
      Query: {
        books: () => [
          { id: '1', title: 'Emma' },
          { id: '2', title: 'Persuasion' },
        ],
      },
    },
  },
  reviews: {
    typeDefs: parse(`${LINK} type Book @key(fields: "id") { id: ID! stars: Int }`),
    resolvers: { Book: { stars: ({ id }: { id: string }) => Number(id) + 3 } },
  },
};

type Running = { readonly close: () => Promise<unknown> };
let folder: string;
let running: Running[];
let gateway: StartedGateway | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tributary-'));
  running = [];
  gateway = undefined;
});
afterEach(async () => {
  await gateway?.close();
  await Promise.all(running.map(({ close }) => close()));
  await rm(folder, { recursive: true });
});

const serveSubgraph = async (definition: (typeof SUBGRAPHS)[keyof typeof SUBGRAPHS]): Promise<string> => {
  const schema = buildSubgraphSchema([definition]);
  const server = await startHttpServer(async (request, response) => {
    const { query, variables } = (await json(request)) as { query: string; variables?: Record<string, unknown> };
    const result = await graphql({ schema, source: query, ...(variables && { variableValues: variables }) });
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(result));
  });
  running.push(server);
  return `${server.url}/graphql`;
};

const writeSupergraph = async (urls: Record<keyof typeof SUBGRAPHS, string>): Promise<string> => {
  const services = Object.entries(SUBGRAPHS).map(([name, { typeDefs }]) => ({
    name,
    url: urls[name as keyof typeof SUBGRAPHS],
    typeDefs,
  }));
  const file = join(folder, 'supergraph.graphql');
  await writeFile(file, composeServices(services).supergraphSdl ?? '');
  return file;
};

test('given an external supergraph, then it is served with the subgraph URLs that it contains', async () => {
  const urls = { books: await serveSubgraph(SUBGRAPHS.books), reviews: await serveSubgraph(SUBGRAPHS.reviews) };
  gateway = await startGateway({ SUPERGRAPH: await writeSupergraph(urls), PORT: '0', LOG_LEVEL: 'silent' });
  expect(gateway.sources).toEqual({ books: 'remote', reviews: 'remote' });
  const { data, errors } = await createAsk(`${gateway.url}/graphql`)('{ books { title stars } }');
  expect({ data, errors }).toEqual({
    data: {
      books: [
        { title: 'Emma', stars: 4 },
        { title: 'Persuasion', stars: 5 },
      ],
    },
    errors: undefined,
  });
});

test.each([
  ['a file that is not there', undefined, 'cannot be read'],
  ['something else', 'once upon a time', 'Syntax Error'],
  ['a schema that is no supergraph', 'type Query { a: Int }', 'names no subgraph'],
])('given %s, then the gateway refuses to start and gives the reason', async (_, content, why) => {
  const file = join(folder, 'other.graphql');
  if (content) await writeFile(file, content);
  const start = startGateway({ SUPERGRAPH: file, PORT: '0', LOG_LEVEL: 'silent' });
  await expect(start).rejects.toThrow(ConfigError);
  await expect(start).rejects.toThrow(why);
});

test('given a subgraph without a URL, then the gateway refuses to start and names it', async () => {
  const file = await writeSupergraph({ books: 'http://127.0.0.1:1/', reviews: '' });
  await expect(startGateway({ SUPERGRAPH: file, PORT: '0', LOG_LEVEL: 'silent' })).rejects.toThrow(
    /reviews has no http/,
  );
});
