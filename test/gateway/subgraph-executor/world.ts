import { buildSubgraphSchema } from '@apollo/subgraph';
import {
  GraphQLError,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  GraphQLScalarType,
  type GraphQLSchema,
  isEnumType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  isScalarType,
  parse,
} from 'graphql';
import { createRandom, type Random } from '../../helpers/random-operation.ts';
import type { SettleOrder } from './settle-order.ts';

/**
 * A generated subgraph whose resolvers do everything that resolvers can do: values and promises, errors thrown, returned and
 * rejected, values of the wrong type, lists of any kind. Each field depends on the seed, the object and the arguments alone, so
 * every executor sees the same behavior.
 */
export const SCHEMA = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])
  type Query {
    item(input: Input = { count: 2 }): Item
    sureItem: Item!
    items(first: Int): [Item]
    sureItems: [Item!]!
    grid: [[Item]!]
    node: Node
    nodes: [Node!]
    thing: Thing
    things: [Thing]
    sureThings: [[Thing!]]
    plain: Plain
    echo(input: Input, list: [Int!], kind: Kind = RED, odd: Odd, flag: Boolean! = true, nested: [[Input]]): String
  }
  type Mutation {
    first(input: Input!): Item
    second: Item!
    third(list: [Int]): [Item!]
  }
  interface Node { id: ID! size: Int peer: Node peers: [Node] item: Item! }
  union Thing = Item | Stone | Plain
  enum Kind { RED GREEN }
  scalar Odd
  input Input {
    count: Int! = 1
    name: String = "unnamed"
    kind: Kind! = GREEN
    inner: Input
    odd: Odd
    list: [Int!] = [1, 2]
  }
  type Item implements Node @key(fields: "id") {
    id: ID!
    size: Int
    sureSize: Int!
    sizes: [Int!]
    someSizes: [Int]
    cube: [[[Int!]!]]
    name(upper: Boolean = false, odd: Odd): String
    weight: Float
    isNew: Boolean
    kind: Kind
    kinds: [Kind!]!
    odd: Odd
    sureOdd: Odd!
    odds: [Odd]
    echo(input: Input!, list: [Int!]): String
    peer: Node
    surePeer: Node!
    peers: [Node]
    item: Item!
    items(first: Int! = 2): [Item!]
    thing: Thing
    plain: Plain
    surePlain: Plain!
    plains: [Plain]
  }
  type Stone implements Node @key(fields: "id") {
    id: ID!
    size: Int
    peer: Node
    peers: [Node]
    item: Item!
    hardness: Float!
    plain: Plain
  }
  type Plain {
    id: ID!
    size: Int
    sureSize: Int!
    name: String
    kind: Kind
    odd: Odd
    plain: Plain
    surePlains: [Plain!]
    node: Node
    length(by: Int! = 1): Int
  }
  type Other { id: ID! }
