import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { type JWK, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { advanceClock, resetClock } from '../../helpers/clock.ts';
import { type Federation, startFederation } from '../../helpers/federation.ts';
import { AUDIENCE, bearer, startIssuer, type TestIssuer } from '../../helpers/issuer.ts';
import { bodyOf, connectRaw } from '../../helpers/raw-socket.ts';

/* Tokens of an OpenID Connect issuer, at a gateway in front of one external subgraph. */

const SCHEMA = { schema: 'type Query { version: String }', fields: { 'Query.version': () => 'first' } };
const VERSION = { version: 'first' };

type Gateway = Federation<'one'>;

const start = (env: Record<string, string>): Promise<Gateway> => startFederation({ one: SCHEMA }, env);
const ask = async ({ ask: send }: Gateway, token?: string) => send('{ version }', {}, token ? bearer(token) : {});
const statusOf = async (gateway: Gateway, token?: string): Promise<number> => (await ask(gateway, token)).status;
const nowS = (): number => Math.floor(Date.now() / 1_000);

describe('with the keys of an issuer', () => {
  let issuer: TestIssuer;
  let gateway: Gateway;
  let publicKey: JWK;
  beforeAll(async () => {
    issuer = await startIssuer();
    publicKey = await issuer.rotate({ algorithm: 'RS256' });
    gateway = await start({
      JWT_ISSUER: issuer.url,
      JWT_AUDIENCE: `https://other.example,${AUDIENCE}`,
      JWT_CLOCK_TOLERANCE_S: '300',
    });
    // The keys are known from here on.
    await ask(gateway, await issuer.sign());
  });
  afterAll(async () => {
    await gateway.close();
    await issuer.close();
  });
  beforeEach(() => {
    gateway.subgraphs.one.requests.length = 0;
    issuer.requests.length = 0;
  });

  test.each<[string, Parameters<TestIssuer['sign']>[0]]>([
    ['one audience', {}],
    ['several audiences', { claims: { aud: ['https://a.example', AUDIENCE] } }],
    ['an expiry within the clock tolerance', { claims: { exp: nowS() - 10 } }],
    ['a type', { header: { typ: 'at+jwt' } }],
  ])('a token with %s is accepted', async (_, parts) => {
    expect(await ask(gateway, await issuer.sign(parts))).toMatchObject({ status: 200, data: VERSION });
    expect(issuer.requests).toEqual([]);
  });

  const withKey = (token: SignJWT, alg: string, key: Parameters<SignJWT['sign']>[0], header = {}) =>
    token.setProtectedHeader({ alg, kid: publicKey.kid ?? '', ...header }).sign(key);
  const claimsOf = (claims = {}) =>
    new SignJWT({ iss: issuer.url, aud: AUDIENCE, sub: 'ada', exp: nowS() + 600, ...claims });
  const attacker = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = () => createPublicKey({ key: { ...publicKey }, format: 'jwk' }).export({ type: 'spki', format: 'pem' });

  test.each<[string, () => Promise<string> | string]>([
    ['text', () => 'not-a-token'],
    ['three parts of nothing', () => 'e30.e30.e30'],
    ['no signature', async () => (await issuer.sign()).replace(/[^.]+$/, '')],
    [
      'the signature of another token',
      async () => {
        const [one, other] = [await issuer.sign(), await issuer.sign({ claims: { sub: 'bob' } })];
        return one.replace(/[^.]+$/, other.replace(/^.*\./, ''));
      },
    ],
    [
      'the algorithm none',
      () => new UnsecuredJWT({ iss: issuer.url, aud: AUDIENCE, sub: 'ada' }).setExpirationTime('10m').encode(),
    ],
    ['an HMAC by the public key', () => withKey(claimsOf(), 'HS256', Buffer.from(pem()))],
    ['the signature of an unknown key', () => withKey(claimsOf(), 'RS256', attacker.privateKey)],
    [
      'a key of its own',
      () => withKey(claimsOf(), 'RS256', attacker.privateKey, { jwk: attacker.publicKey.export({ format: 'jwk' }) }),
    ],
    ['another audience', () => issuer.sign({ claims: { aud: 'https://shop.example' } })],
    ['no audience', () => issuer.sign({ claims: { aud: undefined } })],
    ['an audience that only begins alike', () => issuer.sign({ claims: { aud: `${AUDIENCE}.evil.example` } })],
    ['another issuer', () => issuer.sign({ claims: { iss: 'https://login.example' } })],
    ['no issuer', () => issuer.sign({ claims: { iss: undefined } })],
    ['an expiry in the past', () => issuer.sign({ claims: { exp: nowS() - 1_000 } })],
    ['no expiry', () => issuer.sign({ claims: { exp: undefined } })],
    ['an expiry that is text', () => issuer.sign({ claims: { exp: 'never' } })],
    ['a beginning in the future', () => issuer.sign({ claims: { nbf: nowS() + 1_000 } })],
    ['no subject', () => issuer.sign({ claims: { sub: undefined } })],
    ['an empty subject', () => issuer.sign({ claims: { sub: '' } })],
    ['a subject that is a number', () => issuer.sign({ claims: { sub: 7 } })],
    ['more than 8,192 characters', () => issuer.sign({ claims: { padding: 'x'.repeat(8_192) } })],
  ])('a token with %s is refused, and nothing is fetched', async (_, make) => {
    const { status, text } = await ask(gateway, await make());
    expect([status, JSON.parse(text)]).toEqual([
      401,
      {
        errors: [
          {
            message: 'The credentials are not valid. Log in again, or contact the operator.',
            extensions: { code: 'UNAUTHENTICATED' },
          },
        ],
      },
    ]);
    expect(gateway.subgraphs.one.requests).toEqual([]);
    expect(issuer.requests).toEqual([]);
  });

  test.each([
    ['another scheme', ['authorization: Basic YTpi']],
    ['no token', ['authorization: Bearer']],
    ['an empty header', ['authorization:']],
    ['two tokens', ['authorization: Bearer TOKEN, Bearer TOKEN']],
    ['two headers', ['authorization: Bearer TOKEN', 'Authorization: Bearer TOKEN']],
  ])('with %s, the request is refused before its body is read', async (_, headers) => {
    const token = await issuer.sign();
    const raw = await connectRaw(gateway.url);
    const lines = headers.map((line) => line.replaceAll('TOKEN', token));
    raw.write(
      `POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 100\r\n${lines.join('\r\n')}\r\n\r\n`,
    );
    await raw.until('}]}');
    expect(raw.received()).toMatch(/^HTTP\/1\.1 401 [\s\S]*\r\nwww-authenticate: Bearer error="invalid_token"\r\n/i);
    expect(bodyOf(raw.received())).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
    raw.socket.destroy();
  });

  test('a request without credentials is refused, and its challenge names no error', async () => {
    const url = `${gateway.url}/graphql?query={version}`;
    const response = await fetch(url, { headers: { 'apollo-require-preflight': '1' } });
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
    expect(await statusOf(gateway)).toBe(401);
    expect(gateway.subgraphs.one.requests).toEqual([]);
  });

  test('Apollo Sandbox opens without credentials, and executes nothing', async () => {
    const headers = { accept: 'text/html', 'apollo-require-preflight': '1' };
    const page = await fetch(`${gateway.url}/graphql`, { headers });
    expect([page.status, page.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/html')]);
    expect((await fetch(`${gateway.url}/graphql?query={version}`, { headers })).status).toBe(401);
  });

  test('with AUTH=optional, a request without credentials is served, and one with invalid ones is not', async () => {
    const optional = await start({ JWT_ISSUER: issuer.url, JWT_AUDIENCE: AUDIENCE, AUTH: 'optional' });
    expect(await ask(optional)).toMatchObject({ status: 200, data: VERSION });
    expect(await statusOf(optional, 'not-a-token')).toBe(401);
    await optional.close();
  });

  describe('of which shared caches may keep responses', () => {
    test.each([
      ['with credentials is private', true, 'max-age=60, private'],
      ['without is public', false, 'max-age=60, public'],
    ])('the response to a request %s, and caches distinguish both', async (_, hasToken, expected) => {
      const env = { JWT_ISSUER: issuer.url, JWT_AUDIENCE: AUDIENCE, AUTH: 'optional', CACHE_SCOPE: 'public' };
      const other = await start(env);
      other.subgraphs.one.before = (response) => {
        const extensions = { tributary: { freshForMs: 60_000 } };
        response.setHeader('content-type', 'application/json').end(JSON.stringify({ data: VERSION, extensions }));
        return true;
      };
      const { headers } = await fetch(`${other.url}/graphql?query={version}`, {
        headers: {
          'apollo-require-preflight': '1',
          ...(hasToken && bearer(await issuer.sign()).headers),
        },
      });
      expect(headers.get('cache-control')).toBe(expected);
      expect(headers.get('vary')?.split(', ')).toEqual(expect.arrayContaining(['authorization', 'x-api-key']));
      await other.close();
    });
  });

  test('given a subgraph that is told who asks, then equal requests are joined for one person only', async () => {
    const gateway = await start({
      JWT_ISSUER: issuer.url,
      JWT_AUDIENCE: AUDIENCE,
      SUBGRAPH_SECRET: 'a-secret-of-more-than-32-characters',
    });
    const [ada, bob] = [await issuer.sign(), await issuer.sign({ claims: { sub: 'bob' } })];
    // Verified before, so that all requests below arrive at the subgraph at once.
    await Promise.all([ask(gateway, ada), ask(gateway, bob)]);
    const gate = Promise.withResolvers<undefined>();
    let arrived = 0;
    gateway.subgraphs.one.before = (_response, { query }) => {
      if (query.includes('last')) return false;
      arrived += 1;
      return gate.promise;
    };
    const asked = Promise.all([ada, ada, bob, bob].map((token) => ask(gateway, token)));
    await gateway.ask('{ last: version }', {}, bearer(ada));
    gate.resolve(undefined);
    gateway.subgraphs.one.before = () => false;
    for (const { data } of await asked) expect(data).toEqual(VERSION);
    expect(arrived).toBe(2);
    await gateway.close();
  });
});

describe('the keys of an issuer', () => {
  let issuer: TestIssuer;
  let gateway: Gateway;
  beforeEach(async () => {
    issuer = await startIssuer();
    gateway = await start({ JWT_ISSUER: issuer.url, JWT_AUDIENCE: AUDIENCE });
  });
  afterEach(async () => {
    await gateway.close();
    await issuer.close();
    resetClock();
  });

  const goDown = (): void => {
    issuer.before = (response) => {
      response.destroy();
      return true;
    };
  };
  const comeBack = (): void => {
    issuer.before = () => false;
  };
  const keyFetches = (): number => issuer.requests.filter((path) => path === '/jwks').length;

  test('are fetched once for all requests that wait for them', async () => {
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, index) => issuer.sign({ claims: { sub: `${index}` } })),
    );
    const statuses = await Promise.all(tokens.map((token) => statusOf(gateway, token)));
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(issuer.requests).toEqual(['/.well-known/openid-configuration', '/jwks']);
  });

  test('rotate under load and unknown key IDs, and no request with a valid token fails', async () => {
    let isOver = false;
    const statuses = new Map<string, number>();
    const load = async (name: string, sign: () => Promise<string>): Promise<void> => {
      while (!isOver) {
        const key = `${name} ${await statusOf(gateway, await sign())}`;
        statuses.set(key, (statuses.get(key) ?? 0) + 1);
      }
    };
    const startedAt = performance.now();
    const unknown = () => issuer.sign({ header: { kid: crypto.randomUUID() } });
    const running = [1, 2, 3].flatMap(() => [load('valid', () => issuer.sign()), load('unknown', unknown)]);
    for (let rotation = 0; rotation < 3; rotation += 1) {
      const before = keyFetches();
      await issuer.rotate({ keep: true });
      const token = await issuer.sign();
      expect(await statusOf(gateway, token)).toBe(200);
      expect(keyFetches()).toBeGreaterThan(before);
    }
    isOver = true;
    await Promise.all(running);
    expect([...statuses.keys()].sort()).toEqual(['unknown 401', 'valid 200']);
    // One in each second at most, and the first.
    expect(keyFetches()).toBeLessThanOrEqual(Math.ceil((performance.now() - startedAt) / 1_000) + 1);
  });

  test('are fetched once in a second however many unknown key IDs there are', async () => {
    expect(await statusOf(gateway, await issuer.sign())).toBe(200);
    const startedAt = performance.now();
    const unknown = await Promise.all(
      Array.from({ length: 300 }, () => issuer.sign({ header: { kid: crypto.randomUUID() } })),
    );
    const statuses = await Promise.all(unknown.map((token) => statusOf(gateway, token)));
    expect(new Set(statuses)).toEqual(new Set([401]));
    expect(keyFetches()).toBeLessThanOrEqual(Math.ceil((performance.now() - startedAt) / 1_000) + 1);
    expect(gateway.subgraphs.one.requests).toHaveLength(1);
  });

  test('without an ID are recognized by the signature after a rotation', async () => {
    const withoutId = () => issuer.sign({ header: { kid: undefined } });
    expect(await statusOf(gateway, await withoutId())).toBe(200);
    await issuer.rotate();
    expect(await statusOf(gateway, await withoutId())).toBe(200);
  });

  test('are used while the issuer is down, even if they are old, and new ones when it is back', async () => {
    expect(await statusOf(gateway, await issuer.sign())).toBe(200);
    goDown();
    advanceClock(700_000);
    // The first one waits for the attempt.
    for (let count = 0; count < 3; count += 1) expect(await statusOf(gateway, await issuer.sign())).toBe(200);
    const old = await issuer.sign();
    await issuer.rotate();
    expect(await statusOf(gateway, await issuer.sign())).toBe(401);
    comeBack();
    expect(await statusOf(gateway, await issuer.sign())).toBe(200);
    expect(await statusOf(gateway, old)).toBe(401);
  });

  test('that are older than ten minutes are fetched again before they are used', async () => {
    const old = await issuer.sign();
    expect(await statusOf(gateway, old)).toBe(200);
    const other = await issuer.sign({ claims: { sub: 'bob' } });
    await issuer.rotate();
    advanceClock(700_000);
    expect(await statusOf(gateway, other)).toBe(401);
  });

  test('that are unknown while the issuer is down make the request fail with 503', async () => {
    goDown();
    const { status, errors } = await ask(gateway, await issuer.sign());
    expect([status, errors?.[0]?.extensions?.['code']]).toEqual([503, 'AUTHENTICATION_UNAVAILABLE']);
    comeBack();
    expect(await statusOf(gateway, await issuer.sign())).toBe(200);
  });

  test.each(['/graphql?query={version}', '/schema.graphql'])(
    'that do not arrive before the deadline make a request for %s fail with 503, and serve later ones',
    async (path) => {
      const impatient = await start({ JWT_ISSUER: issuer.url, JWT_AUDIENCE: AUDIENCE, REQUEST_TIMEOUT_MS: '200' });
      const held = Promise.withResolvers<() => void>();
      issuer.before = (response, request) => {
        if (request.url !== '/jwks') return false;
        held.resolve(() => issuer.service().requestHandler(request, response));
        return true;
      };
      const { headers } = bearer(await issuer.sign());
      const get = () => fetch(impatient.url + path, { headers: { ...headers, 'apollo-require-preflight': '1' } });
      const answer = await get();
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
      expect(await answer.json()).toMatchObject({ errors: [{ extensions: { code: 'AUTHENTICATION_UNAVAILABLE' } }] });
      comeBack();
      (await held.promise)();
      await expect.poll(async () => (await get()).status, { timeout: 30_000 }).toBe(200);
      // The fetch was still under way at the deadline, so no other one was needed.
      expect(keyFetches()).toBe(1);
      await impatient.close();
    },
  );

  test.each<[string, (response: Parameters<TestIssuer['before']>[0]) => void]>([
    ['no JSON', (response) => response.end('<html>')],
    ['no keys', (response) => response.end('{}')],
    ['a status of failure', (response) => response.writeHead(500).end('{"keys":[]}')],
    ['a redirect', (response) => response.writeHead(302, { location: '/other' }).end()],
    ['more than 256 KiB', (response) => response.end(`{"keys":[],"padding":"${'x'.repeat(300_000)}"}`)],
    [
      'another issuer',
      (response) => response.end(JSON.stringify({ issuer: 'https://a.example', jwks_uri: `${issuer.url}/jwks` })),
    ],
  ])('are not taken from a response with %s', async (what, respond) => {
    issuer.before = (response, { url }) => {
      // What another issuer's document names is in order.
      if (what === 'another issuer' && url === '/jwks') return false;
      respond(response);
      return true;
    };
    expect(await statusOf(gateway, await issuer.sign())).toBe(503);
  });

  test('of an issuer that is not configured are never fetched', async () => {
    const other = await startIssuer();
    expect(await statusOf(gateway, await other.sign())).toBe(401);
    expect([...other.requests, ...issuer.requests]).toEqual([]);
    await other.close();
  });
});

test('a verified token is remembered, but not beyond its expiry', async () => {
  const issuer = await startIssuer();
  const gateway = await start({ JWT_ISSUER: issuer.url, JWT_AUDIENCE: AUDIENCE });
  const token = await issuer.sign({ claims: { exp: nowS() + 60 } });
  expect(await statusOf(gateway, token)).toBe(200);
  advanceClock(50_000);
  expect(await statusOf(gateway, token)).toBe(200);
  advanceClock(60_000);
  expect(await statusOf(gateway, token)).toBe(401);
  resetClock();
  await gateway.close();
  await issuer.close();
});
