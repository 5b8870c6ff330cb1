import { buildSubgraphSchema } from '@apollo/subgraph';
import type { GraphQLSchema } from 'graphql';
import { isAbstractType, isObjectType, parse } from 'graphql';

/*
 * The graph of the heavy query, modelled on the public benchmark of federation gateways: accounts, products, inventory and
 * reviews with circular references. Written in Federation 1, which all gateways support.
 */

export const SCHEMAS: Readonly<Record<string, string>> = {
  accounts: `
    extend type Query { people: [Person!] }
    type Person @key(fields: "id") { id: ID! name: String handle: String born: String city: String }
  `,
  products: `
    extend type Query { top(first: Int = 5): [Product!] }
    type Product @key(fields: "sku") { sku: ID! title: String price: Int weight: Int }
  `,
  inventory: `
    extend type Product @key(fields: "sku") {
      sku: ID! @external
      price: Int @external
      weight: Int @external
      inStock: Boolean
      postage: Int @requires(fields: "price weight")
    }
  `,
  reviews: `
    type Review @key(fields: "id") { id: ID! text: String stars: Int by: Person about: Product }
    extend type Person @key(fields: "id") { id: ID! @external reviews: [Review!] }
    extend type Product @key(fields: "sku") { sku: ID! @external reviews: [Review!] }
  `,
};

const PEOPLE = 6;
const PRODUCTS = 9;
const REVIEWS = 28;

const TEXTS = ['Works as it should.', 'Too small for me.', 'Again, any time.'];
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
const reviews = numbers(REVIEWS).map((n) => ({
  id: `r${n}`,
  text: TEXTS[n % TEXTS.length],
  stars: 1 + (n % 5),
  by: { __typename: 'Person', id: `p${1 + (n % PEOPLE)}` },
  about: { __typename: 'Product', sku: `s${1 + (n % PRODUCTS)}` },
}));

type Person = { id: string };
type Product = { sku: string; price: number; weight: number };
const indexOf = (id: string): number => Number(id.slice(1));

const RESOLVERS: Readonly<Record<string, Readonly<Record<string, (object: never, args: never) => unknown>>>> = {
  Query: {
    people: () => numbers(PEOPLE).map((n) => ({ id: `p${n}` })),
    top: (_: never, { first }: { first: number }) => numbers(first).map((n) => ({ sku: `s${n}` })),
  },
  Person: {
    name: ({ id }: Person) => `Person ${indexOf(id)}`,
    handle: ({ id }: Person) => `@${id}`,
    born: ({ id }: Person) => `19${50 + indexOf(id)}-04-01`,
    city: ({ id }: Person) => ['Oslo', 'Turku', 'Porto'][indexOf(id) % 3],
    reviews: ({ id }: Person) => reviews.filter(({ by }) => by.id === id),
  },
  Product: {
    title: ({ sku }: Product) => `Product ${indexOf(sku)}`,
    price: ({ sku }: Product) => 100 * indexOf(sku),
    weight: ({ sku }: Product) => 250 * indexOf(sku),
    inStock: ({ sku }: Product) => indexOf(sku) % 2 === 0,
    postage: ({ price, weight }: Product) => (price > 500 ? 0 : weight / 10),
    reviews: ({ sku }: Product) => reviews.filter(({ about }) => about.sku === sku),
  },
};

/** Creates the executable schema of one subgraph. */
export const createSchema = (name: string): GraphQLSchema => {
  const schema = buildSubgraphSchema([{ typeDefs: parse(SCHEMAS[name] as string) }]);
  for (const type of Object.values(schema.getTypeMap())) {
    if (isAbstractType(type) || !isObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      // The inventory's price and weight come from the representation, because its postage requires them.
      const resolve = RESOLVERS[type.name]?.[field.name];
      const isInRepresentation = name === 'inventory' && (field.name === 'price' || field.name === 'weight');
      if (resolve && !isInRepresentation) field.resolve = resolve as never;
    }
  }
  return schema;
};

/** A deep query with many repeated entities. */
export const HEAVY = `
  query Heavy {
    people {
      ...Whole
      reviews { ...Short about { ...Goods reviews { ...Short by { ...Whole reviews { ...Short about { ...Goods } } } } } }
    }
    top(first: 5) {
      ...Goods
      reviews { ...Short by { ...Whole reviews { ...Short about { ...Goods } } } }
    }
  }
  fragment Whole on Person { id name handle born city }
  fragment Short on Review { id text stars }
  fragment Goods on Product { sku title price weight inStock postage }
`;
