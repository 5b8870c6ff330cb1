import type { ServerResponse } from 'node:http';
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { GraphQLError, parse } from 'graphql';
import { afterEach, describe, expect, test } from 'vitest';
import { type SupergraphGateway, serveSupergraph, startFederation } from '../helpers/federation.ts';
import { composeSubgraphs } from '../helpers/subgraph-server.ts';

/* Errors of external subgraphs, as clients receive them, for arbitrary responses. */

const DEFINITIONS = {
  books: { schema: 'type Query { book: String  books: [String]  other: String } type Mutation { buy: String }' },
  films: { schema: 'type Query { film: String }', fields: { 'Query.film': () => 'Vertigo' } },
};
const BOTH = '{ book film }';
const CLIENT = { headers: { authorization: 'Bearer of-the-client' } };

let running: { readonly close: () => Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of running.reverse()) await one.close();
  running = [];
});

type Answer = { readonly status?: number; readonly type?: string; readonly headers?: object; readonly body: unknown };

const send = (response: ServerResponse, { status = 200, type = 'application/json', headers, body }: Answer) => {
  response.writeHead(status, { ...headers, 'content-type': type });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
};

/** Starts a gateway whose subgraph `books` returns a configurable response. */
const start = async (env: Record<string, string> = {}) => {
  const external = await startFederation(DEFINITIONS, env);
  running.push(external);
  return {
    ...external,
    answer: (answer: Answer) => {
      external.subgraphs.books.before = (response) => {
        send(response, answer);
        return true;
      };
    },
  };
};

const failing = (error: unknown): Answer => ({ body: { data: { book: null }, errors: [error] } });

describe('the code', () => {
  test.each(['FORBIDDEN', 'UNAUTHENTICATED', 'BAD_USER_INPUT', 'OUT_OF_STOCK', 'auth/token-expired', 'shop.closed:1'])(
    '%s is passed on, with message and extensions in development and without both in production',
    async (code) => {
      const error = { message: 'Sold out.', path: ['book'], extensions: { code, isbn: '3-16' } };
      const development = await start();
      development.answer(failing(error));
      const whole = await development.ask(BOTH);
      expect({ data: whole.data, errors: whole.errors }).toEqual({
        data: { book: null, film: 'Vertigo' },
        errors: [{ ...error, extensions: { ...error.extensions, serviceName: 'books' } }],
      });

      const production = await start({ NODE_ENV: 'production', AUTH: 'none' });
      production.answer(failing(error));
      const { data, errors, text } = await production.ask(BOTH);
      expect(data).toEqual({ book: null, film: 'Vertigo' });
      expect(errors?.map(({ path, extensions }) => ({ path, extensions }))).toEqual([
        { path: ['book'], extensions: { code, serviceName: 'books' } },
      ]);
      expect(text).not.toMatch(/Sold|isbn|3-16/);
    },
  );

  test.each([
    ['production', 'full', 'Sold out.'],
    ['development', 'masked', 'The books service reported an error.'],
  ])('SUBGRAPH_ERRORS: in %s, %s decides', async (NODE_ENV, SUBGRAPH_ERRORS, message) => {
    const { ask, answer } = await start({ NODE_ENV, AUTH: 'none', SUBGRAPH_ERRORS });
    answer(failing({ message: 'Sold out.', path: ['book'], extensions: { code: 'OUT_OF_STOCK' } }));
    expect((await ask(BOTH)).errors).toMatchObject([{ message, extensions: { code: 'OUT_OF_STOCK' } }]);
  });

  test.each([
    ['missing', undefined],
    ['null', null],
    ['a number', 404],
    ['an object', { toString: 'FORBIDDEN' }],
    ['empty', ''],
    ['markup', '<script>'],
    ['two words', 'NOT FOUND'],
    ['several lines', 'A\nB'],
    ['too long', 'A'.repeat(65)],
  ])('that is %s becomes INTERNAL_SERVER_ERROR', async (_, code) => {
    const { ask, answer } = await start();
    answer(failing({ message: 'No.', path: ['book'], extensions: { code } }));
    expect((await ask(BOTH)).errors).toEqual([
      { message: 'No.', path: ['book'], extensions: { code: 'INTERNAL_SERVER_ERROR', serviceName: 'books' } },
    ]);
  });

  test.each([
    'PERSISTED_QUERY_NOT_FOUND',
    'PERSISTED_QUERY_NOT_SUPPORTED',
    'PERSISTED_QUERY_NOT_IN_LIST',
    'QUERY_NOT_IN_SAFELIST',
    'GRAPHQL_VALIDATION_FAILED',
    'OVERLOADED',
    'RATE_LIMITED',
    'BUDGET_EXCEEDED',
    'METHOD_NOT_ALLOWED',
  ])('%s, which refers to the client’s request, is not passed on', async (code) => {
    const { ask, answer } = await start();
    answer(failing({ message: 'No.', path: ['book'], extensions: { code } }));
    expect((await ask(BOTH)).errors).toMatchObject([{ extensions: { code: 'UPSTREAM_REJECTED' } }]);
  });
});

