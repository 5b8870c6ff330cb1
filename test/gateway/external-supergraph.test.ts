import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  buildClientSchema,
  buildSchema,
  getIntrospectionQuery,
  graphqlSync,
  type IntrospectionQuery,
  lexicographicSortSchema,
} from 'graphql';
import { afterEach, describe, expect, test } from 'vitest';
import { ConfigError } from '../../runtime/env.ts';
import { type SupergraphGateway, serveSupergraph, startFederation } from '../helpers/federation.ts';
import { type Spawned, startProcess } from '../helpers/processes.ts';
import { composeSubgraphs } from '../helpers/subgraph-server.ts';

/* External supergraphs: which of them are served, and how the others are rejected. */

let running: { readonly close: () => Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of running.reverse()) await one.close();
  running = [];
});

const URL_OF_NOBODY = 'http://127.0.0.1:1/';
const compose = (schema: string): string => composeSubgraphs({ shop: { schema, url: URL_OF_NOBODY } });

test('is served with the subgraph URLs that it contains', async () => {
  const key = 'type Book @key(fields: "id") { id: ID!';
  const external = await startFederation({
    books: {
      schema: `type Query { books: [Book!]! } ${key} title: String }`,
      fields: {
        'Query.books': () => [
          { id: '1', title: 'Emma' },
          { id: '2', title: 'Persuasion' },
        ],
      },
    },
    reviews: { schema: `${key} stars: Int }`, fields: { 'Book.stars': ({ id }: { id: string }) => Number(id) + 3 } },
  });
  running.push(external);
  expect(external.gateway.sources).toEqual({ books: 'remote', reviews: 'remote' });
  const { data, errors } = await external.ask('{ books { title stars } }');
  expect({ data, errors }).toEqual({
    data: {
      books: [
        { title: 'Emma', stars: 4 },
        { title: 'Persuasion', stars: 5 },
      ],
    },
    errors: undefined,
  });
});

