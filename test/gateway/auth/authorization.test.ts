import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startGateway } from '../../../gateway/start.ts';
import { ConfigError } from '../../../runtime/env.ts';
import type { Log } from '../../../runtime/log.ts';
import { createLog } from '../../../runtime/log.ts';
import type { TelemetryEvent } from '../../../telemetry/events.ts';
import { createTelemetry } from '../../../telemetry/telemetry.ts';
import { startFederation } from '../../helpers/federation.ts';
import { BLOG } from './blog.ts';
import { type GuardedGraph, headersOf, type Sender, startGuardedGraph } from './guarded-graph.ts';

/* Access rules, seen from a client: what it gets, and what the subgraphs are asked for. */

const CODE = 'UNAUTHORIZED_FIELD_OR_TYPE';
const DENIED = { message: 'Not authorized to access this field.', extensions: { code: CODE } };
const NOTHING_LEFT = {
  message: 'Not authorized to access any of the fields selected here.',
  extensions: { code: CODE },
};

let running: { readonly close: () => Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of running.reverse()) await one.close();
  running = [];
});
const keep = <One extends { readonly close: () => Promise<unknown> }>(one: One): One => {
  running.push(one);
  return one;
};

describe('unauthorized fields are removed', () => {
  let graph: GuardedGraph<keyof typeof BLOG>;
  beforeAll(async () => {
    graph = await startGuardedGraph(BLOG);
  });
  afterAll(() => graph.close());
  beforeEach(() => void graph.takeRequests());

  const expectAnswer = async (
    sender: Sender,
    query: string,
    { data, denied = [], requests, variables = {} }: Expected,
  ): Promise<void> => {
    const answer = await graph.ask(sender, query, variables);
    const paths = (answer.errors ?? []).map(({ path = [], extensions }) => `${extensions?.['code']} ${path.join('.')}`);
    expect({ data: answer.data, denied: paths, status: answer.status }).toEqual({
      data,
      denied: denied.map((path) => `${CODE} ${path}`),
      status: 200,
    });
    if (requests) expect(graph.takeRequests()).toEqual(requests);
  };

  type Expected = {
    readonly data: unknown;
    readonly denied?: readonly string[];
    readonly requests?: readonly string[];
    readonly variables?: Record<string, unknown>;
  };

  test.each<[string, Sender, string, object, string?]>([
    ['@authenticated: anonymous', 'anonymous', 'me { name }', { me: null }, 'me'],
    ['@authenticated: somebody', [], 'me { name }', { me: { name: 'Ada' } }],
    ['@authenticated: no authentication configured', 'unrestricted', 'me { name }', { me: { name: 'Ada' } }],
    [
      'all of a list: one is missing',
      ['users:read'],
      'x: user { name email }',
      { x: { name: 'Ada', email: null } },
      'email',
    ],
    ['all of a list', ['users:read', 'email:read'], 'x: user { email }', { x: { email: 'ada@blog.example' } }],
    ['another list', ['admin'], 'x: user { email }', { x: { email: 'ada@blog.example' } }],
    ['scopes: anonymous', 'anonymous', 'x: user { name email }', { x: { name: 'Ada', email: null } }, 'email'],
    ['scopes: no authentication configured', 'unrestricted', 'x: user { salary }', { x: { salary: 100 } }],
    ['an empty list requires nothing', 'anonymous', 'open', { open: 1 }],
    ['several directives: a policy is missing', ['a'], 'both', { both: null }, 'both'],
    ['the type of a field', ['other'], 'card { number }', { card: null }, 'card'],
    ['the type of a field: allowed', ['cards'], 'card { number }', { card: { number: '4242' } }],
    ['field and type: only the field', ['door'], 'twice { gold }', { twice: null }, 'twice'],
    ['field and type: only the type', ['key'], 'twice { gold }', { twice: null }, 'twice'],
    ['field and type', ['door', 'key'], 'twice { gold coins }', { twice: { gold: 1, coins: null } }, 'coins'],
    ['field, type and field', ['door', 'key', 'count'], 'twice { gold coins }', { twice: { gold: 1, coins: 2 } }],
    ['a scalar', 'anonymous', 'x: user { name rating }', { x: { name: 'Ada', rating: null } }, 'rating'],
    ['a scalar: allowed', [], 'x: user { rating }', { x: { rating: 5 } }],
    ['an enum', [], 'x: user { name role }', { x: { name: 'Ada', role: null } }, 'role'],
    ['an enum: allowed', ['admin'], 'x: user { role }', { x: { role: 'EDITOR' } }],
    ['two subgraphs: only one', ['stats'], 'stats { total }', { stats: null }, 'stats'],
    ['two subgraphs: both', ['stats', 'accounts'], 'stats { total }', { stats: { total: 3 } }],
    ['two subgraphs: what both accept', ['admin'], 'stats { total }', { stats: { total: 3 } }],
    ['a field of another subgraph', [], 'x: user { age city }', { x: { age: 36, city: null } }, 'city'],
  ])('%s', async (_, sender, selection, data, removed) => {
    const { data: actual, errors } = await graph.ask(sender, `{ user { name } ${selection} }`);
    expect(actual).toEqual({ user: { name: 'Ada' }, ...data });
    if (removed === undefined) expect(errors).toBeUndefined();
    else {
      expect(errors).toMatchObject([DENIED]);
      expect(graph.takeRequests().join()).not.toMatch(new RegExp(`\\b${removed}\\b`));
    }
  });

  test('the path of an error has aliases and the index of each item', () =>
    expectAnswer('anonymous', '{ all: users { name mail: email } }', {
      data: {
        all: [
          { name: 'Ada', mail: null },
          { name: 'Grace', mail: null },
        ],
      },
      denied: ['all.0.mail', 'all.1.mail'],
      requests: ['blog: {all:users{name}}'],
    }));

  test('a removed field has no arguments, and its variables are not sent', async () => {
    const query = 'mutation($title: String) { publish(title: $title) { id } like { title } }';
    await expectAnswer([], query, {
      variables: { title: 'secret' },
      data: { publish: null, like: { title: 'Open' } },
      denied: ['publish'],
      requests: ['blog: mutation{like{title}}'],
    });
  });

  test('fragments: named, nested, used in several places, and unused parts of them', () =>
    expectAnswer(
      'anonymous',
      `{ ...Root  user { ...Person } }
       fragment Root on Query { me { ...Person } users { ... { ...Person } } }
       fragment Person on User { name ...Contact }
       fragment Contact on User { email }`,
      {
        data: {
          me: null,
          users: [
            { name: 'Ada', email: null },
            { name: 'Grace', email: null },
          ],
          user: { name: 'Ada', email: null },
        },
        denied: ['me', 'users.0.email', 'users.1.email', 'user.email'],
        requests: ['blog: {users{name}user{name}}'],
      },
    ));

  test.each([
    [true, { user: { name: 'Ada' } }, []],
    [false, { user: { name: 'Ada', email: null }, me: null }, ['user.email', 'me']],
  ])('a field that is skipped is not unauthorized: @skip(if: %s)', (no, data, denied) =>
    expectAnswer(
      'anonymous',
      'query($no: Boolean!) { user { name email @skip(if: $no) } ... on Query @skip(if: $no) { me { name } } }',
      { variables: { no }, data, denied, requests: ['blog: {user{name}}'] },
    ),
  );

  test('a skipped field leaves an object that is fetched, an unauthorized one does not', async () => {
    const query = 'query($no: Boolean = false) { open user { email @skip(if: $no) } }';
    await expectAnswer('anonymous', query, { data: { open: 1, user: null }, denied: ['user'] });
    await expectAnswer('anonymous', query, { variables: { no: true }, data: { open: 1, user: {} } });
  });

  test('an object of which nothing remains is not fetched', async () => {
    await expectAnswer('anonymous', '{ open users { email rating } }', { data: null, denied: ['users'] });
    const { data, errors } = await graph.ask('anonymous', '{ open user { email id rating } }');
    expect(data).toEqual({ open: 1, user: null });
    expect(errors).toEqual([{ ...NOTHING_LEFT, path: ['user'] }]);
    expect(graph.takeRequests()).toEqual(['blog: {open}', 'blog: {open}']);
  });

  test('an operation of which nothing remains has no data, and nothing is fetched', () =>
    expectAnswer(
      'anonymous',
      '{ me { name } users { email again: email } ...F } fragment F on Query { me { email } }',
      {
        data: null,
        denied: ['me', 'users.@.email', 'users.@.again'],
        requests: [],
      },
    ));

  test('a null in a non-null field propagates', async () => {
    await expectAnswer([], '{ open user { name salary } }', { data: { open: 1, user: null }, denied: ['user.salary'] });
    await expectAnswer([], '{ open users { name salary } }', { data: null, denied: ['users.0.salary'] });
    await expectAnswer([], '{ open me { name other: salary } feed { ... on User { name salary } } }', {
      data: { open: 1, me: null, feed: null },
      denied: ['me.other', 'feed.2.salary'],
    });
  });

  test('keys are fetched for other subgraphs, and not shown', () =>
    expectAnswer('anonymous', '{ users { age __typename } user { id: age key: name } }', {
      data: {
        users: [
          { age: 36, __typename: 'User' },
          { age: 36, __typename: 'User' },
        ],
        user: { id: 36, key: 'Ada' },
      },
      requests: expect.arrayContaining([expect.stringContaining('{__typename id')]) as never,
    }));

  test('an unauthorized key is null, although it is fetched', () =>
    expectAnswer('anonymous', '{ open user { age id } }', { data: { open: 1, user: null }, denied: ['user.id'] }));

  test('introspection and __typename need nothing', async () => {
    const query = '{ __typename me { name } __type(name: "Card") { fields { name } } __schema { queryType { name } } }';
    await expectAnswer('anonymous', query, {
      data: {
        __typename: 'Query',
        me: null,
        __type: { fields: [{ name: 'number' }] },
        __schema: { queryType: { name: 'Query' } },
      },
      denied: ['me'],
      requests: [],
    });
    const types = await graph.ask('anonymous', '{ __schema { types { name } directives { name } } }');
    expect(types.text).not.toMatch(/Scope|Policy|"authenticated|requiresScopes|"policy/);
  });

  describe('interfaces and unions', () => {
    const POSTS = [{ title: 'Open' }, { title: 'Closed' }];
    test('a field needs the rules of all implementations', async () => {
      await expectAnswer('anonymous', '{ open posts { title } }', {
        data: { open: 1, posts: null },
        denied: ['posts'],
        requests: ['blog: {open}'],
      });
      await expectAnswer([], '{ posts { title } }', { data: { posts: POSTS } });
    });

    test('a fragment on an implementation needs its own', () =>
      expectAnswer('anonymous', '{ posts { ... on PublicBlog { title views } ... on PrivateBlog { title draft } } }', {
        data: {
          posts: [
            { title: 'Open', views: null },
            { title: null, draft: null },
          ],
        },
        denied: ['posts.0.views', 'posts.1.title', 'posts.1.draft'],
        requests: ['blog: {posts{__typename ...on PublicBlog{title}}}'],
      }));

    test('type and field both apply in a fragment', () =>
      expectAnswer([], '{ posts { ... on PrivateBlog { title draft } } }', {
        data: { posts: [{}, { title: 'Closed', draft: null }] },
        denied: ['posts.1.draft'],
      }));

    test('a field that a fragment allows is not null because the interface does not', () =>
      expectAnswer('anonymous', '{ posts { title ... on PublicBlog { title } } }', {
        data: { posts: [{ title: 'Open' }, { title: null }] },
        denied: ['posts.1.title'],
        requests: ['blog: {posts{__typename ...on PublicBlog{title}}}'],
      }));

    test('what is selected below an unauthorized field only is null, even if a fragment allows the field', () =>
      expectAnswer(
        'anonymous',
        `{ posts { author { name ...Mail } ... on PublicBlog { author { age } } } }
         fragment Mail on User { email name }`,
        {
          data: { posts: [{ author: { name: null, email: null, age: 36 } }, { author: null }] },
          denied: ['posts.0.author.name', 'posts.0.author.email', 'posts.1.author'],
        },
      ));

    test('__typename needs nothing', () =>
      expectAnswer('anonymous', '{ posts { __typename ... on PrivateBlog { kind: __typename } } }', {
        data: { posts: [{ __typename: 'PublicBlog' }, { __typename: 'PrivateBlog', kind: 'PrivateBlog' }] },
      }));

    test('a fragment on an interface within one on an implementation counts as the interface', () =>
      expectAnswer('anonymous', '{ posts { ... on PublicBlog { id ... on Post { title } } } }', {
        data: { posts: [{ id: '10', title: null }, {}] },
        denied: ['posts.0.title'],
      }));

    test('a union', () =>
      expectAnswer(
        'anonymous',
        '{ feed { __typename ... on PublicBlog { title } ... on PrivateBlog { draft } ... on User { name email } } }',
        {
          data: {
            feed: [
              { __typename: 'PublicBlog', title: 'Open' },
              { __typename: 'PrivateBlog', draft: null },
              { __typename: 'User', name: 'Ada', email: null },
            ],
          },
          denied: ['feed.1.draft', 'feed.2.email'],
        },
      ));

    test('an interface within a union', () =>
      expectAnswer('anonymous', '{ feed { ... on Post { title } ... on User { name } } }', {
        data: { feed: [{ title: null }, { title: null }, { name: 'Ada' }] },
        denied: ['feed.0.title', 'feed.1.title'],
      }));
  });

  describe('mutations', () => {
    test('an unauthorized one is not carried out, the others are, in their order', () =>
      expectAnswer([], 'mutation { a: like { title } publish { id } b: like { id } }', {
        data: { a: { title: 'Open' }, publish: null, b: { id: '10' } },
        denied: ['publish'],
        requests: ['blog: mutation{a:like{title}b:like{id}}'],
      }));

    test('with its scope it is carried out', () =>
      expectAnswer(['posts:write'], 'mutation { publish { id } }', { data: { publish: { id: '10' } } }));

    test.each([
      ['of an unauthorized type', 'mutation { seal { gold } }', ['seal']],
      ['of which nothing may be read', 'mutation { like { views } }', ['like.views']],
    ])('one %s is not carried out', (_, query, denied) =>
      expectAnswer('anonymous', query, { data: null, denied, requests: [] }),
    );
  });

  test('a response has at most 2,000 errors', async () => {
    const many = await startGuardedGraph({
      shop: {
        schema: `type Query { items: [Item!] } type Item { id: ID! price: Int @authenticated }`,
        fields: { 'Query.items': () => Array.from({ length: 2_100 }, (_, id) => ({ id })) },
      },
    });
    keep(many);
    const { data, errors } = await many.ask('anonymous', '{ items { id price } }');
    expect(data?.['items']).toHaveLength(2_100);
    expect(errors).toHaveLength(2_001);
    expect(errors?.[1_999]).toEqual({ ...DENIED, path: ['items', 1_999, 'price'] });
    expect(errors?.[2_000]).toMatchObject({ extensions: { code: 'ERRORS_OMITTED' } });
  });
});

