import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import desk from '../../clients/web/src/generated/operations.json' with { type: 'json' };
import { startGateway } from '../../gateway/start.ts';
import { ConfigError } from '../../runtime/env.ts';
import { type Spawned, startProcess } from '../helpers/processes.ts';
import { type Stack, startStack } from '../helpers/stack.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'safelist-'));
afterAll(() => rmSync(FOLDER, { recursive: true }));

const operation = (body: string, id = createHash('sha256').update(body).digest('hex')) => ({
  id,
  name: /(?:query|mutation) (\w+)/.exec(body)?.[1] ?? '',
  type: body.split(' ')[0],
  body,
});
const STOCK = operation('query Stock($sku: ID!) { product(sku: $sku) { sku stock { quantity } } }');
const SET = operation('mutation Set { setStock(input: { sku: "OABR-S", quantity: 5 }) { product { sku } } }');
const NAMED = operation('query Named { product(sku: "OABR-S") { name } }', 'named-by-hand');
const OTHER = 'query Other { product(sku: "OABR-S") { sku } }';

const writeManifest = (name: string, operations: unknown): string => {
  const file = join(FOLDER, name);
  writeFileSync(file, JSON.stringify({ format: 'apollo-persisted-query-manifest', version: 1, operations }));
  return file;
};
const WEB = writeManifest('web.json', [STOCK, SET]);
const IOS = writeManifest('ios.json', [NAMED, STOCK]);

const byId = (id: string, variables = {}) => ({
  variables,
  extensions: { persistedQuery: { version: 1, sha256Hash: id } },
});
const post = (url: string, body: object, headers = {}) =>
  fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
const get = (url: string, { variables, extensions }: ReturnType<typeof byId>) => {
  const search = new URLSearchParams({
    variables: JSON.stringify(variables),
    extensions: JSON.stringify(extensions),
  });
  return fetch(`${url}/graphql?${search}`, { headers: { 'apollo-require-preflight': 'yes' } });
};

describe('a gateway that serves only safelisted operations', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({
      env: { SAFELIST: 'on', SAFELIST_MANIFESTS: `${WEB}, ${IOS}`, CACHE_MAX_MIB: '16', CACHE_SCOPE: 'public' },
    });
  });
  afterAll(() => stack.close());
  beforeEach(() => stack.reset());

  test('a query is accepted by its ID, with POST and GET, and by its text', async () => {
    const expected = { data: { product: { sku: 'OABR-S', stock: { quantity: expect.any(Number) } } } };
    const sku = { sku: 'OABR-S' };
    expect(await (await post(stack.url, byId(STOCK.id, sku))).json()).toEqual(expected);
    expect(await (await get(stack.url, byId(STOCK.id, sku))).json()).toEqual(expected);
    expect(await (await post(stack.url, { query: STOCK.body, variables: sku })).json()).toEqual(expected);
  });

  test('IDs need not be hashes, and several manifests can be combined', async () => {
    const answer = await (await get(stack.url, byId(NAMED.id))).json();
    expect(answer).toEqual({ data: { product: { name: expect.any(String) } } });
  });

  test('a mutation is accepted by its ID, but not with GET', async () => {
    expect((await get(stack.url, byId(SET.id))).status).toBe(405);
    expect(stack.openmage.calls.filter(({ operation: name }) => name.includes('Update'))).toEqual([]);
    expect(await (await post(stack.url, byId(SET.id))).json()).toEqual({
      data: { setStock: { product: { sku: 'OABR-S' } } },
    });
  });

  test.each([
    ['another text', { query: OTHER }, 403, 'QUERY_NOT_IN_SAFELIST'],
    ['a listed text with an extra space', { query: `${STOCK.body} ` }, 403, 'QUERY_NOT_IN_SAFELIST'],
    ['an invalid text', { query: '{' }, 403, 'QUERY_NOT_IN_SAFELIST'],
    ['an introspection query', { query: '{ __schema { types { name } } }' }, 403, 'QUERY_NOT_IN_SAFELIST'],
    ['another id', byId('0'.repeat(64)), 404, 'PERSISTED_QUERY_NOT_IN_LIST'],
    [
      'another text that registers itself',
      { query: OTHER, ...byId(createHash('sha256').update(OTHER).digest('hex')) },
      403,
      'QUERY_NOT_IN_SAFELIST',
    ],
    ['another text with a listed id', { query: OTHER, ...byId(STOCK.id) }, 403, 'QUERY_NOT_IN_SAFELIST'],
    ['a listed text with another id', { query: STOCK.body, ...byId('0'.repeat(64)) }, 400, 'BAD_REQUEST'],
    ['no operation', {}, 400, 'BAD_REQUEST'],
    ['an array', [{ query: OTHER }], 400, 'BAD_REQUEST'],
  ])('%s is rejected without a provider request', async (_, body, status, code) => {
    const answer = await post(stack.url, body);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ errors: [{ extensions: { code } }] });
    expect(stack.openmage.calls).toEqual([]);
  });

  test.each(['query', '%71uery'])('another text is rejected in a URL too, as %s', async (name) => {
    const url = `${stack.url}/graphql?${name}=${encodeURIComponent(OTHER)}`;
    expect((await fetch(url, { headers: { 'apollo-require-preflight': 'yes' } })).status).toBe(403);
  });

  test('a response to GET is cacheable as long as its data is fresh', async () => {
    const { headers } = await get(stack.url, byId(STOCK.id, { sku: 'OACH-M' }));
    // Stock is fresh for 10 seconds (docs/providers.md).
    expect(headers.get('cache-control')).toMatch(/^max-age=(9|10), public$/);
    expect(headers.get('vary')).toContain('accept-language');
    expect((await post(stack.url, byId(STOCK.id, { sku: 'OACH-M' }))).headers.get('cache-control')).toBe('no-store');
  });

  test('a stale or partial response is not cacheable', async () => {
    stack.openmage.fail({ status: 500 });
    const { headers } = await get(stack.url, byId(STOCK.id, { sku: 'ZIWA-XL' }));
    expect(headers.get('cache-control')).toBe('no-store');
  });
});