describe('introspection', () => {
  const SCHEMA = `
    type Query { book(by: By): Book  old(a: Int @deprecated, b: Int): Int @deprecated(reason: "gone") }
    type Book { id: ID! link: Link }
    scalar Link @specifiedBy(url: "https://example.com/link")
    input By { id: ID  isbn: String @deprecated(reason: "use id") }
    enum Kind { A B @deprecated }
    "What books are about." interface Topic { kind: Kind }
    type Poetry implements Topic { kind: Kind }`;
  const OPTIONS = {
    oneOf: true,
    inputValueDeprecation: true,
    specifiedByUrl: true,
    directiveIsRepeatable: true,
    schemaDescription: true,
  } as const;
  const serve = async (sdl: string): Promise<SupergraphGateway> => {
    const gateway = await serveSupergraph(sdl);
    running.push(gateway);
    return gateway;
  };
  const sorted = (data: unknown): IntrospectionQuery => {
    const schema = lexicographicSortSchema(buildClientSchema(data as IntrospectionQuery));
    return graphqlSync({ schema, source: getIntrospectionQuery(OPTIONS) }).data as unknown as IntrospectionQuery;
  };

  test('returns the same as graphql-js, with everything that graphql-js supports', async () => {
    const { ask, url } = await serve(compose(SCHEMA));
    const published = buildSchema(await (await fetch(`${url}/schema.graphql`)).text());
    const source = getIntrospectionQuery(OPTIONS);
    expect(source).toContain('isOneOf');
    const { data, errors } = await ask(source);
    expect(errors).toBeUndefined();
    expect(sorted(data)).toEqual(sorted(graphqlSync({ schema: published, source }).data));
  });

  test.each([
    ['isOneOf by variable', 'query($n: String!) { __type(name: $n) { name isOneOf } }'],
    ['aliases', '{ a: __type(name: "By") { b: isOneOf } c: __schema { d: queryType { name } } __typename }'],
    ['a fragment', '{ ...Q } fragment Q on Query { __type(name: "By") { ...T } } fragment T on __Type { isOneOf }'],
    [
      'inputs with deprecated ones',
      '{ __type(name: "By") { inputFields(includeDeprecated: true) { name isDeprecated } } }',
    ],
    ['inputs without', '{ __type(name: "By") { inputFields { name isDeprecated deprecationReason } } }'],
    [
      'arguments',
      '{ __type(name: "Query") { fields(includeDeprecated: true) { args(includeDeprecated: true) { name isDeprecated } } } }',
    ],
    ['specifiedByURL', '{ __type(name: "Link") { specifiedByURL isOneOf } }'],
    ['directives', '{ __schema { description directives { name isRepeatable args { name } } } }'],
    [
      'what is left out',
      'query($n: String!, $no: Boolean = false) { __typename __type(name: $n) @include(if: $no) { isOneOf } }',
    ],
    ['an unknown type', '{ __type(name: "Nothing") { isOneOf } }'],
  ])('%s', async (_, source) => {
    const { ask, url } = await serve(compose(SCHEMA));
    const schema = lexicographicSortSchema(buildSchema(await (await fetch(`${url}/schema.graphql`)).text()));
    const variables = source.includes('$n') ? { n: 'By' } : {};
    const { data, errors } = await ask(source, variables);
    const expected = graphqlSync({ schema, source, variableValues: variables });
    expect(expected.errors).toBeUndefined();
    expect(errors).toBeUndefined();
    expect(inOneOrder(data)).toEqual(inOneOrder(expected.data));
  });

  test('next to data, the subgraph receives only the data fields', async () => {
    const external = await startFederation({
      shop: { schema: 'type Query { a: Int }', fields: { 'Query.a': () => 1 } },
    });
    running.push(external);
    const { data } = await external.ask('query($n: String!) { a __type(name: $n) { isOneOf } }', { n: 'Query' });
    expect(data).toEqual({ a: 1, __type: { isOneOf: null } });
    expect(external.subgraphs.shop.requests.map(({ query }) => query)).toEqual(['{a}']);
  });

  const inOneOrder = (value: unknown): unknown => {
    if (Array.isArray(value))
      return value
        .map(inOneOrder)
        .map((one) => JSON.stringify(one))
        .sort();
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, inOneOrder(inner)]));
  };
});

describe('@oneOf', () => {
  const schema = 'type Query { find(by: By): String } input By { id: ID isbn: String }';
  const LINK = '@link(url: "https://example.com/oneOf/v1.0", import: ["@oneOf"])';
  const withOneOf = (sdl: string): string => sdl.replace('input By', 'input By @oneOf');
  test.each<[string, (sdl: string) => string]>([
    ['that the supergraph defines', (sdl) => `${withOneOf(sdl)} directive @oneOf on INPUT_OBJECT`],
    ['that the supergraph does not define', withOneOf],
    [
      'that was composed as a custom directive',
      (sdl) => `${withOneOf(sdl).replace('schema\n', `schema ${LINK}\n`)} directive @oneOf on INPUT_OBJECT`,
    ],
    [
      'that was linked with others',
      (sdl) =>
        `${withOneOf(sdl).replace('schema\n', 'schema @link(url: "https://example.com/own/v1.0", import: ["@own", "@oneOf"])\n')} directive @oneOf on INPUT_OBJECT directive @own on OBJECT`,
    ],
  ])('%s is shown to clients and enforced', async (_, change) => {
    const shop = { schema, fields: { 'Query.find': (_: unknown, { by }: { by: object }) => Object.keys(by).join() } };
    const external = await startFederation({ shop });
    running.push(external);
    const gateway = await serveSupergraph(change(composeSubgraphs(external.subgraphs)));
    running.push(gateway);
    const { ask } = gateway;
    expect((await ask('{ __type(name: "By") { isOneOf } }')).data).toEqual({ __type: { isOneOf: true } });
    expect((await ask('{ find(by: { id: "1" }) }')).data).toEqual({ find: 'id' });
    const byVariable = 'query($by: By) { find(by: $by) }';
    expect((await ask(byVariable, { by: { isbn: '3' } })).data).toEqual({ find: 'isbn' });
    for (const [query, variables] of [
      ['{ find(by: { id: "1", isbn: "3" }) }', {}],
      [byVariable, { by: { id: '1', isbn: '3' } }],
      [byVariable, { by: {} }],
    ] as const) {
      expect((await ask(query, variables)).status).toBe(400);
    }
    expect(external.subgraphs.shop.requests).toHaveLength(2);
  });
});

