import { ApolloClient, ApolloLink, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { Client, cacheExchange, fetchExchange } from '@urql/core';
import { ClientError, GraphQLClient } from 'graphql-request';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Stack, startStack } from '../helpers/stack.ts';

/* The client libraries in docs/clients.md, with the options described there, against the gateway. */

const QUERY = 'query Stock($sku: ID!) { product(sku: $sku) { sku } }';
const VARIABLES = { sku: 'OABR-S' };
const DATA = { product: { sku: 'OABR-S' } };
const INVALID = 'query Invalid { nothing }';
const PREFLIGHT = { 'apollo-require-preflight': 'yes' };

let stack: Stack;
let url: string;
beforeAll(async () => {
  stack = await startStack();
  url = `${stack.url}/graphql`;
});
afterAll(() => stack.close());

/** The methods of the requests. */
let methods: string[] = [];
const noting: typeof fetch = (input, init) => {
  methods.push(init?.method ?? 'GET');
  return fetch(input, init);
};
beforeEach(() => {
  methods = [];
});

describe('urql', () => {
  const ask = (options: object, query = QUERY) =>
    new Client({ url, fetch: noting, exchanges: [cacheExchange, fetchExchange], ...options })
      .query(query, VARIABLES)
      .toPromise();

  test('given default options, then its simple GET is rejected with the name of the missing header', async () => {
    const { data, error } = await ask({});
    expect(methods).toEqual(['GET']);
    expect(data).toBeUndefined();
    expect(error?.graphQLErrors).toMatchObject([
      { message: expect.stringContaining('apollo-require-preflight'), extensions: { code: 'BAD_REQUEST' } },
    ]);
  });

  test('given the header, then it can send queries by GET', async () => {
    const { data, error } = await ask({ fetchOptions: { headers: PREFLIGHT } });
    expect([methods, data, error]).toMatchObject([['GET'], DATA, undefined]);
  });

  test('given preferGetMethod: false, then it sends queries by POST', async () => {
    const { data, error } = await ask({ preferGetMethod: false });
    expect([methods, data, error]).toMatchObject([['POST'], DATA, undefined]);
  });

  test('given a query that is too long for a URL, then it sends it by POST', async () => {
    const { data } = await ask({ fetchOptions: { headers: PREFLIGHT } }, QUERY.replace('Stock', 'S'.repeat(2_100)));
    expect([methods, data]).toMatchObject([['POST'], DATA]);
  });

  test('given an invalid query, then it receives the error code', async () => {
    const { error } = await ask({ fetchOptions: { headers: PREFLIGHT } }, INVALID);
    expect(error?.graphQLErrors).toMatchObject([{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }]);
    expect(error?.networkError).toBeUndefined();
  });
});

describe('Apollo Client', () => {
  const ask = (link: ApolloLink, query = QUERY) =>
    new ApolloClient({ link, cache: new InMemoryCache() }).query({
      query: gql(query),
      variables: VARIABLES,
      errorPolicy: 'all',
    });

  test('sends queries by POST', async () => {
    const { data } = await ask(new HttpLink({ uri: url, fetch: noting }));
    expect([methods, data]).toMatchObject([['POST'], DATA]);
  });

  test('given the header, then it can send queries by GET', async () => {
    const link = new HttpLink({ uri: url, fetch: noting, useGETForQueries: true, headers: PREFLIGHT });
    const { data } = await ask(link);
    expect([methods, data]).toMatchObject([['GET'], DATA]);
  });

  test('given an invalid query, then it receives the error code', async () => {
    const { error } = await ask(new HttpLink({ uri: url }), INVALID);
    expect(CombinedGraphQLErrors.is(error) && error.errors).toMatchObject([
      { extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } },
    ]);
  });

  test('given a request that is refused before GraphQL, then it receives the error code', async () => {
    const link = ApolloLink.from([new HttpLink({ uri: `${url}/elsewhere` })]);
    const { error } = await ask(link);
    expect(CombinedGraphQLErrors.is(error) && error.errors).toMatchObject([{ extensions: { code: 'NOT_FOUND' } }]);
  });
});

describe('graphql-request', () => {
  test('sends queries by POST', async () => {
    expect(await new GraphQLClient(url, { fetch: noting }).request(QUERY, VARIABLES)).toEqual(DATA);
    expect(methods).toEqual(['POST']);
  });

  test('given the header, then it can send queries by GET', async () => {
    const client = new GraphQLClient(url, { fetch: noting, method: 'GET', headers: PREFLIGHT });
    expect(await client.request(QUERY, VARIABLES)).toEqual(DATA);
    expect(methods).toEqual(['GET']);
  });

  test('given an invalid query, then it receives the error code', async () => {
    const error = await new GraphQLClient(url).request(INVALID).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ClientError);
    expect((error as ClientError).response.errors).toMatchObject([
      { extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } },
    ]);
  });
});