`;

/** The settings and the record of one execution. */
export type World = {
  readonly seed: number;
  /** The share of faulty values. */
  readonly faults: number;
  /** Settles promises one at a time. Without it, they are settled from the start. */
  readonly turns: SettleOrder | undefined;
  /** The resolved fields, in order. */
  readonly calls: string[];
};

/** An object of the subgraph. Its key determines its fields. */
type Thing = { readonly key: string; readonly typename: string };

const FAILURES: readonly ((key: string) => unknown)[] = [
  (key) => {
    throw new Error(`${key} throws`);
  },
  (key) => {
    throw new GraphQLError(`${key} refuses`, { extensions: { code: 'REFUSED' } });
  },
  (key) => {
    throw `${key} throws a text`;
  },
  (key) => new Error(`${key} returns an error`),
  (key) => new GraphQLError(`${key} returns a refusal`),
  () => null,
  () => null,
  () => undefined,
  () => ({ wrong: true }),
  () => 'wrong',
  () => Number.NaN,
  () => [[]],
  () => (async function* () {})(),
];

const WRONG_TYPES: readonly unknown[] = [null, undefined, 'Nothing', 'Thing', 'Other', 5, {}];

const SCALARS: Readonly<Record<string, readonly unknown[]>> = {
  Int: [0, 7, '12', true],
  Float: [0.5, 3, '1.25'],
  Boolean: [true, false, 1],
  ID: ['a', 12],
  String: ['text', 12, true, '', { valueOf: () => 'value' }],
  Odd: ['even', 0, '', { deep: ['down'] }, 'bad', 'nothing'],
};

/** Builds the schema. Its resolvers read `world()` on each call. */
export const createWorldSchema = (world: () => World): GraphQLSchema => {
  const luckOf = (key: string): Random => {
    let hash = world().seed;
    for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 16_777_619);
    return createRandom(hash);
  };
  const isFaulty = (luck: Random): boolean => luck.chance(world().faults);

  /** Returns a value, or a promise of it. */
  const deliver = (luck: Random, produce: () => unknown): unknown => {
    const how = luck.next();
    const priority = luck.next();
    if (how < 0.5) return produce();
    const { turns } = world();
    const promise = turns ? turns.wait(priority, produce) : new Promise((done) => done(produce()));
    // biome-ignore lint/suspicious/noThenProperty: Some libraries have their own promises.
    return how < 0.95 ? promise : { then: promise.then.bind(promise) };
  };

  const produceValue = (key: string, type: GraphQLOutputType): unknown => {
    const luck = luckOf(key);
    return deliver(luck, () =>
      isFaulty(luck) ? luck.pick(FAILURES)(key) : makeValue(luck, key, isNonNullType(type) ? type.ofType : type),
    );
  };

  const makeValue = (luck: Random, key: string, type: GraphQLOutputType): unknown => {
    if (isListType(type)) return makeList(luck, key, type.ofType);
    if (isScalarType(type)) return luck.pick(SCALARS[type.name] ?? []);
    if (isEnumType(type)) return luck.pick(type.getValues()).value;
    if (isObjectType(type)) return makeObject(key, type.name);
    return makeObject(key, luck.pick(isInterfaceType(type) ? ['Item', 'Stone'] : ['Item', 'Stone', 'Plain']));
  };

  const makeList = (luck: Random, key: string, itemType: GraphQLOutputType): unknown => {
    const count = luck.below(4);
    const kind = luck.next();
    const endsBadly = kind > 0.9 && isFaulty(luck);
    const item = (index: number): unknown => {
      try {
        return produceValue(`${key}[${index}]`, itemType);
      } catch (error) {
        // If thrown, it would fail the list, and promises of earlier items would stay unhandled.
        return index % 2 === 0 && error instanceof Error ? error : Promise.reject(error);
      }
    };
    function* items() {
      for (let index = 0; index < count; index++) yield item(index);
      if (endsBadly) throw new Error(`${key} ends with an error`);
    }
    if (kind < 0.8) return [...items()];
    return kind < 0.9 ? { [Symbol.iterator]: items } : items();
  };

  const makeObject = (key: string, typename: string): Thing => {
    const object: Thing = { key, typename };
    const luck = luckOf(`${key} itself`);
    if (luck.chance(0.4)) {
      Object.defineProperty(object, '__typename', { value: luck.chance(0.9) ? typename : luck.pick(WRONG_TYPES) });
    }
    if (typename === 'Plain') addProperties(object, luck);
    return object;
  };

  /** Adds fields to an object as properties and methods, instead of resolvers. */
  const addProperties = (object: Thing, luck: Random): void => {
    for (const { name, type } of Object.values(plainFields)) {
      const produce = () => {
        const key = `${object.key}.${name}`;
        world().calls.push(key);
        return produceValue(key, type);
      };
      function method(this: unknown, args: object, _context: unknown, info: GraphQLResolveInfo): unknown {
        if (this !== object || info.fieldName !== name) throw new Error('a method is called otherwise');
        world().calls.push(JSON.stringify(args));
        return produce();
      }
      Object.defineProperty(object, name, luck.chance(0.6) ? { get: produce } : { value: method });
    }
  };

  const resolve = (source: Thing | undefined, args: Record<string, unknown>, _: unknown, info: GraphQLResolveInfo) => {
    const given = JSON.stringify(args);
    const key = `${source?.key ?? info.parentType.name}.${info.fieldName}${given}`;
    world().calls.push(key);
    if (info.fieldNodes.some(({ name }) => name.value !== info.fieldName)) throw new Error('other nodes');
    // Mutations of arguments must not be visible to others. `literal` names the arguments written in the document.
    args['changed'] = true;
    const { input } = args;
    if (isRecord(input) && input['name'] === 'literal') input['changed'] = true;
    if (info.fieldName === 'echo') return deliver(luckOf(key), () => given);
    return produceValue(key, info.returnType);
  };

  const resolveType = ({ key, typename }: Thing): unknown => {
    const luck = luckOf(`${key} type`);
    return deliver(luck, () => {
      if (!isFaulty(luck)) return typename;
      if (luck.chance(0.2)) throw new Error(`${key} has no type`);
      return luck.chance(0.1) ? schema.getType(typename) : luck.pick(WRONG_TYPES);
    });
  };

  const isTypeOf =
    (name: string) =>
    ({ key, typename }: Thing): unknown => {
      const luck = luckOf(`${key} is ${name}`);
      return deliver(luck, () => {
        if (!isFaulty(luck)) return typename === name;
        if (luck.chance(0.3)) throw new Error(`${key} may be ${name}`);
        return typename !== name;
      });
    };

  // Not thrown synchronously, because work that @apollo/subgraph has started for earlier entities would stay unhandled.
  const resolveReference = async ({ __typename: name, id }: { __typename: string; id: string }) => {
    const key = `${name} ${id}`;
    world().calls.push(key);
    const type = schema.getType(name);
    return isObjectType(type) ? produceValue(key, type) : null;
  };

  const schema = buildSubgraphSchema([
    {
      typeDefs: parse(SCHEMA),
      resolvers: {
        Kind: { RED: 'r', GREEN: 2 },
        Odd: createOddScalar(),
        Item: { __resolveReference: resolveReference },
        Stone: { __resolveReference: resolveReference },
      } as never,
    },
  ]);
  const plain = schema.getType('Plain');
  const plainFields = isObjectType(plain) ? plain.getFields() : {};
  for (const type of Object.values(schema.getTypeMap())) {
    if (isInterfaceType(type)) type.resolveType = resolveType as never;
    if (!isObjectType(type) || type.name.startsWith('_')) continue;
    if (['Item', 'Stone', 'Plain'].includes(type.name)) type.isTypeOf = isTypeOf(type.name) as never;
    if (type === plain) continue;
    for (const field of Object.values(type.getFields())) {
      if (!field.name.startsWith('_')) field.resolve = resolve as never;
    }
  }
  return schema;
};

const createOddScalar = () =>
  new GraphQLScalarType({
    name: 'Odd',
    serialize: (value) => {
      if (value === 'bad') throw new Error('Odd cannot represent bad');
      return value === 'nothing' ? undefined : value;
    },
    parseValue: (value) => {
      if (value === 'bad') throw new Error('Odd cannot be bad');
      return { odd: value };
    },
  });

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