describe('progressive @override', () => {
  const books = (label: string) => ({
    old: {
      schema: 'type Query { books: [Book] } type Book @key(fields: "id") { id: ID! price: String title: String }',
      fields: {
        'Query.books': () => [{ id: '1' }],
        'Book.price': () => 'old',
        'Book.title': () => 'Emma',
      },
    },
    next: {
      schema: `type Book @key(fields: "id") { id: ID! price: String @override(from: "old", label: "${label}") }`,
      fields: { 'Book.price': () => 'next' },
    },
  });
  const start = async (label: string, env: Record<string, string> = {}) => {
    const external = await startFederation(books(label), env);
    running.push(external);
    return external;
  };

  test.each([
    ['percent(0)', '', 'old'],
    ['percent(100)', '', 'next'],
    ['new-pricing', '', 'old'],
    ['new-pricing', 'new-pricing', 'next'],
    ['new-pricing', 'other, new-pricing', 'next'],
    ['new-pricing', 'new-pricin', 'old'],
  ])('%s with OVERRIDE_LABELS=%s', async (label, OVERRIDE_LABELS, expected) => {
    const { ask, subgraphs } = await start(label, { OVERRIDE_LABELS });
    for (const _ of [1, 2, 3]) {
      const { data, errors } = await ask('{ books { price } }');
      expect({ data, errors }).toEqual({ data: { books: [{ price: expected }] }, errors: undefined });
    }
    expect(subgraphs.next.requests).toHaveLength(expected === 'next' ? 3 : 0);
  });

  test('percent(50) is decided for each request of the same operation', async () => {
    const { ask } = await start('percent(50)');
    const seen = new Set<unknown>();
    // The probability that one side never occurs is 2^-64.
    for (let count = 0; count < 64; count++) seen.add(JSON.stringify((await ask('{ books { price } }')).data));
    expect(seen).toEqual(new Set(['{"books":[{"price":"old"}]}', '{"books":[{"price":"next"}]}']));
  });

  test('a decision holds within a request: a field under two aliases comes from one subgraph', async () => {
    const { ask } = await start('percent(50)');
    for (let count = 0; count < 32; count++) {
      const { data } = await ask<{ books: { a: string; b: string }[] }>('{ books { a: price b: price } }');
      expect(data?.books[0]?.a).toBe(data?.books[0]?.b);
    }
  });

  test.each([
    ['percent(0)', 'old'],
    ['percent(100)', 'next'],
  ])('of a field that another one requires: %s', async (label, expected) => {
    const { old, next } = books(label);
    const offers = {
      schema: `type Book @key(fields: "id") { id: ID! price: String @external  offer: String @requires(fields: "price") }`,
      fields: { 'Book.offer': ({ price }: { price: string }) => `${price}!` },
    };
    // Apollo's composition (2.14) rejects a required field with a label. Its planner and other composers support it.
    const unlabelled = { ...next, schema: next.schema.replace(/, label: ".*"/, '') };
    const external = await startFederation({ old, next: unlabelled, offers });
    running.push(external);
    const sdl = composeSubgraphs(external.subgraphs).replace(
      '@join__field(graph: NEXT, override: "old")',
      `@join__field(graph: NEXT, override: "old", overrideLabel: "${label}") @join__field(graph: OLD, overrideLabel: "${label}")`,
    );
    expect(sdl).toContain('overrideLabel: ');
    const gateway = await serveSupergraph(sdl);
    running.push(gateway);
    const { data } = await gateway.ask('{ books { offer } }');
    expect(data).toEqual({ books: [{ offer: `${expected}!` }] });
  });

  test('of a root field, in a mutation', async () => {
    const external = await startFederation(
      {
        old: { schema: 'type Query { a: Int } type Mutation { buy: String }', fields: { 'Mutation.buy': () => 'old' } },
        next: {
          schema: 'type Mutation { buy: String @override(from: "old", label: "moved") }',
          fields: { 'Mutation.buy': () => 'next' },
        },
      },
      { OVERRIDE_LABELS: 'moved' },
    );
    running.push(external);
    expect((await external.ask('mutation { buy }')).data).toEqual({ buy: 'next' });
    expect(external.subgraphs.old.requests).toEqual([]);
  });

  test.each(['percent(50)', '1st', 'a b', 'naïve'])('OVERRIDE_LABELS=%s is rejected', async (OVERRIDE_LABELS) => {
    await expect(serveSupergraph(compose('type Query { a: Int }'), { OVERRIDE_LABELS })).rejects.toThrow(ConfigError);
  });
});

