import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { addressesOf } from '../../connectors/settings.ts';
import { startGateway } from '../../gateway/start.ts';
import { subgraphs as subgraphModules } from '../../subgraphs/index.ts';
import { type Spawned, startProcess } from '../helpers/processes.ts';
import { sandboxEnvironment, sandboxes } from '../helpers/sandboxes.ts';
import { type Ask, createAsk, type Stack, startStack } from '../helpers/stack.ts';

/* Each tenant's requests reach the providers with its own credentials, and nothing is shared between tenants. */

const QUERIES: Readonly<Record<string, string>> = {
  stripe: '{ payments(first: 1) { edges { node { id } } } }',
  hubspot: '{ customers(first: 1) { edges { node { id } } } }',
  openmage: '{ product(sku: "OABR-S") { stock { quantity } } }',
};

const folder = mkdtempSync(join(tmpdir(), 'tenants-'));
const file = join(folder, 'tenants.yaml');

const variablesOf = (provider: string, credential: Readonly<Record<string, string>> | undefined) =>
  Object.fromEntries(
    Object.entries(credential ?? {}).map(([name, value]) => [`${provider.toUpperCase()}_${name}`, value]),
  );

const OTHER = Object.assign(
  {},
  ...[...sandboxes].map(([name, { otherCredential }]) => variablesOf(name, otherCredential)),
);

const write = (tenants: Readonly<Record<string, object>>): void => {
  // A whole file at once, as a deployment should.
  writeFileSync(`${file}.next`, JSON.stringify(tenants));
  renameSync(`${file}.next`, file);
};

const TENANTS = {
  acme: { STRIPE_API_KEY: 'sk_test_tributary_sandbox', HUBSPOT_ACCESS_TOKEN: 'pat-sandbox-tributary' },
  globex: OTHER,
  wrong: {
    STRIPE_API_KEY: 'sk_test_wrong',
    HUBSPOT_ACCESS_TOKEN: 'pat-wrong',
    OPENMAGE_USERNAME: 'x',
    OPENMAGE_API_KEY: 'y',
  },
  nothing: {},
};