describe('UNAUTHORIZED=reject', () => {
  const start = async () => keep(await startGuardedGraph(BLOG, { env: { UNAUTHORIZED: 'reject' } }));

  test('an operation with unauthorized fields is not executed at all', async () => {
    const graph = await start();
    const query = '{ user { name } users { mail: email } posts { ... on PrivateBlog { draft } } }';
    const { status, data, errors } = await graph.ask('anonymous', query);
    expect({ status, data }).toEqual({ status: 200, data: null });
    expect(errors).toEqual([
      { ...DENIED, path: ['users', '@', 'mail'] },
      { ...DENIED, path: ['posts', '@', 'draft'] },
    ]);
    expect((await graph.ask([], 'mutation { like { title } publish { id } }')).data).toBeNull();
    expect(graph.takeRequests()).toEqual([]);
  });

  test('any other operation is executed', async () => {
    const graph = await start();
    const query = 'query($no: Boolean!) { user { name email @skip(if: $no) } __typename }';
    expect(await graph.ask('anonymous', query, { no: true })).toMatchObject({
      data: { user: { name: 'Ada' }, __typename: 'Query' },
      errors: undefined,
    });
    expect((await graph.ask('anonymous', query, { no: false })).data).toBeNull();
    expect((await graph.ask(['admin'], query, { no: false })).data).toEqual({
      user: { name: 'Ada', email: 'ada@blog.example' },
      __typename: 'Query',
    });
  });
});