const SIMPLE = compose('type Query { a: Int } type Other @key(fields: "id") { id: ID! b: Int }');
const TWO = composeSubgraphs({
  shop: { schema: 'type Query { a: Int }', url: URL_OF_NOBODY },
  other: { schema: 'type Query { b: Int }', url: URL_OF_NOBODY },
});
const link = (url: string, rest = ''): string => SIMPLE.replace('schema\n', `schema @link(url: "${url}"${rest})\n`);
const APOLLO = 'https://specs.apollo.dev';

const FEDERATION_1 = `schema @core(feature: "${APOLLO}/core/v0.1") @core(feature: "${APOLLO}/join/v0.1") { query: Query }
  directive @core(feature: String!) repeatable on SCHEMA
  directive @join__field(graph: join__Graph, requires: join__FieldSet, provides: join__FieldSet) on FIELD_DEFINITION
  directive @join__type(graph: join__Graph!, key: join__FieldSet) repeatable on OBJECT | INTERFACE
  directive @join__owner(graph: join__Graph!) on OBJECT | INTERFACE
  directive @join__graph(name: String!, url: String!) on ENUM_VALUE
  scalar join__FieldSet
  enum join__Graph { SHOP @join__graph(name: "shop", url: "${URL_OF_NOBODY}") }
  type Query { a: Int @join__field(graph: SHOP) }`;

