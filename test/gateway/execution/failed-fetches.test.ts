import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { TransportGateway } from '../../helpers/federation.ts';
import { withFields } from '../../helpers/subgraph-server.ts';
import { type FaultOf, startFailing } from './failing.ts';

/* Fetches that fail or contradict each other although several subgraphs contribute to one value. */

const SCHEMAS = {
  names: `
    type Query { viewer: Viewer @shareable rows: [Row] @shareable grid: [[Cell]] @shareable found: Found @shareable }
    type Viewer @key(fields: "id") { id: ID! name: String home: Place @shareable }
    type Place { street: String }
    type Row { title: String }
    type Cell { a: Int }
    union Found = Cat | Dog
    type Cat { name: String }
    type Dog { call: String }
    interface Media @key(fields: "id") { id: ID! title: String }
    type Book implements Media @key(fields: "id") { id: ID! title: String pages: Int }
    type Film implements Media @key(fields: "id") { id: ID! title: String minutes: Int }
  `,
  ages: `
    type Query {
      viewer: Viewer @shareable
      rows: [Row] @shareable
      grid: [[Cell]] @shareable
      found: Found @shareable
      count: Int
      top: [Media]
      pair: Pair @shareable
    }
    type Pair { left: Int media: Media @shareable }
    type Viewer { age: Int home: Place @shareable }
    type Place { city: String }
    type Row { size: Int }
    type Cell { b: Int! }
    union Found = Cat | Dog
    type Cat { lives: Int }
    type Dog { legs: Int }
    type Media @key(fields: "id") @interfaceObject { id: ID! stars: Int }
  `,
  mails: `
    type Query { rows: [Row] @shareable pair: Pair @shareable }
    type Row { note: String }
    type Pair { right: Int media: Media @shareable }
    type Viewer @key(fields: "id") { id: ID! mail: String phone: String }
    type Media @key(fields: "id") @interfaceObject { id: ID! shelf: String near: Media }
  `,
  prices: `
    type Book @key(fields: "id") { id: ID! price: Int! @shareable }
    type Film @key(fields: "id") { id: ID! price: Int }
  `,
  // Makes the price nullable for clients, so that both prices can be selected under one name.
  offers: `
    type Book @key(fields: "id", resolvable: false) { id: ID! price: Int @shareable }
  `,
};

const FIELDS = {
  'Query.viewer': () => ({ id: '1', name: 'Ada', age: 7, home: { street: 'Main', city: 'Turku' } }),
  'Query.rows': () => [1, 2].map((size) => ({ title: `Row ${size}`, size, note: '' })),
  'Query.grid': () => [[{ a: 1, b: 2 }], []],
  'Query.found': () => ({ __typename: 'Cat', name: 'Tom', lives: 9 }),
  'Query.count': () => 3,
  'Query.pair': () => ({ left: 1, right: 2, media: { id: '1' } }),
  'Query.top': () => [{ id: '1' }, { id: '2' }],
  'Viewer.mail': () => 'ada@example.com',
  'Viewer.phone': () => '555',
  'Media.__resolveType': ({ id }: { id: string }) => (id === '1' ? 'Book' : 'Film'),
  'Media.stars': () => 4,
  'Media.shelf': () => 'A',
  'Media.near': () => ({ id: '2' }),
  'Book.title': () => 'Emma',
  'Book.pages': () => 400,
  'Book.price': () => 9,
  'Film.title': () => 'Alien',
  'Film.minutes': () => 117,
  'Film.price': () => 5,
};

type Subgraph = keyof typeof SCHEMAS;
type Reply = Exclude<ReturnType<FaultOf>, undefined>;

let gateway: TransportGateway;
let replies: Partial<Record<string, Reply>>;

const ask = async (query: string, failing: Partial<Record<Subgraph, Reply>>) => {
  replies = failing;
  const { data, errors } = await gateway.ask(query);
  const told = (errors ?? []).map(
    ({ path, extensions }) => [path?.join('.'), extensions?.['serviceName'], extensions?.['code']] as const,
  );
  return {
    data,
    /** Path and subgraph of each error. */
    errors: told.map(([path, service]) => `${path}: ${service}`).sort(),
    codes: [...new Set(told.map(([, , code]) => code))],
  };
};

const PATHS = [
  ['in this process', true],
  ['over HTTP', false],
] as const;