describe('policies', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'policies-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const shop = {
    schema: `
      type Query {
        a: Int @policy(policies: [["one", "two"], ["three"]])
        b: Int @policy(policies: [["four"]]) @requiresScopes(scopes: [["b"]])
        c: Int
      }`,
    fields: { 'Query.a': () => 1, 'Query.b': () => 2, 'Query.c': () => 3 },
  };
  const DENIED_A = { data: { a: null, c: 3 }, errors: [{ ...DENIED, path: ['a'] }] };

  let modules = 0;
  const write = async (code: string): Promise<string> => {
    modules += 1;
    const file = join(folder, `policies-${modules}.ts`);
    await writeFile(file, code);
    return file;
  };
  const start = async (code: string | undefined, env = {}, log: Log = createLog('silent')) => {
    const POLICIES = code === undefined ? '' : await write(code);
    return keep(await startGuardedGraph({ shop }, { env: { POLICIES, ...env }, log }));
  };

  /** Writes each call to the answer of the next request for `c`, by the header that asks for a policy. */
  const RECORDING = `
    const calls: unknown[] = [];
    (globalThis as any).policyCalls = calls;
    export default async (policies: readonly string[], { identity, headers, operationName }: any) => {
      calls.push({ policies, subject: identity.subject, tenant: headers['x-tenant'], operationName });
      return String(headers['x-satisfied'] ?? '').split(' ');
    };`;
  const calls = (): object[] => (globalThis as unknown as { policyCalls: object[] }).policyCalls;

  test.each([
    ['one two', true],
    ['one', false],
    ['two', false],
    ['three', true],
    ['three unknown', true],
    ['', false],
  ])('satisfied: %j', async (satisfied, isAllowed) => {
    const graph = await start(RECORDING);
    const answer = await graph.ask('anonymous', '{ a c }', {}, { 'x-satisfied': satisfied });
    expect(answer).toMatchObject(isAllowed ? { data: { a: 1, c: 3 }, errors: undefined } : DENIED_A);
  });

  test('a policy and scopes on one field are both needed', async () => {
    const graph = await start(RECORDING);
    const ask = async (sender: Sender, satisfied: string) =>
      (await graph.ask(sender, '{ b c }', {}, { 'x-satisfied': satisfied })).data;
    expect(await ask(['b'], 'four')).toEqual({ b: 2, c: 3 });
    expect(await ask(['b'], 'one')).toEqual({ b: null, c: 3 });
    expect(await ask([], 'four')).toEqual({ b: null, c: 3 });
  });

  test('the module is called once for each request, with everything that the operation mentions', async () => {
    const graph = await start(RECORDING);
    await graph.ask([], 'query Both { a x: a b ...F } fragment F on Query { a c }', {}, { 'x-tenant': 'acme' });
    expect(calls()).toEqual([
      { policies: ['one', 'two', 'three', 'four'], subject: 'somebody', tenant: 'acme', operationName: 'Both' },
    ]);
    await graph.ask([], 'query A { a } query C { c }', {}, {});
    await graph.ask([], '{ c }');
    await graph.ask('unrestricted', '{ a b c }');
    expect(calls()).toHaveLength(1);
  });

  test('with authentication not configured, everything is allowed', async () => {
    const graph = await start(undefined);
    expect((await graph.ask('unrestricted', '{ a b c }')).data).toEqual({ a: 1, b: 2, c: 3 });
  });

  test.each([
    ['without a module', undefined],
    ['that throws', 'export default () => { throw new Error("broken"); };'],
    ['that rejects', 'export default async () => { throw new Error("broken"); };'],
    ['that takes too long', 'export default () => new Promise(() => {});'],
    ['that returns nothing', 'export default () => undefined;'],
    ['that returns a string', 'export default () => "three";'],
    ['that returns an object', 'export default () => ({ three: true });'],
  ])('%s, no policy is satisfied', async (_, code) => {
    const logged: unknown[][] = [];
    const error = (...given: unknown[]) => void logged.push(given);
    const ignore = () => {};
    const log = { error, warn: ignore, info: ignore, debug: ignore, isLevelEnabled: () => false } as unknown as Log;
    const graph = await start(code, { POLICY_TIMEOUT_MS: '20' }, log);
    expect(await graph.ask([], '{ a c }')).toMatchObject(DENIED_A);
    expect(logged).toHaveLength(code === undefined ? 0 : 1);
    if (code) expect(logged[0]?.[0]).toMatchObject({ policies: ['one', 'two', 'three'], err: expect.any(Error) });
  });

  test('a client that disconnects while policies are decided has neither timed out nor failed', async () => {
    const events: TelemetryEvent[] = [];
    const telemetry = createTelemetry();
    telemetry.listen({ on: (event) => void events.push(event) });
    const called = Promise.withResolvers<void>();
    Object.assign(globalThis, { policyCalled: called.resolve });
    const POLICIES = await write(
      'export default () => { (globalThis as any).policyCalled(); return new Promise(() => {}); };',
    );
    const graph = keep(await startGuardedGraph({ shop }, { env: { POLICIES, POLICY_TIMEOUT_MS: '20000' }, telemetry }));
    const client = new AbortController();
    const body = JSON.stringify({ query: '{ a c }' });
    const headers = { ...headersOf([]), 'content-type': 'application/json' };
    const asked = fetch(graph.url, { method: 'POST', headers, body, signal: client.signal });
    await called.promise;
    client.abort();
    await expect(asked).rejects.toThrow();
    const operations = () => events.filter(({ type }) => type === 'operation');
    await expect.poll(operations).toMatchObject([{ outcome: 'error', codes: ['UPSTREAM_CANCELLED'] }]);
  });

  test('nothing is fetched if the request times out while policies are decided', async () => {
    const graph = await start('export default () => new Promise(() => {});', { REQUEST_TIMEOUT_MS: '50' });
    const { status, errors } = await graph.ask([], '{ a c }');
    expect(status).toBe(504);
    expect(errors).toMatchObject([{ extensions: { code: 'REQUEST_TIMEOUT' } }]);
    expect(graph.takeRequests()).toEqual([]);
  });

  describe('a broken module', () => {
    test.each([
      ['that is not there', undefined],
      ['with a syntax error', 'export default ('],
      ['that throws', 'throw new Error("two\\nlines");'],
      ['without a default export', 'export const decide = () => [];'],
      ['whose default export is no function', 'export default [];'],
    ])('%s ends the start, and the error is one line', async (_, code) => {
      const POLICIES = code === undefined ? join(folder, 'missing.ts') : await write(code);
      const started = startGateway({ POLICIES, PORT: '0', LOG_LEVEL: 'silent' });
      await expect(started).rejects.toBeInstanceOf(ConfigError);
      await expect(started).rejects.toThrow(/^POLICIES: \S+ [^\n]+\.$/);
    });
  });
});

