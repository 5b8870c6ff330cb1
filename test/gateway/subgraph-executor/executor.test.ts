import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { buildSchema, execute, type GraphQLSchema, isObjectType, parse } from 'graphql';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compileOperation } from '../../../gateway/transports/subgraph-executor/executor.ts';
import { watchRejections } from './rejections.ts';

/* Cases that random operations seldom cover, each compared with graphql-js. */

type Root = Readonly<Record<string, unknown>>;

/** Creates a schema whose root fields resolve to the properties of `root`. */
const createSchema = (sdl: string, root: Root): GraphQLSchema => {
  const schema = buildSchema(sdl);
  const query = schema.getQueryType();
  for (const [name, value] of Object.entries(root)) {
    const field = query?.getFields()[name];
    if (!field) throw new Error(`The schema has no ${name}.`);
    field.resolve = () => (typeof value === 'function' ? value() : value);
  }
  return schema;
};

const exposeGarbageCollection = (): (() => void) => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc');
};

const compare = async (sdl: string, root: Root, query: string, variableValues = {}) => {
  const schema = createSchema(sdl, root);
  const document = parse(query, { noLocation: true });
  const actual = await compileOperation(schema, document)(variableValues, {});
  const expected = await execute({ schema, document, variableValues, hideSuggestions: true });
  expect(JSON.parse(JSON.stringify(actual))).toEqual(JSON.parse(JSON.stringify(expected)));
  return actual;
};

describe('promises that are not awaited', () => {
  let rejections: ReturnType<typeof watchRejections>;
  beforeEach(() => {
    rejections = watchRejections();
  });
  afterEach(() => rejections.stop());

  const later = async (): Promise<never> => {
    throw new Error('rejected');
  };
  test.each<[string, string, () => unknown]>([
    ['an item that is pending', '[Int!]', () => [later(), null]],
    ['an item that has not been reached', '[Int!]', () => [null, later()]],
    ['a list within a list', '[[Int!]!]', () => [null, [later(), later()]]],
    ['a list that is pending', '[[Int!]!]', () => [null, Promise.resolve([later()])]],
    [
      'an item before the iteration fails',
      '[Int!]',
      function* () {
        yield later();
        throw new Error('ends');
      },
    ],
  ])('given %s when its list fails, then its rejection is handled', async (_, type, list) => {
    const schema = createSchema(`type Query { list: ${type} }`, { list });
    const { data, errors } = await compileOperation(schema, parse('{ list }'))({}, {});
    expect({ ...data }).toEqual({ list: null });
    expect(errors).toHaveLength(1);
    expect(await rejections.take()).toEqual([]);
  });
});

test('given nested fragment spreads, then no field is compiled twice', async () => {
  // Expanded, they are 2^50 fields.
  const levels = 50;
  const fragments = Array.from(
    { length: levels },
    (_, level) => `fragment F${level} on T { a { ...F${level + 1} } b { ...F${level + 1} } ...F${level + 1} }`,
  );
  const query = `{ t { ...F0 } } ${fragments.join(' ')} fragment F${levels} on T { id }`;
  const depth = { id: 'deep', a: null, b: null };
  const t = { id: 'top', a: { id: 'mid', a: depth, b: null }, b: depth };
  const { errors } = await compare('type Query { t: T } type T { id: ID a: T b: T }', { t }, query);
  expect(errors).toBeUndefined();
});