describe('NOT_FOUND', () => {
  const error = { message: 'No.', path: ['book'], extensions: { code: 'NOT_FOUND' } };

  test('of an executed operation is passed on', async () => {
    const { ask, answer } = await start();
    answer(failing(error));
    expect((await ask(BOTH)).errors).toMatchObject([{ path: ['book'], extensions: { code: 'NOT_FOUND' } }]);
  });

  test('of a server without a subgraph at the URL is UPSTREAM_NOT_FOUND', async () => {
    const { ask, answer } = await start();
    answer({ status: 404, body: { errors: [error] } });
    expect((await ask(BOTH)).errors).toMatchObject([{ path: ['book'], extensions: { code: 'UPSTREAM_NOT_FOUND' } }]);
  });
});

describe('extensions', () => {
  test('reserved by Apollo Server are dropped, and serviceName is set by the gateway', async () => {
    const { url, answer } = await start();
    const http = { status: 402 };
    answer(failing({ message: 'No.', path: ['book'], extensions: { code: 'A', http, serviceName: 'films' } }));
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: BOTH }),
    });
    expect(response.status).toBe(200);
    const { errors } = (await response.json()) as { errors: { extensions: unknown }[] };
    expect(errors.map(({ extensions }) => extensions)).toEqual([{ code: 'A', serviceName: 'books' }]);
  });

  test('never contain a stack trace, at any depth', async () => {
    const { ask, answer } = await start();
    answer(
      failing({
        message: 'No.',
        path: ['book'],
        extensions: {
          code: 'A',
          stacktrace: ['at secret'],
          stackTrace: 'at secret',
          exception: { name: 'secret' },
          trace: ['secret'],
          debugMessage: 'secret',
          details: [{ stack: 'at secret', field: 'isbn' }],
          traceId: 'b7ad',
        },
      }),
    );
    const { errors, text } = await ask(BOTH);
    expect(text).not.toContain('secret');
    expect(errors?.[0]?.extensions).toEqual({
      code: 'A',
      details: [{ field: 'isbn' }],
      traceId: 'b7ad',
      serviceName: 'books',
    });
  });

  test.each([
    ['too large', { blob: 'x'.repeat(10_000) }],
    ['not an object', ['x']],
    ['null', null],
  ])('that are %s affect neither the error nor the data', async (_, extensions) => {
    const { ask, answer } = await start();
    answer(failing({ message: 'No.', path: ['book'], extensions }));
    const { data, errors } = await ask(BOTH);
    expect(data).toEqual({ book: null, film: 'Vertigo' });
    const code = 'INTERNAL_SERVER_ERROR';
    expect(errors).toEqual([{ message: 'No.', path: ['book'], extensions: { code, serviceName: 'books' } }]);
  });

  test('nested very deeply are cut and do not crash the process', async () => {
    const { ask, answer } = await start();
    const depth = 100_000;
    const nested = `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    answer({ body: `{"data":{"book":null},"errors":[{"message":"No.","path":["book"],"extensions":${nested}}]}` });
    expect((await ask(BOTH)).data).toEqual({ book: null, film: 'Vertigo' });
    expect((await ask('{ film }')).data).toEqual({ film: 'Vertigo' });
  });
});

describe('invalid errors do not affect the data', () => {
  // An error without a path belongs to the null that has no other error.
  const UNREADABLE = { path: ['other'], code: 'UPSTREAM_BAD_RESPONSE' };
  test.each<[string, unknown, { path: unknown; code: string }[] | undefined]>([
    ['errors: null', null, undefined],
    ['errors: []', [], undefined],
    ['errors: a string', 'broken', [UNREADABLE]],
    ['errors: an object', { message: 'broken' }, [UNREADABLE]],
    ['errors: false', false, [UNREADABLE]],
    ['entries that are not objects', [null, 5, 'x', ['y']], [UNREADABLE]],
    ['an empty entry', [{}], [UNREADABLE]],
    ['a message that is not a string', [{ message: 5, extensions: { code: 'A' } }], [{ path: ['other'], code: 'A' }]],
    ['path: null', [{ message: 'm', path: null }], [{ path: ['other'], code: 'INTERNAL_SERVER_ERROR' }]],
    ['extensions: null', [{ message: 'm', extensions: null }], [{ path: ['other'], code: 'INTERNAL_SERVER_ERROR' }]],
    ['locations: null', [{ message: 'm', locations: null }], [{ path: ['other'], code: 'INTERNAL_SERVER_ERROR' }]],
    [
      'a valid entry beside an invalid one',
      [7, { message: 'm', path: ['other'], extensions: { code: 'A' } }],
      [
        { path: ['other'], code: 'A' },
        { path: undefined, code: 'UPSTREAM_BAD_RESPONSE' },
      ],
    ],
  ])('%s', async (_, sent, expected) => {
    const { ask, answer } = await start();
    answer({ body: { data: { book: 'Emma', other: null }, errors: sent, extensions: null } });
    const { data, errors } = await ask('{ book other film }');
    expect(data).toEqual({ book: 'Emma', other: null, film: 'Vertigo' });
    const byPath = errors?.map(({ path, extensions }) => ({ path, code: extensions?.['code'] }));
    expect(byPath && new Set(byPath.map((one) => JSON.stringify(one)))).toEqual(
      expected && new Set(expected.map((one) => JSON.stringify(one))),
    );
  });

  test.each([
    [['books', -1]],
    [['books', 0.5]],
    [['books', '0']],
    [['books', null]],
    [['books', ['0']]],
    [[{}]],
    [['a b']],
    ['books'],
    [{ 0: 'books' }],
    [Array.from({ length: 10_000 }, () => 'books')],
  ])('the path %j is not passed on', async (path) => {
    const { ask, answer } = await start();
    answer({ body: { data: { books: ['Emma'] }, errors: [{ message: 'm', path, extensions: { code: 'A' } }] } });
    const { data, errors } = await ask('{ books }');
    expect(data).toEqual({ books: ['Emma'] });
    expect(errors).toEqual([{ message: 'm', extensions: { code: 'A', serviceName: 'books' } }]);
  });

  test('twenty thousand long errors become a thousand short ones and a count', async () => {
    const { ask, answer } = await start();
    const errors = Array.from({ length: 20_000 }, (_, index) => ({ message: `${index} ${'x'.repeat(1_100)}` }));
    answer({ body: { data: { book: 'Emma' }, errors } });
    const answered = await ask(BOTH);
    expect(answered.data).toEqual({ book: 'Emma', film: 'Vertigo' });
    expect(answered.errors).toHaveLength(1_001);
    expect(Math.max(...(answered.errors ?? []).map(({ message }) => message.length))).toBeLessThanOrEqual(1_001);
    expect(answered.errors?.at(-1)).toMatchObject({
      message: 'The books service reported 19000 more errors.',
      extensions: { code: 'UPSTREAM_BAD_RESPONSE' },
    });
  });
});

describe.each([
  ['the client’s credentials were forwarded', { FORWARD_HEADERS: 'Authorization' }, 'UNAUTHENTICATED', 'FORBIDDEN'],
  ['a session cookie was forwarded', { FORWARD_HEADERS: 'x-request-id,cookie' }, 'UNAUTHENTICATED', 'FORBIDDEN'],
  ['no credentials were forwarded', {}, 'UPSTREAM_UNAUTHORIZED', 'UPSTREAM_UNAUTHORIZED'],
])('given %s', (_, env: Record<string, string>, unauthenticated, forbidden) => {
  test.each([
    [401, unauthenticated],
    [403, forbidden],
  ])('then the status %i is the code of its field and of no other', async (status, code) => {
    const { ask, answer } = await start(env);
    for (const body of ['', '<html>nginx</html>', { oops: true }, { errors: [{ message: 'who?' }] }]) {
      answer({ status, body });
      const { data, errors } = await ask(BOTH, {}, CLIENT);
      expect(data).toEqual({ book: null, film: 'Vertigo' });
      expect(errors).toMatchObject([{ path: ['book'], extensions: { code, serviceName: 'books' } }]);
    }
  });
});

describe('a GraphQL response is used regardless of its status', () => {
  const GRAPHQL = 'application/graphql-response+json';
  const ownError = { message: 'Sold out.', path: ['book'], extensions: { code: 'OUT_OF_STOCK' } };
  test.each<[string, Answer, unknown, string[]]>([
    ['400 with errors', { status: 400, type: GRAPHQL, body: { errors: [ownError] } }, null, ['OUT_OF_STOCK']],
    ['422 as JSON with errors', { status: 422, body: { errors: [ownError] } }, null, ['OUT_OF_STOCK']],
    [
      '500 with errors',
      { status: 500, type: `${GRAPHQL}; charset=utf-8`, body: { errors: [ownError] } },
      null,
      ['OUT_OF_STOCK'],
    ],
    ['500 with data', { status: 500, type: GRAPHQL, body: { data: { book: 'Emma' } } }, 'Emma', []],
    ['200 with data', { status: 200, type: GRAPHQL, body: { data: { book: 'Emma' } } }, 'Emma', []],
    [
      '294 with data and errors',
      { status: 294, type: GRAPHQL, body: { data: { book: null }, errors: [ownError] } },
      null,
      ['OUT_OF_STOCK'],
    ],
    ['503 as JSON with data', { status: 503, body: { data: { book: 'Emma' }, errors: [] } }, 'Emma', []],
    [
      '429 without a code',
      { status: 429, body: { errors: [{ message: 'slow down' }] } },
      null,
      ['UPSTREAM_RATE_LIMITED'],
    ],
    ['503 without a code', { status: 503, body: { errors: [{ message: 'down' }] } }, null, ['UPSTREAM_UNAVAILABLE']],
    ['502 of a proxy', { status: 502, body: { errors: [{ status: '502' }] } }, null, ['UPSTREAM_UNAVAILABLE']],
    [
      '502 that is not JSON',
      { status: 502, type: 'text/html', body: { errors: [ownError] } },
      null,
      ['UPSTREAM_UNAVAILABLE'],
    ],
    ['404 that is not GraphQL', { status: 404, body: [1] }, null, ['UPSTREAM_NOT_FOUND']],
  ])('%s', async (_, answered, book, codes) => {
    const { ask, answer } = await start();
    answer(answered);
    const { status, data, errors = [] } = await ask(BOTH);
    expect(status).toBe(200);
    expect(data).toEqual({ book, film: 'Vertigo' });
    expect(errors.map(({ extensions }) => extensions?.['code'])).toEqual(codes);
  });

  test.each<[string, Answer, unknown, string[]]>([
    ['an executed mutation', { status: 500, body: { data: { buy: 'bought' } } }, 'bought', []],
    ['a refused mutation', { status: 500, body: { data: null, errors: [ownError] } }, null, ['OUT_OF_STOCK']],
    ['a refused mutation', { status: 500, type: GRAPHQL, body: { errors: [ownError] } }, null, ['OUT_OF_STOCK']],
    ['JSON that may be a proxy’s', { status: 502, body: { errors: [ownError] } }, null, ['UPSTREAM_OUTCOME_UNKNOWN']],
    [
      'errors without a code',
      { status: 502, type: GRAPHQL, body: { errors: [{ message: 'x' }] } },
      null,
      ['UPSTREAM_OUTCOME_UNKNOWN'],
    ],
  ])('of a mutation: %s', async (_, answered, buy, codes) => {
    const { ask, answer, subgraphs } = await start();
    answer(answered);
    const { data, errors = [] } = await ask('mutation { buy }');
    expect(data).toEqual({ buy });
    expect(errors.map(({ extensions }) => extensions?.['code'])).toEqual(codes);
    expect(subgraphs.books.requests).toHaveLength(1);
  });
});

describe.each(['first', 'last'])('given that the failing subgraph responds %s', (place) => {
  test.each<[string, Answer, string]>([
    ['a code of its own', failing({ message: 'No.', path: ['book'], extensions: { code: 'OWN' } }), 'OWN'],
    [
      'a code without a path',
      { body: { data: null, errors: [{ message: 'No.', extensions: { code: 'OWN' } }] } },
      'OWN',
    ],
    ['a 401', { status: 401, body: '' }, 'UNAUTHENTICATED'],
    ['unreadable errors', { body: { data: null, errors: ['x'] } }, 'UPSTREAM_BAD_RESPONSE'],
  ])('with %s, then its field has the error, and the other field is returned', async (_, answered, code) => {
    const { ask, subgraphs } = await start({ FORWARD_HEADERS: 'authorization' });
    const isFirstDone = Promise.withResolvers<void>();
    const inOrder = async (isFirst: boolean, response: ServerResponse) => {
      if (isFirst) response.once('finish', isFirstDone.resolve);
      else await isFirstDone.promise;
    };
    subgraphs.books.before = async (response) => {
      await inOrder(place === 'first', response);
      send(response, answered);
      return true;
    };
    subgraphs.films.before = async (response) => {
      await inOrder(place === 'last', response);
      return false;
    };
    const { data, errors } = await ask(BOTH, {}, CLIENT);
    expect(data).toEqual({ book: null, film: 'Vertigo' });
    expect(errors).toMatchObject([{ path: ['book'], extensions: { code } }]);
    expect(errors).toHaveLength(1);
  });
});

describe('a subgraph on Apollo Server', () => {
  const SCHEMA = 'type Query { book: String  film: String }';
  const startApolloServer = async (env: Record<string, string>): Promise<SupergraphGateway> => {
    const resolvers = {
      Query: {
        book: () => {
          throw new GraphQLError('Not yours.', { extensions: { code: 'FORBIDDEN' } });
        },
        film: () => 'Vertigo',
      },
    };
    const server = new ApolloServer({
      schema: buildSubgraphSchema([{ typeDefs: parse(SCHEMA), resolvers }]),
      logger: QUIET,
    });
    const { url } = await startStandaloneServer(server, {
      listen: { port: 0, host: '127.0.0.1' },
      context: async ({ req }) => {
        if (req.headers.authorization) return {};
        const extensions = { code: 'UNAUTHENTICATED', http: { status: 401 } };
        throw new GraphQLError('Who are you?', { extensions });
      },
    });
    const gateway = await serveSupergraph(composeSubgraphs({ shop: { schema: SCHEMA, url } }), env);
    running.push({ close: () => server.stop() }, gateway);
    return gateway;
  };
  const QUIET = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

  test('reports FORBIDDEN for a field, and UNAUTHENTICATED with the status 401', async () => {
    const { ask } = await startApolloServer({ FORWARD_HEADERS: 'authorization' });
    const known = await ask(BOTH, {}, CLIENT);
    expect(known.data).toEqual({ book: null, film: 'Vertigo' });
    expect(known.errors).toEqual([
      { message: 'Not yours.', path: ['book'], extensions: { code: 'FORBIDDEN', serviceName: 'shop' } },
    ]);
    const unknown = await ask(BOTH);
    expect(unknown.status).toBe(200);
    expect(unknown.data).toEqual({ book: null, film: null });
    expect(unknown.errors).toMatchObject([
      { message: expect.stringContaining('Who are you?'), extensions: { code: 'UNAUTHENTICATED' } },
      { extensions: { code: 'UNAUTHENTICATED' } },
    ]);
  });
});

test('given a response with a cookie, then it is not cacheable, even with CACHE_SCOPE=public', async () => {
  const { url, answer } = await start({ RETURN_HEADERS: 'set-cookie,x-other', CACHE_SCOPE: 'public' });
  const get = () =>
    fetch(`${url}/graphql?query=${encodeURIComponent('{ book }')}`, { headers: { 'apollo-require-preflight': 'yes' } });
  const body = { data: { book: 'Emma' }, extensions: { tributary: { freshForMs: 60_000 } } };
  answer({ headers: { 'x-other': '1' }, body });
  expect((await get()).headers.get('cache-control')).toBe('max-age=60, public');
  answer({ headers: { 'set-cookie': 'session=1' }, body });
  const response = await get();
  expect(response.headers.get('set-cookie')).toBe('session=1');
  expect(response.headers.get('cache-control')).toBe('no-store');
});