describe('responses that depend on who asks', () => {
  const get = async (graph: GuardedGraph<'blog' | 'accounts'>, sender: Sender, query: string) => {
    const url = sender === 'unrestricted' ? graph.openUrl : graph.url;
    const to = `${url}?query=${encodeURIComponent(query)}`;
    const response = await fetch(to, { headers: { 'apollo-require-preflight': 'yes', ...headersOf(sender) } });
    return response.headers.get('cache-control');
  };

  test('are private, even with CACHE_SCOPE=public', async () => {
    const graph = keep(await startGuardedGraph(BLOG, { env: { CACHE_SCOPE: 'public' } }));
    graph.subgraphs.blog.before = (response) => {
      const body = { data: { open: 1, user: { email: 'e' } }, extensions: { tributary: { freshForMs: 60_000 } } };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
      return true;
    };
    expect(await get(graph, 'anonymous', '{ open }')).toBe('max-age=60, public');
    expect(await get(graph, [], '{ open }')).toBe('max-age=60, private');
    expect(await get(graph, ['admin'], '{ open user { email } }')).toBe('max-age=60, private');
    // With an error, nothing may be kept.
    expect(await get(graph, [], '{ open user { email } }')).toBe('no-store');
    expect(await get(graph, 'unrestricted', '{ open user { email } }')).toBe('max-age=60, public');
  });
});