test('given every combination of ten conditions, then each has its own result, and memory is bounded', {
  tags: ['long'],
}, async () => {
  const names = Array.from({ length: 10 }, (_, index) => `c${index}`);
  const fields = Array.from({ length: 100 }, (_, index) => `f${index}: a @include(if: $c${index % names.length})`);
  const query = `query (${names.map((name) => `$${name}: Boolean!`).join(', ')}) { ${fields.join(' ')} }`;
  const run = compileOperation(createSchema('type Query { a: Int }', { a: 1 }), parse(query, { noLocation: true }));
  const collectGarbage = exposeGarbageCollection();
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let combination = 0; combination < 2 ** names.length; combination++) {
    const on = names.map((_, index) => (combination & (1 << index)) !== 0);
    const { data } = await run(Object.fromEntries(names.map((name, index) => [name, on[index]])), {});
    expect(Object.keys(data ?? {})).toHaveLength(10 * on.filter(Boolean).length);
  }
  collectGarbage();
  const grown = process.memoryUsage().heapUsed - before;
  // Caching the fields of each combination would take 42 MiB. They are still referenced here.
  expect((await run({}, {})).errors).toBeDefined();
  expect(grown).toBeLessThan(8 * 1024 * 1024);
});

test('given variables with many errors, then a few of them are reported, without suggestions', async () => {
  const schema = createSchema('input In { name: Int } type Query { echo(list: [In]): Int }', { echo: 1 });
  const run = compileOperation(schema, parse('query ($list: [In]) { echo(list: $list) }'));
  const { data, errors = [] } = await run({ list: Array.from({ length: 1_000 }, () => ({ nam: 1 })) }, {});
  expect(data).toBeUndefined();
  expect(errors).toHaveLength(11);
  expect(errors.at(-1)?.message).toContain('error limit reached');
  expect(errors.filter(({ message }) => message.includes('Did you mean'))).toEqual([]);
});

test('given a property with invalid arguments, then the error is reported', async () => {
  const { errors } = await compare(
    'type Query { t: T } type T { size(by: Int! = 1): Int }',
    { t: { size: 5 } },
    'query ($by: Int) { t { size(by: $by) } }',
    { by: null },
  );
  expect(errors?.map(({ path }) => path)).toEqual([['t', 'size']]);
});

test.each(['query', 'mutation'])(
  'given names of inherited properties, then a %s has them as keys',
  async (operation) => {
    const fields = `toString __proto__: __typename
    object { __proto__: __typename constructor: id toString } again: object { __proto__: toString hasOwnProperty: id }`;
    const sdl = `type Query { object: Thing toString: String } type Mutation { object: Thing toString: String }
    type Thing { id: ID toString: String }`;
    const schema = buildSchema(sdl);
    for (const type of [schema.getQueryType(), schema.getMutationType()]) {
      const field = type?.getFields()['object'];
      if (field) field.resolve = () => ({ id: 1, toString: 'own' });
    }
    const document = parse(`${operation} { ${fields} }`, { noLocation: true });
    const actual = await compileOperation(schema, document)({}, {});
    // Compared as text, because toEqual ignores prototypes.
    expect(JSON.stringify(actual)).toBe(JSON.stringify(await execute({ schema, document })));
  },
);

test('given a schema without mutations, then a mutation is an error', async () => {
  const { data, errors } = await compare('type Query { a: Int }', { a: 1 }, 'mutation { a }');
  expect(data).toBeNull();
  expect(errors).toHaveLength(1);
});

test('given a resolver, then it receives the same arguments as from graphql-js', async () => {
  const schema = buildSchema('type Query { list: [T] } type T { echo(a: Int): Int }');
  const type = schema.getType('T');
  const calls: unknown[] = [];
  if (!isObjectType(type)) throw new Error('The schema has no T.');
  Object.assign(type.getFields()['echo'] ?? {}, { resolve: (...given: unknown[]) => void calls.push(given) });
  const document = parse('query Named($a: Int) { list { x: echo(a: $a) } } fragment F on T { echo }');
  Object.assign(schema.getQueryType()?.getFields()['list'] ?? {}, { resolve: () => [{ id: 1 }, { id: 2 }] });
  const contextValue = { user: 1 };
  const variableValues = { a: 3 };
  await execute({ schema, document, variableValues, contextValue });
  const expected = calls.splice(0);
  await compileOperation(schema, document)(variableValues, contextValue);
  expect(expected).toHaveLength(2);
  expect(calls).toEqual(expected);
});