const REFUSED: [string, string, RegExp][] = [
  ['text', 'once upon a time', /Syntax Error/],
  ['an empty file', '', /Syntax Error/],
  ['a schema without subgraphs', 'type Query { a: Int }', /names no subgraph/],
  ['only subgraphs', 'enum join__Graph { A @join__graph(name: "a", url: "http://a") } type Query { a: Int }', /./],
  ['a supergraph of Federation 1', FEDERATION_1, /Federation 1: compose it with Federation 2/],
  ['an unknown version of join', SIMPLE.replace('/join/v0.5', '/join/v9.9'), /join spec version v9\.9/],
  [
    'an unknown specification for execution',
    link('https://example.com/x/v1.0', ', for: EXECUTION'),
    /example\.com\/x.*EXECUTION/,
  ],
  [
    'an unknown specification for security',
    link('https://example.com/x/v1.0', ', for: SECURITY'),
    /example\.com\/x.*SECURITY/,
  ],
  [
    'an unknown version of @authenticated',
    link(`${APOLLO}/authenticated/v0.2`, ', for: SECURITY'),
    /@authenticated v0\.2 by @link, which this gateway does not enforce/,
  ],
  ['one without its purpose', link(`${APOLLO}/requiresScopes/v1.0`), /@requiresScopes v1\.0 by @link, which/],
  [
    '@policy by @core',
    SIMPLE.replace('schema\n', `schema @core(feature: "${APOLLO}/policy/v0.1")\n`),
    /by @core, which/,
  ],
  [
    '@requiresScopes without scopes',
    `${link(`${APOLLO}/requiresScopes/v0.1`).replace('a: Int', 'a: Int @requiresScopes(scopes: [[1]])')}
      directive @requiresScopes(scopes: [[requiresScopes__Scope!]!]!) on FIELD_DEFINITION
      scalar requiresScopes__Scope`,
    /@requiresScopes without a list of lists of strings/,
  ],
  [
    'a field of an unknown subgraph',
    TWO.replace('@join__field(graph: OTHER)', '@join__field(graph: NOBODY)'),
    /Query\.b"/,
  ],
  ['a type of an unknown subgraph', SIMPLE.replace('@join__type(graph: SHOP', '@join__type(graph: NOBODY'), /"Other"/],
  [
    'a key that is not a selection',
    SIMPLE.replace('key: "id"', 'key: "id {"'),
    /"Other", for @key\(fields: "id {"\): Syntax Error/,
  ],
  ['a subgraph without a URL', SIMPLE.replace(URL_OF_NOBODY, ''), /shop has no http/],
  ['a subgraph at another protocol', SIMPLE.replace(URL_OF_NOBODY, 'ftp://a/'), /shop has no http/],
  ['a subgraph at no host', SIMPLE.replace(URL_OF_NOBODY, 'http://'), /shop has no http/],
  ['an unknown type', SIMPLE.replace('a: Int', 'a: Nothing'), /Nothing/],
];

describe('a supergraph that cannot be served', () => {
  test.each(REFUSED)('%s: the gateway refuses to start with one line, also in production', async (_, sdl, why) => {
    for (const NODE_ENV of ['development', 'production']) {
      const start = serveSupergraph(sdl, { NODE_ENV, AUTH: 'none' });
      await expect(start).rejects.toThrow(ConfigError);
      await expect(start).rejects.toThrow(why);
      await expect(start).rejects.toThrow(/^SUPERGRAPH: \S+ cannot be used: [^\n]+\.$/);
    }
  });

  const startAs = async (sdl: string | undefined): Promise<{ code: number | null; output: string }> => {
    const folder = await mkdtemp(join(tmpdir(), 'tributary-'));
    const file = join(folder, 'supergraph.graphql');
    if (sdl !== undefined) await writeFile(file, sdl);
    const { ended, output } = startProcess(['node', 'gateway/main.ts'], {
      SUPERGRAPH: file,
      PORT: '0',
      // Apollo's gateway does not validate in production by default.
      NODE_ENV: 'production',
      AUTH: 'none',
    });
    const code = await ended;
    await rm(folder, { recursive: true });
    return { code, output: output() };
  };

  test.each([
    ['a file that is not there', undefined, /it cannot be read/],
    ['text', 'once upon a time', /Syntax Error/],
    ['@authenticated', link(`${APOLLO}/authenticated/v0.2`, ', for: SECURITY'), /@authenticated/],
    ['an unknown subgraph', TWO.replace('@join__field(graph: OTHER)', '@join__field(graph: NOBODY)'), /Query\.b"/],
    ['an unknown specification', link('https://example.com/x/v1.0', ', for: EXECUTION'), /EXECUTION/],
  ])('%s ends the process with exit code 78 and one line', { tags: ['long'] }, async (_, sdl, why) => {
    const { code, output } = await startAs(sdl);
    expect(code).toBe(78);
    expect(output).toMatch(/^Tributary cannot start: SUPERGRAPH: \S+ cannot be used: [^\n]+\.\n$/);
    expect(output).toMatch(why);
  });
});

describe('a change of the supergraph file', () => {
  let gateway: Spawned | undefined;
  afterEach(() => gateway?.stop());

  test('to an invalid supergraph is logged in one line, and the previous one stays active', {
    tags: ['long'],
  }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tributary-'));
    running.push({ close: () => rm(folder, { recursive: true }) });
    const file = join(folder, 'supergraph.graphql');
    await writeFile(file, SIMPLE);
    const started = startProcess(['node', 'gateway/main.ts'], {
      SUPERGRAPH: file,
      PORT: '0',
      OVERRIDE_LABELS: 'mistyped',
    });
    gateway = started;
    await expect.poll(started.output).toMatch(/answers at/);
    expect(started.output()).toMatch(/"labels":\["mistyped"\].*OVERRIDE_LABELS contains labels that/);
    const url = /answers at (\S+)/.exec(started.output())?.[1] ?? '';
    const fieldNames = async (): Promise<string> => {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: '{ __type(name: "Query") { fields { name } } }' }),
      });
      const { data } = (await response.json()) as { data: { __type: { fields: { name: string }[] } } };
      return data.__type.fields
        .map(({ name }) => name)
        .sort()
        .join();
    };
    const change = async (sdl: string): Promise<void> => {
      await writeFile(`${file}.next`, sdl);
      await rename(`${file}.next`, file);
    };
    // The same invalid text is rejected again, although Apollo's gateway would ignore it as unchanged.
    const [late] = REFUSED.filter(([what]) => what === 'a key that is not a selection');
    const chosen = REFUSED.filter((_, index) => index % 3 === 0);
    for (const [what, sdl, why] of [...chosen, ...(late ? [late, late] : [])]) {
      const before = started.output().length;
      await change(sdl);
      await expect.poll(() => started.output().slice(before), { message: what }).toMatch(/\n$/);
      const written = started.output().slice(before).trimEnd();
      expect(written, what).not.toMatch(/\n|"stack"/);
      const logged = JSON.parse(written) as Record<string, string>;
      expect(logged, what).toMatchObject({ msg: expect.stringContaining('the one before stays'), file });
      expect(logged['why'], what).toMatch(why);
      expect(await fieldNames(), what).toBe('a');
    }
    await change(TWO);
    await expect.poll(fieldNames).toBe('a,b');
    await change(SIMPLE);
    await expect.poll(fieldNames).toBe('a');
  });
});