describe.each(
  PATHS.flatMap(([where, isLocal]) =>
    (['names', 'ages', 'mails'] as const).map((first) => ({ where, isLocal, first })),
  ),
)('given subgraphs $where, when $first answers first', ({ isLocal, first }) => {
  beforeAll(async () => {
    gateway = await startFailing(withFields(SCHEMAS, FIELDS), {
      isLocal,
      faultOf: (subgraph) => replies[subgraph],
      pick: (subgraphs) => Math.max(subgraphs.indexOf(first), 0),
    });
  });
  afterAll(() => gateway.close());

  describe('one of two fetches for the same object', () => {
    test.each([
      ['connection closed', 'UPSTREAM_UNAVAILABLE'],
      ['status 500', 'UPSTREAM_UNAVAILABLE'],
      ['not JSON', 'UPSTREAM_BAD_RESPONSE'],
      ['no data', 'UPSTREAM_BAD_RESPONSE'],
      ['an error and no data', 'UPSTREAM_UNAVAILABLE'],
      ['an error for each root field', 'UPSTREAM_UNAVAILABLE'],
    ] as const)('given %s, then its fields are null with its error, and the others arrive', async (fault, code) => {
      const query = '{ viewer { name age home { street city } } }';
      const { data, errors, codes } = await ask(query, { names: fault });
      expect(data).toEqual({ viewer: { name: null, age: 7, home: { street: null, city: 'Turku' } } });
      expect(errors).toEqual(['viewer.home.street: names', 'viewer.name: names']);
      if (!isLocal || fault !== 'not JSON') expect(codes).toEqual([code]);
      expect(await ask(query, { ages: fault })).toMatchObject({
        data: { viewer: { name: 'Ada', age: null, home: { street: 'Main', city: null } } },
        errors: ['viewer.age: ages', 'viewer.home.city: ages'],
      });
    });

    test('given an error within the object, then it keeps its path', async () => {
      const path = ['viewer', 'name'];
      expect(
        await ask('{ viewer { name age } }', { names: { data: { viewer: null }, errors: [{ message: 'x', path }] } }),
      ).toMatchObject({ data: { viewer: { name: null, age: 7 } }, errors: ['viewer.name: names'] });
    });

    test('given that both fail, then the object has the errors of both', async () => {
      expect(
        await ask('{ viewer { name age } }', { names: 'status 500', ages: 'an error for each root field' }),
      ).toMatchObject({ data: { viewer: null }, errors: ['viewer: ages', 'viewer: names'] });
    });

    test('given that the key is missing, then dependent fields fail with the same error', async () => {
      expect(await ask('{ viewer { age mail } }', { names: 'status 500' })).toMatchObject({
        data: { viewer: { age: 7, mail: null } },
        errors: ['viewer.mail: names'],
      });
    });

    test('given that one returns null and the other an object, then the fields of the first are errors', async () => {
      const { data, errors, codes } = await ask('{ viewer { name age } }', { names: { data: { viewer: null } } });
      expect({ data, errors }).toEqual({
        data: { viewer: { name: null, age: 7 } },
        errors: ['viewer.name: undefined'],
      });
      expect(codes).toEqual(['UPSTREAM_BAD_RESPONSE']);
    });

    test('given that one returns null and the other fails, then the failure is reported', async () => {
      expect(
        await ask('{ viewer { name age } }', { names: { data: { viewer: null } }, ages: 'status 500' }),
      ).toMatchObject({ data: { viewer: null }, errors: ['viewer: ages'] });
    });

    test('given different types, then the object is null with an error', async () => {
      const query = '{ found { ... on Cat { name lives } ... on Dog { call legs } } }';
      expect((await ask(query, {})).data).toEqual({ found: { name: 'Tom', lives: 9 } });
      expect(await ask(query, { ages: { data: { found: { __typename: 'Dog', legs: 4 } } } })).toMatchObject({
        data: { found: null },
        errors: ['found: undefined'],
        codes: ['UPSTREAM_BAD_RESPONSE'],
      });
    });
  });

  describe('one of two fetches for the same list', () => {
    test('given that it fails, then each item has its error', async () => {
      expect(await ask('{ rows { title size } }', { names: 'status 500' })).toMatchObject({
        data: {
          rows: [
            { title: null, size: 1 },
            { title: null, size: 2 },
          ],
        },
        errors: ['rows.0.title: names', 'rows.1.title: names'],
      });
    });

    test('given nested lists, then a null propagates to the item', async () => {
      expect(await ask('{ grid { a b } }', { ages: 'status 500' })).toMatchObject({
        data: { grid: [[null], []] },
        errors: ['grid.0.0.b: ages'],
      });
    });

    test('given that one item fails, then the error is at that item', async () => {
      const answer = { data: { rows: [{ title: 'Row 1' }, null] }, errors: [{ message: 'x', path: ['rows', 1] }] };
      expect(await ask('{ rows { title size } }', { names: answer })).toMatchObject({
        data: {
          rows: [
            { title: 'Row 1', size: 1 },
            { title: null, size: 2 },
          ],
        },
        errors: ['rows.1.title: names'],
      });
    });

    test('given different list lengths, then the list is null with an error', async () => {
      expect(
        await ask('{ rows { title size note } }', { names: { data: { rows: [{ title: 'Row 1' }] } } }),
      ).toMatchObject({
        data: { rows: null },
        errors: ['rows: undefined'],
        codes: ['UPSTREAM_BAD_RESPONSE'],
      });
    });
  });

  describe('objects whose concrete type another subgraph knows', () => {
    const BOTH = ['top.0: names', 'top.1: names'];
    test.each([
      ['{ top { ... on Book { pages } } }', [null, null], BOTH],
      ['{ top { stars ... on Film { minutes } } }', [null, null], BOTH],
      ['{ top { __typename } }', [null, null], BOTH],
      ['{ top { shelf ... on Book { pages } } }', [null, null], BOTH],
      ['{ top { stars shelf } }', [4, 4].map((stars) => ({ stars, shelf: 'A' })), []],
      [
        '{ top { stars title } }',
        [4, 4].map((stars) => ({ stars, title: null })),
        ['top.0.title: names', 'top.1.title: names'],
      ],
    ])('given %s, when that subgraph fails, then every missing value has its error', async (query, top, errors) => {
      const answer = await ask(query, { names: 'status 500' });
      expect(answer).toMatchObject({ data: { top }, errors });
    });

    test('given a field that the planner aliased, then it fails under its original name', async () => {
      const query = '{ top { ... on Book { price } ... on Film { price } } }';
      expect((await ask(query, {})).data).toEqual({ top: [{ price: 9 }, { price: 5 }] });
      expect(await ask(query, { prices: 'status 500' })).toMatchObject({
        data: { top: [{ price: null }, { price: null }] },
        errors: ['top.0.price: prices', 'top.1.price: prices'],
      });
    });

    test('given two subgraphs that know only the interface, then the concrete type takes precedence', async () => {
      const { data } = await ask(
        '{ top { shelf near { stars } ... on Book { pages title } ... on Film { minutes } } }',
        {},
      );
      const others = { shelf: 'A', near: { stars: 4 } };
      const media = { __typename: 'Media', shelf: 'A' };
      const pair = await ask('{ pair { left right media { stars shelf ... on Book { pages } } } }', {
        mails: { data: { pair: { right: 2, media } } },
      });
      expect(pair.data).toEqual({ pair: { left: 1, right: 2, media: { stars: 4, shelf: 'A', pages: 400 } } });
      expect(data).toEqual({
        top: [
          { ...others, pages: 400, title: 'Emma' },
          { ...others, minutes: 117 },
        ],
      });
    });
  });

  describe('entities', () => {
    const QUERY = '{ viewer { age mail phone } }';
    const WHOLE = { mail: 'm', phone: 'p' };
    const LACKING = { mail: null, phone: null };
    const entities = (list: unknown[], path?: (string | number)[]): Reply => ({
      data: { _entities: list },
      ...(path && { errors: [{ message: 'x', ...(path.length > 0 && { path }) }] }),
    });
    const AT_FIELDS = ['viewer.mail: mails', 'viewer.phone: mails'];

    test.each<[string, Reply, object, string[]]>([
      ['null', entities([null]), LACKING, []],
      ['null with an error', entities([null], ['_entities', 0]), LACKING, AT_FIELDS],
      ['null with an error without a path', entities([null], []), LACKING, AT_FIELDS],
      ['null with an error at another entity', entities([null], ['_entities', 3]), LACKING, AT_FIELDS],
      ['not an object', entities(['x']), LACKING, AT_FIELDS],
      ['an object without fields', entities([{}]), LACKING, ['viewer.mail: undefined', 'viewer.phone: undefined']],
      [
        'an object with a missing field',
        entities([{ phone: 'p' }]),
        { ...WHOLE, mail: null },
        ['viewer.mail: undefined'],
      ],
      ['too many entities', entities([WHOLE, WHOLE]), LACKING, AT_FIELDS],
      ['too few entities with an error', entities([], ['_entities', 0]), LACKING, AT_FIELDS],
      ['complete with an error', entities([WHOLE], ['_entities', 0, 'mail']), WHOLE, ['viewer.mail: mails']],
      ['complete with an error without a path', entities([WHOLE], []), WHOLE, ['undefined: mails']],
      ['complete with an error at another entity', entities([WHOLE], ['_entities', 3]), WHOLE, ['undefined: mails']],
      ['complete with an error at another field', entities([WHOLE], ['_entities', 0, 'id']), WHOLE, ['viewer: mails']],
      ['complete with an error at an unknown path', entities([WHOLE], ['ghost', 1]), WHOLE, ['undefined: mails']],
    ])('given %s, then every missing value has an error, and no error is lost', async (_, mails, viewer, errors) => {
      expect(await ask(QUERY, { mails })).toMatchObject({ data: { viewer: { age: 7, ...viewer } }, errors });
    });
  });

  test('given a null that propagates to the root, then each root field of the subgraph has the error', async () => {
    const ages = { data: null, errors: [{ message: 'x', path: ['viewer', 'age'] }] };
    expect(await ask('{ viewer { name age } count }', { ages })).toMatchObject({
      data: { viewer: { name: 'Ada', age: null }, count: null },
      errors: ['count: ages', 'viewer.age: ages'],
    });
  });
});

beforeEach(() => {
  replies = {};
});
