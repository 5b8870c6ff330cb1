import { getIntrospectionQuery } from 'graphql';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Federation, startFederation } from '../../helpers/federation.ts';

/* Responses to clients, especially if a subgraph violates its schema. */

const DEFINITIONS = {
  shop: {
    schema: `
      enum Size { SMALL LARGE }
      scalar Json
      interface Thing { id: ID! }
      type Query { item(id: ID!): Item  items: [Item!]!  thing: Thing  grid: [[Int!]]  count: Int!  size: Size  json: Json }
      type Mutation { sell(id: ID!): Item }
      type Item implements Thing @key(fields: "id") { id: ID! price: Int  weight(unit: String): Int }
    `,
    fields: {
      'Query.item': (_: never, { id }: { id: string }) => ({ id }),
      'Query.items': () => [{ id: '1' }, { id: '2' }],
      'Query.count': () => 3,
      'Query.size': () => 'LARGE',
      'Query.json': () => ({ any: [1, { thing: null }] }),
      'Mutation.sell': (_: never, { id }: { id: string }) => ({ id }),
      'Item.price': ({ id }: { id: string }) => Number(id) * 10,
      'Item.weight': ({ id }: { id: string }, { unit }: { unit?: string }) => Number(id) * (unit === 'g' ? 1000 : 1),
    },
  },
  post: {
    schema: `
      type Item @key(fields: "id") {
        id: ID!
        price: Int @external
        weight(unit: String): Int @external
        name: String!
        postage: Int @requires(fields: "price")
        freight: Int @requires(fields: "weight(unit: \\"g\\")")
        parcel: Int @requires(fields: "weight(unit: \\"kg\\")")
        stock: Int
      }
    `,
    fields: {
      'Item.name': ({ id }: { id: string }) => `Item ${id}`,
      'Item.postage': ({ price }: { price: number }) => price + 1,
      'Item.freight': ({ weight }: { weight: number }) => weight,
      'Item.parcel': ({ weight }: { weight: number }) => weight,
      'Item.stock': () => 7,
    },
  },
};

let federation: Federation<keyof typeof DEFINITIONS>;
beforeEach(async () => {
  federation = await startFederation(DEFINITIONS, { SUBGRAPH_ERRORS: 'masked' });
});
afterEach(() => federation.close());

/** Makes a subgraph return this response to every request. */
const answerWith = (name: keyof typeof DEFINITIONS, answer: object): void => {
  federation.subgraphs[name].before = (response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
    return true;
  };
};

const shortly = (errors: Awaited<ReturnType<Federation<'shop'>['ask']>>['errors']) =>
  errors?.map(({ path, extensions }) => [path?.join('.'), extensions?.['code'], extensions?.['serviceName']]);

describe('values that the schema does not allow', () => {
  test.each([
    ['a null', '{ count }', { count: null }, null, 'count'],
    ['nothing', '{ count }', {}, null, 'count'],
    ['a string for a number', '{ count }', { count: '3' }, null, 'count'],
    ['a number beyond 32 bits', '{ count }', { count: 2 ** 31 }, null, 'count'],
    ['a fraction for an integer', '{ count }', { count: 1.5 }, null, 'count'],
    ['an unknown enum value', '{ size }', { size: 'HUGE' }, { size: null }, 'size'],
    ['a list for an object', '{ item(id: 1) { id } }', { item: [] }, { item: null }, 'item'],
    ['a string for an object', '{ item(id: 1) { id } }', { item: 'x' }, { item: null }, 'item'],
    ['an object for a list', '{ items { id } }', { items: {} }, null, 'items'],
    ['a null in a list of non-null items', '{ items { id } }', { items: [{ id: '1' }, null] }, null, 'items.1'],
    ['a null deep in a list', '{ grid }', { grid: [[1], [2, null]] }, { grid: [[1], null] }, 'grid.1.1'],
    [
      'an object of an unknown type',
      '{ thing { id } }',
      { thing: { __typename: 'Ghost', id: 1 } },
      { thing: null },
      'thing',
    ],
  ])(
    'given %s, then an error has its path and the null propagates to the nearest nullable field',
    async (_, query, given, expected, path) => {
      answerWith('shop', { data: given });
      const { data, errors } = await federation.ask(query);
      expect(data).toEqual(expected);
      expect(shortly(errors)).toEqual([[path, 'UPSTREAM_BAD_RESPONSE', undefined]]);
    },
  );

  test('given valid values, then they are passed on unchanged', async () => {
    const json = { any: [1, { thing: null }] };
    const { text } = await federation.ask('{ size json k: __typename item(id: "7") { t: __typename id } }');
    expect(JSON.parse(text)).toEqual({ data: { size: 'LARGE', json, k: 'Query', item: { t: 'Item', id: '7' } } });
  });
});