describe('directives of other specifications', () => {
  test('@cost and @listSize are loaded', async () => {
    const schema = 'type Query { a(first: Int): [Int] @cost(weight: 5) @listSize(slicingArguments: ["first"]) }';
    const external = await startFederation({ shop: { schema, fields: { 'Query.a': () => [1] } } });
    running.push(external);
    expect((await external.ask('{ a(first: 1) }')).data).toEqual({ a: [1] });
  });

  test('a specification without a purpose is loaded', async () => {
    const gateway = await serveSupergraph(link('https://example.com/x/v1.0'));
    running.push(gateway);
    expect((await gateway.ask('{ __typename }')).data).toEqual({ __typename: 'Query' });
  });

  test('contexts are loaded, a field that needs one is rejected, and no subgraph receives a request', async () => {
    const external = await startFederation({
      shop: {
        schema: `type Query { t: T } type T @key(fields: "id") @context(name: "ctx") { id: ID! prop: String! u: U! }
          type U @key(fields: "id") { id: ID! f(a: String @fromContext(field: "$ctx { prop }")): Int  g: Int }`,
        fields: { 'Query.t': () => ({ id: '1', prop: 'p', u: { id: '2', g: 3 } }) },
      },
      other: { schema: 'type U @key(fields: "id") { id: ID! h: Int } type Query { z: Int }' },
    });
    running.push(external);
    const { data, errors } = await external.ask('{ t { u { f } } }');
    expect(data).toBeUndefined();
    expect(errors).toMatchObject([{ extensions: { code: 'OPERATION_UNRESOLVABLE' } }]);
    expect(external.subgraphs.shop.requests).toEqual([]);
    expect((await external.ask('{ t { prop u { g } } }')).data).toEqual({ t: { prop: 'p', u: { g: 3 } } });
  });
});
