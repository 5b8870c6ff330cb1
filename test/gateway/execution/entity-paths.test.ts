import { afterEach, expect, test } from 'vitest';
import { type Federation, startFederation } from '../../helpers/federation.ts';

/* One entity at several paths of a response, and with several keys. */

let federation: Federation<string>;
afterEach(() => federation.close());

test('given an entity at two paths, then the further selections of each path stay separate', async () => {
  federation = await startFederation({
    shelves: {
      schema: `
        type Query { left: Shelf  right: Shelf }
        type Shelf { book: Book }
        type Book @key(fields: "id") { id: ID! }
      `,
      fields: {
        'Query.left': () => ({ book: { id: '1' } }),
        'Query.right': () => ({ book: { id: '1' } }),
      },
    },
    reviews: {
      schema: 'type Book @key(fields: "id") { id: ID! best: Review } type Review @key(fields: "id") { id: ID! }',
      fields: { 'Book.best': ({ id }: { id: string }) => ({ id: `r${id}` }) },
    },
    words: {
      schema: 'type Review @key(fields: "id") { id: ID! text(length: Int!): String }',
      fields: { 'Review.text': (_: never, { length }: { length: number }) => 'very good'.slice(0, length) },
    },
  });
  const { data } = await federation.ask(
    '{ left { book { best { text(length: 4) } } } right { book { best { text(length: 9) } } } }',
  );
  expect(data).toEqual({
    left: { book: { best: { text: 'very' } } },
    right: { book: { best: { text: 'very good' } } },
  });
});

test('given one response name for different fields of different types that lead to one entity, then each has its own value', async () => {
  federation = await startFederation({
    pets: {
      schema: `
        type Query { pets: [Pet!]! }
        union Pet = Dog | Cat
        type Dog { owner: Person }
        type Cat { owner: Person }
        type Person @key(fields: "id") { id: ID! }
      `,
      fields: {
        'Query.pets': () => ['Dog', 'Cat'].map((__typename) => ({ __typename, owner: { id: '1' } })),
      },
    },
    people: {
      schema: 'type Person @key(fields: "id") { id: ID! name: String city: String }',
      fields: { 'Person.name': () => 'Ada', 'Person.city': () => 'Turku' },
    },
  });
  const { data } = await federation.ask(
    '{ pets { ... on Dog { owner { it: name } } ... on Cat { owner { it: city } } } }',
  );
  expect(data).toEqual({ pets: [{ owner: { it: 'Ada' } }, { owner: { it: 'Turku' } }] });
});

test('given an unresolvable key, then another one is used', async () => {
  federation = await startFederation({
    names: {
      schema: `
        type Thing @key(fields: "id") @key(fields: "code", resolvable: false) { id: ID! code: ID! name: String! }
      `,
      fields: { 'Thing.name': ({ id }: { id: string }) => `thing ${id}` },
    },
    codes: {
      schema: `
        type Query { things: [Thing!]! }
        type Thing @key(fields: "code", resolvable: false) @key(fields: "id code") @key(fields: "id", resolvable: false) {
          id: ID!
          code: ID!
          name: String! @external
          label: String! @requires(fields: "name")
        }
      `,
      fields: {
        'Query.things': () => [{ id: '1', code: 'A' }],
        'Thing.label': ({ id, code, name }: Record<string, string>) => `${id} ${code}: ${name}`,
      },
    },
  });
  const { data, errors } = await federation.ask('{ things { label } }');
  expect(errors).toBeUndefined();
  expect(data).toEqual({ things: [{ label: '1 A: thing 1' }] });
});

test('given a query that no subgraph can resolve, then it is rejected instead of returning null', async () => {
  federation = await startFederation({
    a: {
      schema: `
        type Query { node: Node  count: Int }
        interface Node @key(fields: "id") { id: ID! }
      `,
    },
    b: {
      schema:
        'type Query { b: Node }  type Node @key(fields: "id", resolvable: false) @interfaceObject { id: ID! field: String }',
    },
  });
  const { data, errors } = await federation.ask('{ node { field } }');
  expect(data).toBeNull();
  expect(errors?.map(({ extensions }) => extensions?.['code'])).toEqual(['OPERATION_UNRESOLVABLE']);
});

const fail = () => {
  throw new Error('unknown');
};

test.each([
  ['of which a part has failed', { 'Size.depth': fail }],
  ['that has failed', { 'Item.size': fail }],
])('given a required object %s, then the dependent field has that error', async (_, failing) => {
  federation = await startFederation({
    shop: {
      schema:
        'type Query { item: Item } type Item @key(fields: "id") { id: ID! size: Size } type Size { width: Int depth: Int }',
      fields: {
        'Query.item': () => ({ id: '1', size: { width: 2 } }),
        ...failing,
      },
    },
    post: {
      schema: `
        type Item @key(fields: "id") {
          id: ID!
          size: Size @external
          postage: Int @requires(fields: "size { width depth }")
          name: String
        }
        type Size @external { width: Int depth: Int }
      `,
      fields: { 'Item.postage': () => 0, 'Item.name': () => 'Lamp' },
    },
  });
  const { data, errors } = await federation.ask('{ item { name postage } }');
  expect(data).toEqual({ item: { name: 'Lamp', postage: null } });
  expect(errors?.map(({ path }) => path)).toEqual([['item', 'postage']]);
});

test('given a computed field of one type of an interface object, then objects of other types are not requested', async () => {
  federation = await startFederation({
    catalogue: {
      schema: `
        type Query { version: Int }
        interface Item @key(fields: "id") { id: ID! size: Int }
        type Toy implements Item @key(fields: "id") { id: ID! size: Int }
        type Tool implements Item @key(fields: "id") { id: ID! size: Int }
      `,
      fields: {
        'Item.__resolveType': ({ id }: { id: string }) => (id === '1' ? 'Toy' : 'Tool'),
        'Toy.size': () => 7,
        'Tool.size': () => 8,
      },
    },
    stock: {
      schema: `
        type Query { items: [Item!]! }
        type Item @key(fields: "id") @interfaceObject {
          id: ID!
          size: Int @external
          near: [Item!]
          bulk: Int @requires(fields: "size")
        }
      `,
      fields: {
        'Query.items': () => [{ id: '1' }, { id: '2' }],
        'Item.near': ({ id }: { id: string }) => [{ id: `next to ${id}` }],
        'Item.bulk': ({ size }: { size: number }) => size * 2,
      },
    },
  });
  const { data, errors } = await federation.ask(
    '{ items { id near { other: id } ... on Toy { near { __typename } bulk } } }',
  );
  expect(errors).toBeUndefined();
  expect(data).toEqual({
    items: [
      { id: '1', near: [{ other: 'next to 1', __typename: 'Tool' }], bulk: 14 },
      { id: '2', near: [{ other: 'next to 2' }] },
    ],
  });
  const sent = federation.subgraphs['stock']?.requests.flatMap(({ variables }) => variables?.['representations'] ?? []);
  expect(sent).toEqual([{ __typename: 'Item', id: '1', size: 7 }]);
});
