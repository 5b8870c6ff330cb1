import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PEOPLE } from '../../../gateway/auth/development-issuer.ts';
import { readConfig } from '../../../gateway/config.ts';
import { createCompany } from '../../../sandbox/company.ts';
import { advanceClock, resetClock } from '../../helpers/clock.ts';
import { type Federation, startFederation } from '../../helpers/federation.ts';
import { bearer } from '../../helpers/issuer.ts';
import { startProcess } from '../../helpers/processes.ts';

/* The issuer of tokens for sample people, which runs in development. */

const SCHEMA = { schema: 'type Query { version: String }', fields: { 'Query.version': () => 'first' } };

type Gateway = Federation<'one'>;
type Headers = Record<string, string>;

const request = (gateway: Gateway, body: unknown, headers: Headers = {}) =>
  fetch(`${gateway.url}/auth/development/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

const tokenOf = async (gateway: Gateway, person: string): Promise<string> => {
  const { access_token: token } = (await (await request(gateway, { person })).json()) as { access_token: string };
  return token;
};

const statusOf = async (gateway: Gateway, token?: string): Promise<number> =>
  (await gateway.ask('{ version }', {}, token ? bearer(token) : {})).status;

const isPublic = async ({ url, subgraphs }: Gateway, token?: string): Promise<boolean> => {
  subgraphs.one.before = (response) => {
    const extensions = { tributary: { freshForMs: 60_000 } };
    const body = JSON.stringify({ data: { version: 'first' }, extensions });
    response.setHeader('content-type', 'application/json').end(body);
    return true;
  };
  const headers = { 'apollo-require-preflight': '1', ...(token && bearer(token).headers) };
  const response = await fetch(`${url}/graphql?query={version}`, { headers });
  return response.headers.get('cache-control')?.includes('public') ?? false;
};

describe('in development, without any configuration', () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await startFederation({ one: SCHEMA }, { CACHE_SCOPE: 'public' });
  });
  afterAll(() => gateway.close());

  test('it lists its people, and gives each a token of ten minutes', async () => {
    const people = (await (await fetch(`${gateway.url}/auth/development/people`)).json()) as typeof PEOPLE;
    expect(people.map(({ person }) => person)).toEqual([
      'administrator',
      'support',
      'finance',
      'warehouse',
      'customer',
    ]);
    for (const { person, scopes, email } of people) {
      const response = await request(gateway, { person });
      const body = (await response.json()) as Record<string, string>;
      expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 600, scope: scopes.join(' ') });
      expect(response.headers.get('cache-control')).toBe('no-store');
      const claims = decodeJwt(body['access_token'] ?? '');
      expect(claims).toMatchObject({ sub: person, scope: scopes.join(' ') });
      expect(claims['email']).toBe(email);
      expect(Number(claims.exp) - Number(claims.iat)).toBe(600);
      expect(await statusOf(gateway, body['access_token'])).toBe(200);
    }
  });

  test('its customer is one of the sample company', () => {
    const customer = PEOPLE.find(({ person }) => person === 'customer');
    expect(createCompany().people.map(({ email }) => email)).toContain(customer?.email);
  });

  test('a request without a token may do everything, and one with a token is that person’s', async () => {
    expect(await isPublic(gateway)).toBe(true);
    expect(await isPublic(gateway, await tokenOf(gateway, 'support'))).toBe(false);
  });

  test('a token of the issuer that is not valid is refused, and any other credential is ignored', async () => {
    const token = await tokenOf(gateway, 'support');
    expect(await statusOf(gateway, token.replace(/[^.]+$/, ''))).toBe(401);
    const other = await startFederation({ one: SCHEMA });
    expect(await statusOf(other, token)).toBe(401);
    await other.close();
    for (const authorization of ['Bearer of-a-subgraph', 'Basic YTpi', 'Bearer trb_1', 'Bearer e30.e30.']) {
      const { status } = await gateway.ask('{ version }', {}, { headers: { authorization } });
      expect([authorization, status]).toEqual([authorization, 200]);
    }
    advanceClock(601_000);
    expect(await statusOf(gateway, token)).toBe(401);
    resetClock();
  });

  test.each<[string, Headers]>([
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['another host of the site', { 'sec-fetch-site': 'same-site' }],
    ['another origin, from an old browser', { origin: 'https://evil.example' }],
    ['a sandboxed frame', { origin: 'null' }],
    ['another port', { origin: 'http://127.0.0.1:1', 'sec-fetch-site': 'same-site' }],
  ])('it refuses requests of %s', async (_, headers) => {
    const response = await request(gateway, { person: 'support' }, headers);
    expect([response.status, await response.json()]).toEqual([
      403,
      { errors: [{ message: 'Only pages of this gateway may request tokens.', extensions: { code: 'FORBIDDEN' } }] },
    ]);
  });

  test('it refuses them also where CORS allows their origin to send operations', async () => {
    const other = await startFederation({ one: SCHEMA }, { CORS_ORIGINS: '*' });
    expect((await request(other, { person: 'support' }, { origin: 'https://app.example' })).status).toBe(403);
    await other.close();
  });

  test.each<[string, () => Headers]>([
    ['its own pages', () => ({ origin: gateway.url, 'sec-fetch-site': 'same-origin' })],
    ['the address bar', () => ({ 'sec-fetch-site': 'none' })],
  ])('it accepts requests of %s', async (_, headersOfRequest) => {
    expect((await request(gateway, { person: 'support' }, headersOfRequest())).status).toBe(200);
  });

  test('it takes JSON with one of its people, and nothing else', async () => {
    for (const body of [{}, { person: 'nobody' }, { person: ['support'] }, [], 'support', null]) {
      const response = await request(gateway, body);
      expect([response.status, await response.json()]).toEqual([
        400,
        {
          errors: [
            {
              message: `Send JSON with a person, one of: ${PEOPLE.map(({ person }) => person).join(', ')}.`,
              extensions: { code: 'BAD_REQUEST' },
            },
          ],
        },
      ]);
    }
    for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
      expect((await request(gateway, { person: 'support' }, { 'content-type': type })).status).toBe(415);
    }
    expect((await fetch(`${gateway.url}/auth/development/token`)).status).toBe(405);
  });

  test('a path that is not served is answered with the path of the graph alone', async () => {
    expect(await (await fetch(`${gateway.url}/nothing`)).text()).toContain('GraphQL is served at /graphql.');
  });
});

test('with AUTH=development, a request without a token is anyone’s, and other credentials are refused', async () => {
  const gateway = await startFederation({ one: SCHEMA }, { AUTH: 'development' });
  expect(await statusOf(gateway)).toBe(200);
  expect(await statusOf(gateway, await tokenOf(gateway, 'finance'))).toBe(200);
  expect(await statusOf(gateway, 'of-a-subgraph')).toBe(401);
  await gateway.close();
});

test.each<[string, Record<string, string>]>([
  ['AUTH=none', { AUTH: 'none' }],
  ['another issuer', { JWT_ISSUER: 'https://login.invalid', JWT_AUDIENCE: 'a', AUTH: 'optional' }],
  ['production', { NODE_ENV: 'production', AUTH: 'none' }],
  ['several processes', { CLUSTER_WORKERS: '2' }],
])('with %s, there is no such issuer', async (_, env) => {
  const gateway = await startFederation({ one: SCHEMA }, env);
  expect((await fetch(`${gateway.url}/auth/development/people`)).status).toBe(404);
  expect((await request(gateway, { person: 'administrator' })).status).toBe(404);
  await gateway.close();
});

test.each([
  [{ NODE_ENV: 'production', AUTH: 'development' }, 'AUTH: must not be development in production'],
  [{ CLUSTER_WORKERS: '2', AUTH: 'development' }, 'AUTH: must not be development with CLUSTER_WORKERS'],
])('%j is refused at the start', (env, expected) => {
  expect(() => readConfig(env, [])).toThrow(expected);
});

test.each<[string, Record<string, string>, RegExp, RegExp]>([
  ['says that everyone may do everything', {}, /^Authentication: +none, so everyone may do everything\./m, /\0/],
  ['says that with AUTH=none', { AUTH: 'none' }, /^Authentication: +none, so everyone/m, /Tokens of sample people/],
  [
    'names the sample people',
    { AUTH: 'development' },
    /^Tokens of sample people: +http:\S+people$/m,
    /^Authentication/m,
  ],
])('npm start %s', { tags: ['long'] }, async (_, env, expected, unexpected) => {
  const gateway = startProcess(['node', 'gateway/main.ts'], { PORT: '0', ...env });
  await expect.poll(gateway.output).toContain('A first query');
  await gateway.stop();
  expect(gateway.output()).toMatch(expected);
  expect(gateway.output()).not.toMatch(unexpected);
});
