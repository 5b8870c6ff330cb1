import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Federation, startFederation } from '../../helpers/federation.ts';

/* Estimated response sizes in external supergraphs, as shown by the rejections. */

const SHOP = {
  schema: `
    type Query {
      plain: [Item]
      assumed: [Item] @listSize(assumedSize: 3)
      sliced(count: Int = 2, most: Int): [Item] @listSize(slicingArguments: ["count", "most"], requireOneSlicingArgument: false)
      page(count: Int!): Page @listSize(slicingArguments: ["count"], sizedFields: ["entries"])
      limited(limit: Int!): [Item]
      connection(first: Int!): Connection
      byIds(ids: [ID!]!): [Item]
      matrix: [[Item]]
      heavy(fast: Boolean @cost(weight: 7)): Heavy
      either: Either
      status: Status
      being: Being
      refund: Item @cost(weight: -1000)
    }
    type Page { entries: [Item] other: [Item] }
    type Connection { edges: [Edge] }
    type Edge { node: Item }
    type Item { id: ID name: String items: [Item] some(limit: Int!): [Item] }
    interface Being { id: ID child: Being call: Item food: [Item] }
    type Bird implements Being { id: ID child: Being wings: Int call: Item @cost(weight: 30) food: [Item] @listSize(assumedSize: 25) }
    type Fish implements Being { id: ID child: Being fins: Int call: Item food: [Item] }
    type Heavy @cost(weight: 40) { id: ID weighed: String @cost(weight: 5) }
    union Either = Item | Heavy
    enum Status @cost(weight: 6) { OPEN }
  `,
};

let shop: Federation<'shop'>;
beforeAll(async () => {
  // Every operation is rejected, so that each error contains the estimate.
  shop = await startFederation({ shop: SHOP }, { MAX_ESTIMATED_OBJECTS: '1', ASSUMED_LIST_SIZE: '10' });
});
afterAll(() => shop.close());

const estimate = async (query: string, variables: Record<string, unknown> = {}): Promise<unknown> => {
  const { errors, data } = await shop.ask(query, variables);
  return errors?.[0]?.extensions?.['value'] ?? data;
};

describe('the estimate of objects', () => {
  test.each([
    ['a list of unknown length', '{ plain { id } }', 10],
    ['lists multiply along a path', '{ plain { items { items { id } } } }', 10 + 100 + 1_000],
    ['@listSize(assumedSize:)', '{ assumed { id } }', 3],
    ['a slicing argument by default', '{ sliced { id } }', 2],
    ['the largest of two slicing arguments', '{ sliced(count: 4, most: 6) { id } }', 6],
    ['sizedFields, and another list beside', '{ page(count: 5) { entries { id } other { id } } }', 1 + 5 + 10],
    ['an argument that limits a list', '{ limited(limit: 7) { id } }', 7],
    ['a connection', '{ connection(first: 5) { edges { node { id } } } }', 1 + 5 + 5],
    ['keys, but never fewer than of any list', '{ byIds(ids: ["1", "2"]) { id } }', 10],
    ['more keys', `{ byIds(ids: [${'"1" '.repeat(12)}]) { id } }`, 12],
    ['a list of lists', '{ matrix { id } }', 100],
    ['weights of a type, a field and an argument', '{ heavy(fast: true) { weighed } }', 40 + 5 + 7],
    ['the costliest type of a union', '{ either { ... on Item { items { id } } ... on Heavy { weighed } } }', 40 + 10],
    ['the weight that one type of an interface gives a field', '{ being { call { id } } }', 1 + 30],
    ['the size that one type of an interface gives a list', '{ being { food { id } } }', 1 + 25],
    ['the weight of an enum', '{ status }', 6],
    [
      'a field selected by two fragments',
      '{ ...A ...B } fragment A on Query { plain { id } } fragment B on Query { plain { name } }',
      10,
    ],
    ['a field that is always skipped', '{ plain { id } assumed @skip(if: true) { id } }', 10],
  ])('%s', async (_, query, objects) => {
    expect(await estimate(query)).toBe(objects);
  });

  test('of a nested interface is computed once per level, however many types it has', async () => {
    const levels = 40;
    const query = `{ being ${'{ ... on Bird { wings } ... on Fish { fins } child '.repeat(levels)} { id } ${'}'.repeat(levels)} }`;
    expect(await estimate(query)).toBe(levels + 1);
  });

  test('neither overflows nor decreases by multiplication', async () => {
    const levels = 40;
    const some = 'some(limit: 2147483647) { '.repeat(levels);
    const query = `{ plain { ${some} some(limit: 0) { id } ${'}'.repeat(levels)} } refund { id } }`;
    expect(await estimate(query)).toBeGreaterThan(1e12);
  });

  test('uses variables, their defaults, and conditions', async () => {
    const query = `query($first: Int! = 3, $yes: Boolean!) {
      connection(first: $first) { edges { node { id items @include(if: $yes) { id } } } }
    }`;
    expect(await estimate(query, { yes: false })).toBe(1 + 3 + 3);
    expect(await estimate(query, { yes: false, first: 20 })).toBe(1 + 20 + 20);
    expect(await estimate(query, { yes: true, first: 2 })).toBe(1 + 2 + 2 + 20);
  });

  test('an absent variable selects the default of its argument, null does not', async () => {
    const query = 'query($count: Int) { sliced(count: $count) { id } }';
    for (const variables of [{ count: null }, {}, { count: null }]) {
      expect(await estimate(query, variables)).toBe('count' in variables ? 10 : 2);
    }
  });

  test('counts keys in a variable', async () => {
    const query = 'query($ids: [ID!]!) { byIds(ids: $ids) { id } }';
    expect(await estimate(query, { ids: Array.from({ length: 33 }, String) })).toBe(33);
  });

  test('the subgraph received no requests', () => {
    expect(shop.subgraphs.shop.requests).toEqual([]);
  });
});
