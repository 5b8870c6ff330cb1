import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../../gateway/config.ts';
import { type Federation, startFederation } from '../../helpers/federation.ts';
import { AUDIENCE, bearer, startIssuer } from '../../helpers/issuer.ts';
import { ROOT, startProcess } from '../../helpers/processes.ts';
import { startStack } from '../../helpers/stack.ts';
import { headersOf, TOKEN_ENV } from '../../helpers/tokens.ts';

/* How authentication is configured, and what is refused at the start. */

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'auth-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

const problemOf = (env: Record<string, string>): string => {
  try {
    readConfig(env, []);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const PUBLIC_PEM = publicKey.export({ type: 'spki', format: 'pem' }).toString();
const PRIVATE_PEM = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const SECRET = 'a-secret-of-at-least-32-characters';
const ISSUER = { JWT_ISSUER: 'https://login.example/', JWT_AUDIENCE: AUDIENCE };

test.each<[string, Record<string, string>, string]>([
  ['no audience', { JWT_ISSUER: 'https://login.example' }, 'JWT_AUDIENCE: is required'],
  ['an empty audience', { ...ISSUER, JWT_AUDIENCE: ' , ' }, 'JWT_AUDIENCE: must be a name or a list of names'],
  ['an audience without an issuer', { JWT_AUDIENCE: AUDIENCE }, 'JWT_ISSUER: is required'],
  ['a desk without an issuer', { DESK_CLIENT_ID: 'desk' }, 'DESK_CLIENT_ID: must be used with JWT_ISSUER, an http'],
  [
    'a desk with an issuer without a URL',
    { JWT_ISSUER: 'batch', JWT_AUDIENCE: AUDIENCE, JWT_SECRET: SECRET, DESK_CLIENT_ID: 'desk' },
    'DESK_CLIENT_ID: must be used with JWT_ISSUER, an http or https URL',
  ],
  ['an issuer without a URL', { ...ISSUER, JWT_ISSUER: 'login' }, 'JWT_ISSUER: must be an http or https URL, unless'],
  ['a key set without a URL', { ...ISSUER, JWT_JWKS_URL: 'keys' }, 'JWT_JWKS_URL: must be an http or https URL'],
  [
    'two sources of keys',
    { ...ISSUER, JWT_JWKS_URL: 'https://a.example', JWT_SECRET: SECRET },
    'JWT_SECRET: must not be',
  ],
  ['the algorithm none', { ...ISSUER, JWT_ALGORITHMS: 'RS256,none' }, 'JWT_ALGORITHMS: must be of RS256, RS384'],
  ['an HMAC without a secret', { ...ISSUER, JWT_ALGORITHMS: 'HS256' }, 'JWT_ALGORITHMS: must be of RS256, RS384'],
  [
    'a signature with a secret',
    { ...ISSUER, JWT_SECRET: SECRET, JWT_ALGORITHMS: 'RS256' },
    'JWT_ALGORITHMS: must be of HS256',
  ],
  ['a short secret', { ...ISSUER, JWT_SECRET: 'hush' }, 'JWT_SECRET: must have at least 32 characters'],
  [
    'a private key',
    { ...ISSUER, JWT_PUBLIC_KEY: PRIVATE_PEM },
    'JWT_PUBLIC_KEY: must be a public key or a certificate',
  ],
  [
    'a key that is text',
    { ...ISSUER, JWT_PUBLIC_KEY: 'hush' },
    'JWT_PUBLIC_KEY: must be a public key or a certificate',
  ],
  ['a key’s file that is not there', { ...ISSUER, JWT_PUBLIC_KEY_FILE: '/nowhere' }, 'JWT_PUBLIC_KEY_FILE: the file'],
  [
    'a tolerance of an hour',
    { ...ISSUER, JWT_CLOCK_TOLERANCE_S: '3600' },
    'JWT_CLOCK_TOLERANCE_S: must be at most 300',
  ],
  ['a mode that is none', { AUTH: 'maybe' }, 'AUTH: must be one of none, development, optional, required'],
  ['a mode without a method', { AUTH: 'required' }, 'AUTH: must be used with one of JWT_ISSUER, AUTH_CONFIG'],
  ['a method that is switched off', { ...ISSUER, AUTH: 'none' }, 'AUTH: must not be none with JWT_ISSUER'],
  [
    'production without a method',
    { NODE_ENV: 'production' },
    'AUTH: is required in production without one of JWT_ISSUER',
  ],
  ['a file that is not there', { AUTH_CONFIG: '/nowhere' }, 'AUTH_CONFIG: the file cannot be read'],
  [
    'a file of API keys that is none',
    { API_KEYS_FILE: '/dev/null' },
    'API_KEYS_FILE: must be a file of `npm run keys`',
  ],
  ['API keys in no file', { API_KEYS_STORE: 'file' }, 'API_KEYS_FILE: is required with API_KEYS_STORE=file'],
  ['API keys in no Redis', { API_KEYS_STORE: 'redis' }, 'REDIS_URL: is required with API_KEYS_STORE=redis'],
  [
    'API keys in two places',
    { API_KEYS_STORE: 'redis', API_KEYS_FILE: '/nowhere', REDIS_URL: 'redis://127.0.0.1' },
    'API_KEYS_FILE: must not be set with API_KEYS_STORE=redis',
  ],
])('%s is refused with one line', (_, env, expected) => {
  const problem = problemOf(env);
  expect(problem).toContain(expected);
  expect(problem.split('\n')).toHaveLength(1);
  expect(problem).not.toMatch(/hush|PRIVATE KEY/);
});

test('given AUTH=required, then the schema is for those with credentials', async () => {
  const stack = await startStack({ env: { ...TOKEN_ENV, AUTH: 'required' } });
  const statusOf = async (headers: Record<string, string>) =>
    (await fetch(`${stack.url}/schema.graphql`, { headers })).status;
  expect(await statusOf({})).toBe(401);
  expect(await statusOf(headersOf({}))).toBe(200);
  await stack.close();
});

test.each<[string, string, string]>([
  ['no YAML', '{', 'must be a YAML file with a list of issuers or certificates'],
  ['no issuers', 'issuers: []', 'must be a YAML file with a list of issuers or certificates'],
  ['another setting', 'issuer: https://a.example', 'must be a YAML file with a list of issuers or certificates'],
  [
    'a certificate without scopes',
    'certificates: [{ subject: CN=a }]',
    'must be a YAML file with a list of issuers or certificates (certificates.0.scopes)',
  ],
  [
    'one subject twice',
    'certificates: [{ subject: CN=a, scopes: [] }, { subject: CN=a, scopes: [b] }]',
    'must name each subject of a certificate once',
  ],
  ['an issuer that is text', 'issuers: [https://a.example]', 'issuers.0 must be'],
  [
    'a setting that does not exist',
    'issuers: [{ issuer: https://a.example, audience: b, audiance: c }]',
    'issuers.0.audiance is not',
  ],
  ['no audience', 'issuers: [{ issuer: https://a.example }]', 'issuers.0.audience is required'],
  [
    'a claim that is a list',
    'issuers: [{ issuer: https://a.example, audience: b, tenantClaim: [c] }]',
    'issuers.0.tenantClaim must be',
  ],
  [
    'a secret’s file that is not there',
    'issuers: [{ issuer: a, audience: b, secretFile: nowhere }]',
    'issuers.0.secretFile the file',
  ],
  [
    'one issuer twice',
    'issuers: [{ issuer: https://a.example, audience: b }, { issuer: https://a.example, audience: c }]',
    'must name each issuer once',
  ],
])('AUTH_CONFIG with %s is refused with one line', (_, text, expected) => {
  const problem = problemOf({ AUTH_CONFIG: write('auth.yaml', text) });
  expect(problem).toContain(`AUTH_CONFIG: ${expected}`);
  expect(problem.split('\n')).toHaveLength(1);
});

test('several problems are named at once', () => {
  const text = 'issuers: [{ issuer: https://a.example }, { issuer: b, audience: c }]';
  const env = { JWT_AUDIENCE: AUDIENCE, JWT_SECRET: 'short', AUTH_CONFIG: write('several.yaml', text), PORT: 'http' };
  const names = problemOf(env)
    .split('\n')
    .map((line) => line.split(' ').slice(0, 2).join(' '));
  expect(names).toEqual([
    'PORT: must',
    'JWT_ISSUER: is',
    'AUTH_CONFIG: issuers.0.audience',
    'AUTH_CONFIG: issuers.1.issuer',
  ]);
});

test('the examples of docs/security.md are valid', () => {
  const guide = readFileSync(join(ROOT, 'docs/security.md'), 'utf8');
  const [issuers = '', certificates = ''] = [...guide.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text);
  write('batch.pem', PUBLIC_PEM);
  const AUTH_CONFIG = write('example.yaml', issuers + certificates);
  const TLS = { TLS_CERT: '/nowhere', TLS_KEY: '/nowhere', TLS_CLIENT_CA: '/nowhere' };
  const { auth } = readConfig({ AUTH_CONFIG, ...TLS }, []);
  expect(auth.issuers.map(({ issuer }) => issuer)).toHaveLength(3);
  expect(auth.certificates.map(({ subject }) => subject)).toEqual(['CN=billing,O=Example', 'CN=warehouse,O=Example']);
});

test.each([
  ['the product', {}],
  ['an external supergraph', { SUPERGRAPH: '/nowhere' }],
])('in production, %s does not start without authentication, and says what to set', async (_, env) => {
  const { ended, output } = startProcess(['node', 'gateway/main.ts'], {
    NODE_ENV: 'production',
    PORT: '0',
    SANDBOX: 'on',
    ...env,
  });
  expect(await ended).toBe(78);
  expect(output().trim()).toMatch(/^Tributary cannot start: AUTH: is required in production [^\n]+AUTH=none[^\n]+$/);
});

const SCHEMA = { schema: 'type Query { version: String }', fields: { 'Query.version': () => 'first' } };
const statusOf = async ({ ask }: Federation<'one'>, token?: string): Promise<number> =>
  (await ask('{ version }', {}, token ? bearer(token) : {})).status;
const sign = (issuer: string, alg: string, key: Parameters<SignJWT['sign']>[0], audience = AUDIENCE) =>
  new SignJWT({ sub: 'ada' })
    .setProtectedHeader({ alg })
    .setIssuer(issuer)
    .setAudience(audience)
    .setExpirationTime('10m')
    .sign(key);

describe('static keys', () => {
  test.each<[string, () => Record<string, string>]>([
    ['a variable', () => ({ JWT_PUBLIC_KEY: PUBLIC_PEM })],
    ['a variable in one line', () => ({ JWT_PUBLIC_KEY: PUBLIC_PEM.trim().replaceAll('\n', '\\n') })],
    ['a file', () => ({ JWT_PUBLIC_KEY_FILE: write('key.pem', PUBLIC_PEM) })],
  ])('from %s verify tokens, and nothing is an HMAC by them', async (_, env) => {
    const gateway = await startFederation({ one: SCHEMA }, { JWT_ISSUER: 'login', JWT_AUDIENCE: AUDIENCE, ...env() });
    expect(await statusOf(gateway, await sign('login', 'ES256', privateKey))).toBe(200);
    expect(await statusOf(gateway, await sign('login', 'HS256', Buffer.from(PUBLIC_PEM)))).toBe(401);
    expect(await statusOf(gateway, await sign('other', 'ES256', privateKey))).toBe(401);
    await gateway.close();
  });

  test('that are secret verify HMACs, and no signatures', async () => {
    const env = { JWT_ISSUER: 'login', JWT_AUDIENCE: AUDIENCE, JWT_SECRET: SECRET };
    const gateway = await startFederation({ one: SCHEMA }, env);
    expect(await statusOf(gateway, await sign('login', 'HS256', Buffer.from(SECRET)))).toBe(200);
    expect(await statusOf(gateway, await sign('login', 'HS256', Buffer.from(SECRET.toUpperCase())))).toBe(401);
    expect(await statusOf(gateway, await sign('login', 'ES256', privateKey))).toBe(401);
    await gateway.close();
  });

  test('verify only signatures of the algorithms in JWT_ALGORITHMS', async () => {
    const env = { JWT_ISSUER: 'login', JWT_AUDIENCE: AUDIENCE, JWT_PUBLIC_KEY: PUBLIC_PEM, JWT_ALGORITHMS: 'RS256' };
    const gateway = await startFederation({ one: SCHEMA }, env);
    expect(await statusOf(gateway, await sign('login', 'ES256', privateKey))).toBe(401);
    await gateway.close();
  });
});

test('several issuers: each token is verified by the rules of its own issuer', async () => {
  const [staff, customers] = [await startIssuer(), await startIssuer()];
  write('robots.pem', PUBLIC_PEM);
  const AUTH_CONFIG = write(
    'issuers.yaml',
    `issuers:
  - issuer: ${staff.url}
    audience: [${AUDIENCE}]
  - issuer: ${customers.url}
    audience: https://shop.example
    jwksUrl: ${customers.url}/jwks
    customerEmailClaim: email
  - issuer: robots
    audience: ${AUDIENCE}
    publicKeyFile: robots.pem
`,
  );
  const env = { AUTH_CONFIG, JWT_ISSUER: 'own', JWT_AUDIENCE: AUDIENCE, JWT_SECRET: SECRET };
  const gateway = await startFederation({ one: SCHEMA }, env);
  const ofCustomer = { aud: 'https://shop.example', email: 'ada@customers.example' };
  for (const [token, status] of [
    [await staff.sign(), 200],
    [await customers.sign({ claims: ofCustomer }), 200],
    [await sign('robots', 'ES256', privateKey), 200],
    [await sign('own', 'HS256', Buffer.from(SECRET)), 200],
    [await customers.sign(), 401],
    [await customers.sign({ claims: { ...ofCustomer, email_verified: false } }), 401],
    [await staff.sign({ claims: { aud: 'https://shop.example' } }), 401],
    [await staff.sign({ claims: { ...ofCustomer, iss: customers.url } }), 401],
    [await sign(staff.url, 'ES256', privateKey), 401],
    [await sign('robots', 'HS256', Buffer.from(SECRET)), 401],
  ] as const) {
    expect(await statusOf(gateway, token)).toBe(status);
  }
  // Without discovery where the URL of the key set is given.
  expect(new Set(customers.requests)).toEqual(new Set(['/jwks']));
  await gateway.close();
  await staff.close();
  await customers.close();
});