describe('an external supergraph', () => {
  const SHOP = {
    shop: {
      schema: 'type Query { a: Int @authenticated b: Int @requiresScopes(scopes: [["b"]]) c: Int }',
      fields: { 'Query.a': () => 1, 'Query.b': () => 2, 'Query.c': () => 3 },
    },
  };

  test('its rules hold without authentication, too: nobody satisfies them', async () => {
    const { ask, subgraphs } = keep(await startFederation(SHOP));
    const { data, errors } = await ask('{ a b c }');
    expect(data).toEqual({ a: null, b: null, c: 3 });
    expect(errors).toEqual([
      { ...DENIED, path: ['a'] },
      { ...DENIED, path: ['b'] },
    ]);
    expect(subgraphs.shop.requests.map(({ query }) => query)).toEqual(['{c}']);
  });

  const DIRECTIVES = 'on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM';
  const AUTHENTICATED = 'https://specs.apollo.dev/authenticated/v0.1';
  const PLAIN = {
    shop: {
      schema: `
        type Query { a: Int b: Int c: Int node: Node }
        interface Node { id: ID name: String } type A implements Node { id: ID name: String }
        type B implements Node { id: ID name: String }`,
      fields: {
        ...SHOP.shop.fields,
        'Query.node': () => ({ __typename: 'A', id: '1', name: 'one' }),
      },
    },
  };
  const withLink = (link: string, definition: string, use: string) => (sdl: string) =>
    `${sdl.replace('schema\n', `schema ${link}\n`).replace('a: Int', `a: Int ${use}`)} ${definition}`;

  test.each([
    ['the name of the specification', `@link(url: "${AUTHENTICATED}", for: SECURITY)`, '@authenticated'],
    ['no purpose', `@link(url: "${AUTHENTICATED}")`, '@authenticated'],
    ['another name of the specification', `@link(url: "${AUTHENTICATED}", as: "auth", for: SECURITY)`, '@auth'],
    ['an import', `@link(url: "${AUTHENTICATED}", import: ["@authenticated"], for: SECURITY)`, '@authenticated'],
    [
      'an import under another name',
      `@link(url: "${AUTHENTICATED}", import: [{ name: "@authenticated", as: "@known" }], for: SECURITY)`,
      '@known',
    ],
    [
      'a prefix',
      `@link(url: "${AUTHENTICATED}", import: [{ name: "@authenticated", as: "@federation__authenticated" }])`,
      '@federation__authenticated',
    ],
    [
      'both names',
      `@link(url: "${AUTHENTICATED}", as: "other", import: [{ name: "@authenticated", as: "@known" }])`,
      '@known',
    ],
  ])('a directive linked by %s', async (_, link, use) => {
    const change = withLink(link, `directive ${use} ${DIRECTIVES}`, use);
    const graph = keep(await startGuardedGraph(PLAIN, { change }));
    expect(await graph.ask('anonymous', '{ a c }')).toMatchObject({
      data: { a: null, c: 3 },
      errors: [{ ...DENIED, path: ['a'] }],
    });
    expect((await graph.ask([], '{ a c }')).data).toEqual({ a: 1, c: 3 });
    const { text } = await graph.ask('anonymous', '{ __schema { directives { name } } }');
    expect(text).not.toContain(use.slice(1));
  });

  test('a directive of another specification protects nothing', async () => {
    const change = withLink(
      '@link(url: "https://example.com/authenticated/v0.1", import: ["@authenticated"])',
      `directive @authenticated ${DIRECTIVES}`,
      '@authenticated',
    );
    const graph = keep(await startGuardedGraph(PLAIN, { change }));
    expect((await graph.ask('anonymous', '{ a }')).data).toEqual({ a: 1 });
  });

  test.each([
    ['one list', '@requiresScopes(scopes: ["b"])'],
    ['one scope', '@requiresScopes(scopes: "b")'],
  ])('%s for a list of lists is read as GraphQL does', async (_, use) => {
    const link = '@link(url: "https://specs.apollo.dev/requiresScopes/v0.1", for: SECURITY)';
    const definition = `scalar requiresScopes__Scope directive @requiresScopes(scopes: [[requiresScopes__Scope!]!]!) ${DIRECTIVES}`;
    const graph = keep(await startGuardedGraph(PLAIN, { change: withLink(link, definition, use) }));
    expect((await graph.ask([], '{ a c }')).data).toEqual({ a: null, c: 3 });
    expect((await graph.ask(['b'], '{ a c }')).data).toEqual({ a: 1, c: 3 });
  });

  test('rules that were written on an interface apply to its implementations', async () => {
    const link = `@link(url: "${AUTHENTICATED}", for: SECURITY)`;
    const change = (sdl: string) =>
      withLink(
        link,
        `directive @authenticated ${DIRECTIVES}`,
        '',
      )(sdl).replace(/(interface Node[^{]*\{\s*id: ID\s*name: String)/, '$1 @authenticated');
    const graph = keep(await startGuardedGraph(PLAIN, { change }));
    expect((await graph.ask('anonymous', '{ node { id name } }')).data).toEqual({ node: { id: '1', name: null } });
    const { data } = await graph.ask('anonymous', '{ node { ... on A { id name } } }');
    expect(data).toEqual({ node: { id: '1', name: null } });
    expect((await graph.ask([], '{ node { ... on A { name } } }')).data).toEqual({ node: { name: 'one' } });
  });

  test('rules on an interface type apply to what returns it, and to its implementations', async () => {
    const link = `@link(url: "${AUTHENTICATED}", for: SECURITY)`;
    const change = (sdl: string) =>
      withLink(
        link,
        `directive @authenticated ${DIRECTIVES}`,
        '',
      )(sdl).replace('interface Node', 'interface Node @authenticated');
    const graph = keep(await startGuardedGraph(PLAIN, { change }));
    expect((await graph.ask('anonymous', '{ c node { ... on A { id } } }')).data).toEqual({ c: 3, node: null });
    expect((await graph.ask([], '{ c node { ... on A { id } } }')).data).toEqual({ c: 3, node: { id: '1' } });
  });

  test('rules change with the supergraph', async () => {
    let change: (sdl: string) => Promise<void> = async () => {};
    const sdls: string[] = [];
    const graph = keep(
      await startGuardedGraph(SHOP, {
        change: (sdl) => {
          sdls.push(sdl);
          return sdl;
        },
        supergraph: {
          watch: (apply) => {
            change = apply;
            return () => {};
          },
        },
      }),
    );
    expect((await graph.ask('anonymous', '{ a b c }')).data).toEqual({ a: null, b: null, c: 3 });
    await change((sdls[0] ?? '').replace('a: Int @authenticated', 'a: Int').replace('c: Int', 'c: Int @authenticated'));
    expect((await graph.ask('anonymous', '{ a b c }')).data).toEqual({ a: 1, b: null, c: null });
    expect((await graph.ask(['b'], '{ a b c }')).data).toEqual({ a: 1, b: 2, c: 3 });
  });
});