describe('entities', () => {
  test('given fewer entities than requested, then their fields fail', async () => {
    answerWith('post', { data: { _entities: [] } });
    const { data, errors } = await federation.ask('{ items { id stock } }');
    expect(data).toEqual({
      items: [
        { id: '1', stock: null },
        { id: '2', stock: null },
      ],
    });
    expect(shortly(errors)).toEqual([0, 1].map((index) => [`items.${index}.stock`, 'UPSTREAM_BAD_RESPONSE', 'post']));
  });

  test('given an unknown entity, then its nullable fields are null and its non-null fields are errors', async () => {
    answerWith('post', { data: { _entities: [null] } });
    expect((await federation.ask('{ item(id: "2") { stock } }')).data).toEqual({ item: { stock: null } });
    const { data, errors } = await federation.ask('{ item(id: "2") { name stock } }');
    expect(data).toEqual({ item: null });
    expect(shortly(errors)).toEqual([['item.name', 'UPSTREAM_BAD_RESPONSE', undefined]]);
  });

  test('given an error of one entity, then it is reported at each path of that entity', async () => {
    answerWith('post', {
      data: { _entities: [{ n: 1 }, { n: null }] },
      errors: [{ message: 'gone', path: ['_entities', 1, 'n'], extensions: { code: 'UPSTREAM_NOT_FOUND' } }],
    });
    const { data, errors } = await federation.ask('{ items { n: stock } again: items { n: stock } }');
    expect(data).toEqual({ items: [{ n: 1 }, { n: null }], again: [{ n: 1 }, { n: null }] });
    expect(shortly(errors)).toEqual([
      ['items.1.n', 'UPSTREAM_NOT_FOUND', 'post'],
      ['again.1.n', 'UPSTREAM_NOT_FOUND', 'post'],
    ]);
  });

  test('given an entity that is null because of one of its fields, then that field’s error is reported once', async () => {
    answerWith('post', {
      data: { _entities: [null] },
      errors: [{ message: 'x', path: ['_entities', 0, 'name'], extensions: { code: 'UPSTREAM_TIMEOUT' } }],
    });
    const { data, errors } = await federation.ask('{ item(id: "1") { id stock name } }');
    expect(data).toEqual({ item: null });
    expect(shortly(errors)).toEqual([['item.name', 'UPSTREAM_TIMEOUT', 'post']]);
  });

  test('given a null propagated from a field that the client did not select, then the error is at the null', async () => {
    answerWith('shop', {
      data: { item: null },
      errors: [{ message: 'x', path: ['item', 'price'], extensions: { code: 'UPSTREAM_TIMEOUT' } }],
    });
    const { data, errors } = await federation.ask('{ item(id: "1") { postage } }');
    expect(data).toEqual({ item: null });
    expect(shortly(errors)).toEqual([['item', 'UPSTREAM_TIMEOUT', 'shop']]);
    // Unless the client selected a field there.
    const reasons = ['price', 'id'].map((field) => ({ message: field, path: ['item', field] }));
    answerWith('shop', { data: { item: null }, errors: reasons });
    expect(shortly((await federation.ask('{ item(id: "1") { id postage } }')).errors)?.map(([path]) => path)).toEqual([
      'item.id',
    ]);
  });

  test('given an error at a path that the response does not have, then the data is unchanged', async () => {
    answerWith('shop', {
      data: { items: [{ price: 1 }] },
      errors: [{ message: 'x', path: ['items', 3, 'price'], extensions: { code: 'UPSTREAM_TIMEOUT' } }],
    });
    const { data, errors } = await federation.ask('{ items { price } }');
    expect(data).toEqual({ items: [{ price: 1 }] });
    expect(shortly(errors)).toEqual([['items.3.price', 'UPSTREAM_TIMEOUT', 'shop']]);
  });

  test('given an error without a path and no data, then it is reported at each field, and other subgraphs are unaffected', async () => {
    answerWith('post', { errors: [{ message: 'at http://10.0.0.7/ of all places' }] });
    const { data, errors, text } = await federation.ask('{ item(id: "1") { price stock } }');
    expect(data).toEqual({ item: { price: 10, stock: null } });
    expect(shortly(errors)).toEqual([['item.stock', 'INTERNAL_SERVER_ERROR', 'post']]);
    expect(text).not.toContain('10.0.0.7');
  });

  test('given a field named like an inherited property, then it is treated as data', async () => {
    answerWith('post', { data: { _entities: [JSON.parse('{"stock":1,"__proto__":{"polluted":true}}')] } });
    const { data } = await federation.ask('{ item(id: "1") { stock } }');
    expect(data).toEqual({ item: { stock: 1 } });
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('@requires', () => {
  test('given a required field that the client selects with other arguments, then each selection has its own value', async () => {
    const { data } = await federation.ask('{ item(id: "2") { weight(unit: "kg") freight } }');
    expect(data).toEqual({ item: { weight: 2, freight: 2000 } });
  });

  test('given two fields that require one field with different arguments, then both are correct', async () => {
    const { data } = await federation.ask('{ item(id: "2") { parcel weight freight } }');
    expect(data).toEqual({ item: { parcel: 2, weight: 2, freight: 2000 } });
  });

  test.each([
    ['kg', { parcel: null, weight: 2, freight: 2000 }, ['item.parcel']],
    ['g', { parcel: 2, weight: 2, freight: null }, ['item.freight']],
  ])('given that the part with the weight in %s fails, then the other part is returned', async (unit, item, paths) => {
    federation.subgraphs.shop.before = (response, { query }) => {
      if (!query.includes(`unit:"${unit}"`)) return false;
      response.writeHead(500).end();
      return true;
    };
    const { data, errors } = await federation.ask('{ item(id: "2") { parcel weight freight } }');
    expect(data).toEqual({ item });
    expect(errors?.map(({ path }) => path?.join('.'))).toEqual(paths);
  });

  test('given a mutation with such fields, then it is rejected and nothing is sent', async () => {
    const { data, errors } = await federation.ask('mutation { sell(id: "2") { parcel freight } }');
    expect(data).toBeUndefined();
    expect(shortly(errors)).toEqual([[undefined, 'OPERATION_UNRESOLVABLE', undefined]]);
    expect(federation.subgraphs.shop.requests).toEqual([]);
  });

  test('given a required value that failed, then the dependent field has that error, and sibling fields are returned', async () => {
    answerWith('shop', {
      data: { item: { __typename: 'Item', id: '1', price: null } },
      errors: [{ message: 'x', path: ['item', 'price'], extensions: { code: 'UPSTREAM_TIMEOUT' } }],
    });
    const { data, errors } = await federation.ask('{ item(id: "1") { stock postage } }');
    expect(data).toEqual({ item: { stock: 7, postage: null } });
    expect(shortly(errors)).toEqual([['item.postage', 'UPSTREAM_TIMEOUT', 'shop']]);
    // If no other field is requested, nothing is sent.
    federation.subgraphs.post.requests.length = 0;
    await federation.ask('{ item(id: "1") { postage } }');
    expect(federation.subgraphs.post.requests).toEqual([]);
  });
});

describe('introspection', () => {
  test('is resolved without a subgraph, alone and next to data', async () => {
    const { data } = await federation.ask<{ __schema: object }>(getIntrospectionQuery());
    expect(data?.__schema).toBeDefined();
    expect(federation.subgraphs.shop.requests).toEqual([]);
    const query = 'query($name: String!) { type: __type(name: $name) { name kind } count }';
    expect((await federation.ask(query, { name: 'Item' })).data).toEqual({
      type: { name: 'Item', kind: 'OBJECT' },
      count: 3,
    });
  });
});
