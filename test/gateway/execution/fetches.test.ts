import { afterEach, describe, expect, test } from 'vitest';
import { type Foreign, startForeign } from '../../helpers/foreign.ts';

/* What subgraphs over HTTP are asked, and how often. */

const DEFINITIONS = {
  books: {
    schema: `
      type Query { shelf: Shelf  books: [Book!]!  again: [Book!]! }
      type Mutation { touch: Book }
      type Shelf { top: [Book!]!  rest: [Book!]! }
      type Book @key(fields: "id") { id: ID! pages: Int }
    `,
    fields: {
      'Query.shelf': () => ({ top: [{ id: '1' }, { id: '2' }], rest: [{ id: '2' }, { id: '3' }, { id: '3' }] }),
      'Query.books': () => [{ id: '2' }, { id: '1' }, { id: '2' }],
      'Query.again': () => [{ id: '1' }, { id: '2' }],
      'Mutation.touch': () => ({ id: '1' }),
      'Book.pages': ({ id }: { id: string }) => Number(id) * 100,
    },
  },
  reviews: {
    schema: `
      type Query { loved: [Book!]! }
      type Mutation { rate: Int }
      type Book @key(fields: "id") { id: ID! stars: Int  words(long: Boolean): [String!] }
    `,
    fields: {
      'Query.loved': () => [{ id: '2' }, { id: '1' }],
      'Book.stars': ({ id }: { id: string }) => Number(id),
      'Book.words': (_: never, { long }: { long?: boolean }) => (long ? ['very', 'good'] : ['good']),
    },
  },
  prices: {
    schema: 'type Book @key(fields: "id") { id: ID! price: Int }',
    fields: { 'Book.price': ({ id }: { id: string }) => Number(id) * 5 },
  },
};

let foreign: Foreign<keyof typeof DEFINITIONS>;
const start = async (env?: Record<string, string>) => {
  foreign = await startForeign(DEFINITIONS, env);
  return foreign;
};
afterEach(() => foreign.close());

test('given one entity at several places of a list, when its fields are asked for, then it is asked for once', async () => {
  const { ask, subgraphs } = await start();
  const { data } = await ask('{ books { id stars } }');
  expect(data).toEqual({ books: [2, 1, 2].map((stars) => ({ id: String(stars), stars })) });
  expect(subgraphs.reviews.requests.map(({ variables }) => variables.representations)).toEqual([
    [
      { __typename: 'Book', id: '1' },
      { __typename: 'Book', id: '2' },
    ],
  ]);
});

test('given the same fields at two places, then both are one list of entities in one request', async () => {
  const { ask, subgraphs } = await start();
  const { data } = await ask('{ shelf { top { stars words } rest { stars words } } }');
  expect(data).toEqual({
    shelf: {
      top: [1, 2].map((stars) => ({ stars, words: ['good'] })),
      rest: [2, 3, 3].map((stars) => ({ stars, words: ['good'] })),
    },
  });
  expect(subgraphs.reviews.requests.map(({ variables }) => variables.representations?.length)).toEqual([3]);
});

test('given other fields at two places, then both are asked for in one request', async () => {
  const { ask, subgraphs } = await start();
  const { data } = await ask('query($long: Boolean) { shelf { top { stars } rest { words(long: $long) } } }', {
    long: true,
  });
  expect(data).toMatchObject({
    shelf: { top: [{ stars: 1 }, { stars: 2 }], rest: [{}, {}, { words: ['very', 'good'] }] },
  });
  expect(subgraphs.reviews.requests).toHaveLength(1);
});

test('given one thing that two parts of an operation come to ask, each by its way, then it is asked for once', async () => {
  // With this, requests in flight at the same time are not joined.
  const { ask, subgraphs } = await start({ RETURN_HEADERS: 'x-any' });
  const { data } = await ask('query Named { again { price } loved { price } }');
  expect(data).toEqual({ again: [{ price: 5 }, { price: 10 }], loved: [{ price: 10 }, { price: 5 }] });
  expect(subgraphs.prices.requests).toHaveLength(1);
});

test('given writes one after the other, then what was read before one is read again after it', async () => {
  const { ask, subgraphs } = await start();
  const { data } = await ask('mutation { a: touch { stars } rate b: touch { stars } }');
  expect(data).toEqual({ a: { stars: 1 }, rate: null, b: { stars: 1 } });
  const sent = [...subgraphs.books.requests, ...subgraphs.reviews.requests].map(({ query }) => query);
  expect(sent.filter((query) => query.includes('touch'))).toHaveLength(2);
  expect(sent.filter((query) => query.includes('_entities'))).toHaveLength(2);
});