describe('rejected operations are logged', () => {
  let running: Spawned | undefined;
  const start = async (env: Record<string, string>) => {
    running = startProcess(['node', 'gateway/main.ts'], { PORT: '0', ...env });
    await expect.poll(() => running?.output()).toMatch(/A first query|cannot start/);
    return {
      url: (/answers at (\S+)\/graphql/.exec(running.output()) ?? [])[1] ?? '',
      named: () =>
        (running?.output() ?? '').split('\n').flatMap((line) => (line.includes('safelist.') ? [JSON.parse(line)] : [])),
    };
  };
  const CLIENT = { 'apollographql-client-name': 'ios', 'apollographql-client-version': '1.2' };

  test('once per operation, with the client name', { tags: ['long'] }, async () => {
    const { url, named } = await start({ SAFELIST: 'on' });
    for (const _ of [1, 2]) await post(url, { query: OTHER, operationName: 'Other' }, CLIENT);
    await post(url, byId('unknown'));
    await expect.poll(named).toMatchObject([
      { level: 40, operationName: 'Other', hash: createHash('sha256').update(OTHER).digest('hex'), ...CLIENT },
      { level: 40, hash: 'unknown' },
    ]);
    expect(running?.output()).not.toContain(OTHER);
    await running?.stop();
  });

  test('in short lines, and no more than sixty a minute', { tags: ['long'] }, async () => {
    const { url, named } = await start({ SAFELIST: 'on' });
    for (let index = 0; index < 70; index += 1) {
      await post(url, { ...byId(`${index}${'h'.repeat(10_000)}`), operationName: `${index}${'x'.repeat(10_000)}` });
    }
    await expect.poll(named).toHaveLength(60);
    expect(running?.output().length).toBeLessThan(100_000);
    await running?.stop();
  });

  test('and executed with SAFELIST=learn', { tags: ['long'] }, async () => {
    const { url, named } = await start({ SAFELIST: 'learn' });
    const answer = await post(url, { query: OTHER });
    expect(await answer.json()).toEqual({ data: { product: { sku: 'OABR-S' } } });
    await expect.poll(named).toHaveLength(1);
    // A client of automatic persisted queries sends the hash first, then the text.
    await post(url, { ...byId('abc'), operationName: undefined });
    await post(url, { ...byId('abc'), operationName: 'Abc' });
    await expect.poll(named).toMatchObject([{}, { hash: 'abc' }, { hash: 'abc', operationName: 'Abc' }]);
    const [list] = desk.operations;
    await post(url, { query: list?.body });
    await post(url, byId(list?.id ?? ''));
    expect(named()).toHaveLength(3);
    await running?.stop();
  });

  test.each([
    ['a missing manifest', { SAFELIST: 'on', SAFELIST_MANIFESTS: '/nowhere.json' }],
    ['an invalid manifest', { SAFELIST: 'on', SAFELIST_MANIFESTS: join(import.meta.dirname, 'safelist.test.ts') }],
    [
      'one id for two operations',
      { SAFELIST: 'on', SAFELIST_MANIFESTS: `${IOS},${writeManifest('bad.json', [operation(OTHER, NAMED.id)])}` },
    ],
    ['an external supergraph without a manifest', { SAFELIST: 'on', SUPERGRAPH: 'gateway/supergraph.graphql' }],
  ])('%s prevents startup', async (_, env: Record<string, string>) => {
    const started = startGateway({ PORT: '0', LOG_LEVEL: 'silent', ...env });
    await expect(started).rejects.toBeInstanceOf(ConfigError);
    await expect(started).rejects.toThrow('SAFELIST_MANIFESTS');
  });
});
