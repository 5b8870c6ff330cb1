import { afterEach, describe, expect, test } from 'vitest';
import { type Federation, startFederation } from '../../helpers/federation.ts';

/* Requests to remote subgraphs: their content and number. */

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
    schema: `
      type Book @key(fields: "id") {
        id: ID! price: Int
        stars: Int @external
        worth: Int @requires(fields: "stars")
      }`,
    fields: {
      'Book.price': ({ id }: { id: string }) => Number(id) * 5,
      'Book.worth': ({ stars }: { stars: number }) => stars * 100,
    },
  },
};

let federation: Federation<keyof typeof DEFINITIONS>;
const start = async (env?: Record<string, string>) => {
  federation = await startFederation(DEFINITIONS, env);
  return federation;
};
afterEach(() => federation.close());

test('given one entity several times in a list, then it is requested once', async () => {
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

test('given the same fields at two paths, then one request has one list of entities for both', async () => {
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

test('given different fields at two paths, then both are requested in one request', async () => {
  const { ask, subgraphs } = await start();
  const { data } = await ask('query($long: Boolean) { shelf { top { stars } rest { words(long: $long) } } }', {
    long: true,
  });
  expect(data).toMatchObject({
    shelf: { top: [{ stars: 1 }, { stars: 2 }], rest: [{}, {}, { words: ['very', 'good'] }] },
  });
  expect(subgraphs.reviews.requests).toHaveLength(1);
});

test('given different entities at two paths and a field that requires another, then each subgraph gets one request', async () => {
  const { ask, subgraphs } = await start();
  const { data } = await ask('{ shelf { top { worth } rest { worth } } }');
  expect(data).toEqual({
    shelf: { top: [100, 200].map((worth) => ({ worth })), rest: [200, 300, 300].map((worth) => ({ worth })) },
  });
  expect(subgraphs.reviews.requests).toHaveLength(1);
  expect(subgraphs.prices.requests).toHaveLength(1);
});

describe('given a field that needs a key only, and one of the same subgraph that requires another', () => {
  const QUERY = '{ books { price worth } }';

  test('then they are requested together', async () => {
    const { ask, subgraphs } = await start();
    const { data } = await ask(QUERY);
    expect(data).toEqual({ books: [2, 1, 2].map((id) => ({ price: id * 5, worth: id * 100 })) });
    expect(subgraphs.prices.requests).toHaveLength(1);
  });

  test('and what it requires fails, then the first is still requested', async () => {
    const { ask, subgraphs } = await start();
    subgraphs.reviews.before = (response) => {
      response.writeHead(500).end();
      return true;
    };
    const { data, errors } = await ask(QUERY);
    expect(data).toEqual({ books: [2, 1, 2].map((id) => ({ price: id * 5, worth: null })) });
    expect(errors?.map(({ path }) => path?.at(-1))).toEqual(['worth', 'worth', 'worth']);
    expect(subgraphs.prices.requests).toHaveLength(1);
  });

  test('and a condition, then they are requested separately', async () => {
    const { ask, subgraphs } = await start();
    const conditional = 'query($yes: Boolean!) { books { price worth @include(if: $yes) } }';
    for (const yes of [true, false]) {
      const { data } = await ask(conditional, { yes });
      expect(data).toEqual({
        books: [2, 1, 2].map((id) => ({ price: id * 5, ...(yes && { worth: id * 100 }) })),
      });
    }
    expect(subgraphs.prices.requests.length).toBeGreaterThanOrEqual(2);
  });
});

test('given two parts of an operation that need the same data, then it is requested once', async () => {
  // This disables joining of requests in flight.
  const { ask, subgraphs } = await start({ RETURN_HEADERS: 'x-any' });
  const { data } = await ask('query Named { again { price } loved { price } }');
  expect(data).toEqual({ again: [{ price: 5 }, { price: 10 }], loved: [{ price: 10 }, { price: 5 }] });
  expect(subgraphs.prices.requests).toHaveLength(1);
});

test('given consecutive mutations, then data read before one is read again after it', async () => {
  const { ask, subgraphs } = await start();
  const { data } = await ask('mutation { a: touch { stars } rate b: touch { stars } }');
  expect(data).toEqual({ a: { stars: 1 }, rate: null, b: { stars: 1 } });
  const sent = [...subgraphs.books.requests, ...subgraphs.reviews.requests].map(({ query }) => query);
  expect(sent.filter((query) => query.includes('touch'))).toHaveLength(2);
  expect(sent.filter((query) => query.includes('_entities'))).toHaveLength(2);
});

describe('concurrent requests of several clients', () => {
  const askAll = async (clients: readonly string[], env: Record<string, string> = {}) => {
    const { ask, subgraphs } = await start({ FORWARD_HEADERS: 'authorization,x-request-id', ...env });
    // All arrive before the first response is sent.
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

  test('given equal requests of one client, then one request is sent', async () => {
    expect(await askAll(['ada', 'ada', 'ada'])).toBe(1);
  });

  test('given different clients, then a request is sent for each', async () => {
    expect(await askAll(['ada', 'bob', 'ada'])).toBe(2);
  });

  test('given RETURN_HEADERS, then requests are not joined', async () => {
    expect(await askAll(['ada', 'ada'], { RETURN_HEADERS: 'x-cache' })).toBe(2);
  });
});

test('given a client that disconnects, then the request that others wait for is sent again, once', async () => {
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

describe('a connection that is closed before the response', () => {
  const QUERY = '{ books { id } }';
  test.each([
    ['a query', QUERY, 2, undefined],
    ['a mutation', 'mutation { touch { id } }', 1, 'UPSTREAM_OUTCOME_UNKNOWN'],
  ])('%s is retried only if that is safe', async (_, query, times, code) => {
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

test('given a timeout for one subgraph, then it applies to no other', async () => {
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

test('given RETURN_HEADERS, then clients receive them: lists joined, cookies separate', async () => {
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