let stack: Stack;
beforeAll(async () => {
  write(TENANTS);
  stack = await startStack({ env: { TENANTS: file, TENANT_HEADER: 'X-Tenant', CACHE_MAX_MIB: '16' } });
});
afterAll(async () => {
  await stack.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => stack.reset());

const askAs = (tenant: string, query: string, ask: Ask = stack.ask) =>
  ask(query, {}, { headers: { 'x-tenant': tenant } });

const codesOf = ({ errors }: { errors?: readonly { extensions?: { code?: unknown } }[] | undefined }) =>
  errors?.map(({ extensions }) => extensions?.code);

describe.each(Object.entries(QUERIES))('%s', (provider, query) => {
  test('what one tenant has read, another reads again, with its own credential', async () => {
    const first = await stack.ask(query);
    expect(first.errors).toBeUndefined();
    const before = stack.sandbox(provider).calls.length;
    expect((await stack.ask(query)).data).toEqual(first.data);
    expect(stack.sandbox(provider).calls.length).toBe(before);
    const other = await askAs('globex', query);
    expect(other.errors).toBeUndefined();
    expect(stack.sandbox(provider).calls.length).toBeGreaterThan(before);
  });

  test('given a credential that is rejected, then only its tenant fails', async () => {
    expect(codesOf(await askAs('wrong', query))).toEqual(['UPSTREAM_UNAUTHORIZED']);
    expect((await askAs('globex', query)).errors).toBeUndefined();
    expect((await stack.ask(query)).errors).toBeUndefined();
  });

  test('given no credential, then the provider is not called with the configured one', async () => {
    await stack.ask(query);
    stack.reset();
    const { errors } = await askAs('nothing', query);
    expect(codesOf({ errors })).toEqual(['UPSTREAM_UNAUTHORIZED']);
    expect(errors?.[0]?.message).toMatch(/^There are no credentials for the \w+ service\.$/);
    expect(stack.sandbox(provider).calls).toEqual([]);
  });
});

test.each(['initech', 'x'.repeat(2_000), 'ada@customers.example', '__proto__'])(
  'given a tenant that does not exist (%s), then nothing is executed',
  async (tenant) => {
    const { status, errors } = await askAs(tenant, QUERIES['stripe'] ?? '');
    expect(status).toBe(403);
    expect(codesOf({ errors })).toEqual(['FORBIDDEN']);
    expect(stack.stripe.calls).toEqual([]);
  },
);

test('equal queries of two tenants at once are two provider requests', async () => {
  const query = '{ payment(id: "pi_3never") { id } }';
  const asked = [stack.ask(query), askAs('globex', query), askAs('globex', query)];
  for (const { errors } of await Promise.all(asked)) expect(errors).toBeUndefined();
  expect(stack.stripe.calls).toHaveLength(2);
});

test('given a changed file, then new tenants are served, and an invalid file changes nothing', async () => {
  const query = QUERIES['stripe'] ?? '';
  write({ ...TENANTS, initech: { STRIPE_API_KEY: OTHER.STRIPE_API_KEY } });
  await expect.poll(async () => (await askAs('initech', query)).status).toBe(200);
  writeFileSync(file, 'initech: [');
  expect((await askAs('initech', query)).status).toBe(200);
  write({ ...TENANTS, hooli: { STRIPE_API_KEY: OTHER.STRIPE_API_KEY } });
  await expect.poll(async () => (await askAs('hooli', query)).status).toBe(200);
  expect((await askAs('initech', query)).status).toBe(403);
  write(TENANTS);
});

test('given a tenant’s secret in a file, then its new content is used', async () => {
  const secret = join(folder, 'stripe-key');
  writeFileSync(secret, 'sk_test_wrong');
  write({ ...TENANTS, filed: { STRIPE_API_KEY_FILE: secret } });
  const query = QUERIES['stripe'] ?? '';
  await expect.poll(async () => (await askAs('filed', query)).status).toBe(200);
  expect(codesOf(await askAs('filed', query))).toEqual(['UPSTREAM_UNAUTHORIZED']);
  writeFileSync(secret, OTHER.STRIPE_API_KEY);
  await expect.poll(async () => (await askAs('filed', query)).errors).toBeUndefined();
  write(TENANTS);
});

test('responses to GET vary by the tenant header and by forwarded ones, also those that are private', async () => {
  const response = await fetch(`${stack.url}/graphql?query={__typename}`, {
    headers: { 'apollo-require-preflight': 'yes', 'x-tenant': 'acme' },
  });
  expect(response.headers.get('vary')?.split(', ')).toEqual(expect.arrayContaining(['x-tenant', 'accept-language']));
});

describe('over HTTP', () => {
  const SECRET = 'a-secret-of-more-than-32-characters!';
  let subgraphs: Spawned;
  let gateway: Pick<Stack, 'ask' | 'close'>;
  beforeAll(async () => {
    subgraphs = startProcess(['node', 'subgraphs/main.ts'], {
      SUBGRAPHS: 'payments',
      PORT: '0',
      TENANTS: file,
      SUBGRAPH_SECRET: SECRET,
      ...sandboxEnvironment('stripe', stack.stripe),
    });
    const url = () => /payments answers at (\S+)/.exec(subgraphs.output())?.[1] ?? '';
    await vi.waitFor(() => expect(url()).not.toBe(''), 120_000);
    gateway = await stack.startAnother({ PAYMENTS_URL: url(), SUBGRAPH_SECRET: SECRET });
  });
  afterAll(async () => {
    await gateway.close();
    await subgraphs.stop();
  });

  test('the subgraph uses the credential of the tenant that the gateway has signed', async () => {
    const query = QUERIES['stripe'] ?? '';
    expect((await askAs('globex', query, gateway.ask)).errors).toBeUndefined();
    expect(codesOf(await askAs('wrong', query, gateway.ask))).toEqual(['UPSTREAM_UNAUTHORIZED']);
    await expect.poll(() => subgraphs.output()).toContain('TENANTS');
  });
});

describe('in production, if only tenants have credentials', () => {
  const addresses = () =>
    Object.assign(
      {},
      ...subgraphModules.map(({ provider }) => {
        const configured = sandboxEnvironment(provider.name, stack.sandbox(provider.name));
        return Object.fromEntries(addressesOf(provider).map((name) => [name, configured[name]]));
      }),
    );
  const environment = (tenants: object): Record<string, string> => {
    const own = join(folder, 'tenants-only.yaml');
    writeFileSync(own, JSON.stringify(tenants));
    return { NODE_ENV: 'production', AUTH: 'none', PORT: '0', LOG_LEVEL: 'silent', TENANTS: own, ...addresses() };
  };

  test('the gateway serves them, and refuses requests without a tenant before anything is planned', async () => {
    const gateway = await startGateway({ ...environment({ globex: OTHER }), TENANT_HEADER: 'x-tenant' });
    const ask = createAsk(`${gateway.url}/graphql`);
    for (const query of Object.values(QUERIES)) expect((await askAs('globex', query, ask)).errors).toBeUndefined();
    stack.reset();
    for (const query of Object.values(QUERIES)) {
      const { status, errors } = await ask(query);
      expect([status, codesOf({ errors })]).toEqual([403, ['FORBIDDEN']]);
    }
    for (const provider of Object.keys(QUERIES)) expect(stack.sandbox(provider).calls).toEqual([]);
    await gateway.close();
  });

  test('a subgraph in a process of its own serves them, and calls nothing for a request without a tenant', {
    tags: ['long'],
  }, async () => {
    const SUBGRAPH_SECRET = 'a-secret-of-more-than-32-characters!';
    const served = { ...environment({ globex: OTHER }), SUBGRAPH_SECRET };
    const subgraph = startProcess(['node', 'subgraphs/main.ts'], { ...served, SUBGRAPHS: 'payments' });
    const url = () => /payments answers at (\S+)/.exec(subgraph.output())?.[1] ?? '';
    await vi.waitFor(() => expect(url()).not.toBe(''), 120_000);
    const gateway = await stack.startAnother({ PAYMENTS_URL: url(), SUBGRAPH_SECRET });
    const query = QUERIES['stripe'] ?? '';
    expect((await askAs('globex', query, gateway.ask)).errors).toBeUndefined();
    stack.reset();
    expect((await gateway.ask(query)).errors).toMatchObject([
      {
        message: 'There are no credentials for the payments service.',
        extensions: { code: 'UPSTREAM_UNAUTHORIZED' },
      },
    ]);
    expect(stack.stripe.calls).toEqual([]);
    await gateway.close();
    await subgraph.stop();
  });

  const { STRIPE_API_KEY: _, ...withoutStripe } = OTHER;
  test.each<[string, object, Record<string, string>, string[]]>([
    [
      'a tenant lacks a credential',
      { globex: OTHER, acme: withoutStripe },
      { TENANT_HEADER: 'x-tenant' },
      ['TENANTS: acme: STRIPE_API_KEY: is required to call Stripe'],
    ],
    [
      'there is no tenant',
      {},
      { TENANT_HEADER: 'x-tenant' },
      ['TENANTS: must have a tenant, as there is no other credential: STRIPE_API_KEY'],
    ],
    [
      'no request can belong to a tenant',
      { globex: OTHER },
      {},
      [
        'TENANTS: no request can belong to a tenant, and there is no other credential for Stripe. Set TENANT_HEADER, ' +
          'JWT_TENANT_CLAIM, a tenant in AUTH_CONFIG, API keys, or STRIPE_API_KEY.',
      ],
    ],
    [
      'half a credential is configured',
      { globex: OTHER },
      { TENANT_HEADER: 'x-tenant', OPENMAGE_USERNAME: 'u' },
      ['OPENMAGE_API_KEY: is required to call the shop'],
    ],
  ])('and %s, the gateway does not start, and says what is missing', async (_case, tenants, env, problems) => {
    const message = await startGateway({ ...environment(tenants), ...env }).then(
      (gateway) => gateway.close(),
      (error: Error) => error.message,
    );
    expect(String(message).split('\n')).toEqual(problems);
  });
});

test('given a thousand tenants, then ten of them are served', { tags: ['long'] }, async () => {
  const many = join(folder, 'many.yaml');
  const all = Array.from({ length: 1_000 }, (_, index) => [`tenant-${index}`, OTHER]);
  writeFileSync(many, JSON.stringify(Object.fromEntries(all)));
  const { ask, close } = await stack.startAnother({ TENANTS: many });
  const asked = Array.from({ length: 10 }, (_, index) => askAs(`tenant-${index * 99}`, QUERIES['hubspot'] ?? '', ask));
  for (const { errors } of await Promise.all(asked)) expect(errors).toBeUndefined();
  await close();
});

test.each([
  ['is missing', undefined, 'TENANTS: the file cannot be read.'],
  ['is no YAML', 'a: [', 'TENANTS: must be a YAML file with variables by tenant'],
  ['has a list', '- a', 'TENANTS: must be a YAML file with variables by tenant'],
  ['has an unknown variable', 'acme: { STRIPE_KEY: sk_x }', 'TENANTS: acme has unknown variables: STRIPE_KEY'],
  [
    'has a tenant with half a credential',
    'acme: { OPENMAGE_USERNAME: u }',
    'TENANTS: acme: OPENMAGE_API_KEY: is required',
  ],
  [
    'has a secret for a name',
    'acme: { sk_x: STRIPE_API_KEY }',
    'TENANTS: acme has unknown variables: a name that is none',
  ],
  ['has a variable without a value', 'acme: { STRIPE_API_KEY: }', 'TENANTS: must be a YAML file'],
  ['has a tenant without a name', '"": {}', 'TENANTS: must be a YAML file'],
])('given a file that %s, then the gateway does not start, and shows no secret', async (_, text, problem) => {
  const invalid = join(folder, 'invalid.yaml');
  rmSync(invalid, { force: true });
  if (text !== undefined) writeFileSync(invalid, text);
  const message = await startGateway({ PORT: '0', LOG_LEVEL: 'silent', TENANTS: invalid }).then(
    (gateway) => gateway.close(),
    (error: Error) => error.message,
  );
  expect(message).toContain(problem);
  expect(message).not.toContain('sk_x');
});