describe('requests of several clients at once', () => {
  const askAll = async (clients: readonly string[], env: Record<string, string> = {}) => {
    const { ask, subgraphs } = await start({ FORWARD_HEADERS: 'authorization,x-request-id', ...env });
    // All are there before the first is answered.
    const gate = Promise.withResolvers<undefined>();
    let arrived = 0;
    subgraphs.books.before = (_response, { query }) => {
      if (query.includes('again')) return false;
      arrived += 1;
      return gate.promise;
    };
    const asked = Promise.all(
      clients.map((authorization, index) =>
        ask('{ books { id } }', {}, { headers: { authorization, 'x-request-id': String(index) } }),
      ),
    );
    await ask('{ again { id } }');
    gate.resolve(undefined);
    const answers = await asked;
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    return arrived;
  };

  test('given the same client, when it asks the same, then one request is sent', async () => {
    expect(await askAll(['ada', 'ada', 'ada'])).toBe(1);
  });

  test('given different clients, then each has a request of its own', async () => {
    expect(await askAll(['ada', 'bob', 'ada'])).toBe(2);
  });

  test('given headers that clients receive, then no request is joined', async () => {
    expect(await askAll(['ada', 'ada'], { RETURN_HEADERS: 'x-cache' })).toBe(2);
  });
});

test('given a client who leaves, then what others wait for is sent again, once for all of them', async () => {
  const { ask, subgraphs } = await start();
  const reached = Promise.withResolvers<void>();
  let count = 0;
  subgraphs.books.before = async () => {
    count += 1;
    if (count > 1) return false;
    reached.resolve();
    return new Promise(() => {});
  };
  const leaving = new AbortController();
  const first = ask('{ books { id } }', {}, { signal: leaving.signal }).catch(() => 'left');
  await reached.promise;
  const others = [1, 2, 3, 4].map(() => ask('{ books { id } }'));
  await ask('{ __typename }');
  leaving.abort();
  expect(await first).toBe('left');
  for (const { errors } of await Promise.all(others)) expect(errors).toBeUndefined();
  expect(count).toBe(2);
});

describe('a connection that dies before it has answered', () => {
  const QUERY = '{ books { id } }';
  test.each([
    ['a query', QUERY, 2, undefined],
    ['a mutation', 'mutation { touch { id } }', 1, 'UPSTREAM_OUTCOME_UNKNOWN'],
  ])('%s is sent as often as that is safe', async (_, query, times, code) => {
    const { ask, subgraphs } = await start();
    let count = 0;
    subgraphs.books.before = (response) => {
      count += 1;
      if (count > 1) return false;
      response.destroy();
      return true;
    };
    const { errors } = await ask(query);
    expect(errors?.[0]?.extensions?.['code']).toBe(code);
    expect(count).toBe(times);
  });
});

test('given a timeout for a subgraph, then it alone has that long', async () => {
  const { ask, subgraphs } = await start({ SUBGRAPH_TIMEOUTS_MS: 'reviews=50' });
  subgraphs.reviews.before = () => new Promise(() => {});
  const { data, errors } = await ask('{ again { id stars } }');
  expect(data).toEqual({
    again: [
      { id: '1', stars: null },
      { id: '2', stars: null },
    ],
  });
  expect(errors).toEqual(
    [0, 1].map((index) => ({
      message: 'The reviews service did not respond in time.',
      path: ['again', index, 'stars'],
      extensions: { code: 'UPSTREAM_TIMEOUT', serviceName: 'reviews' },
    })),
  );
});

test('given headers to return, then clients receive them: lists joined, cookies apart', async () => {
  const { url, subgraphs } = await start({ RETURN_HEADERS: 'X-Cache, Set-Cookie' });
  subgraphs.books.before = (response) =>
    void response.setHeader('x-cache', 'hit').setHeader('set-cookie', ['a=1', 'b=2']);
  subgraphs.reviews.before = (response) => void response.setHeader('x-cache', 'miss').setHeader('x-internal', 'host-7');
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ books { stars } }' }),
  });
  expect(response.headers.get('x-cache')).toBe('hit, miss');
  expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
  expect(response.headers.get('x-internal')).toBeNull();
});
