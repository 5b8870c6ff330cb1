// @module-tag long

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import type { Sandbox } from '../../sandbox/server.ts';
import { startHubSpotSandbox } from '../../subgraphs/crm/hubspot/sandbox/index.ts';
import { startOpenMageSandbox } from '../../subgraphs/inventory/openmage/sandbox/index.ts';
import { startStripeSandbox } from '../../subgraphs/payments/stripe/sandbox/index.ts';
import { sandboxEnvironment } from '../helpers/sandboxes.ts';
import { type FuzzedGateway, faultOf, startFuzzedGateway } from './fuzzed-gateway.ts';
import { mutatedBytes, mutatedJson, ODD_JSON, ODD_STATUSES, type Odd } from './odd-bodies.ts';
import { ODD_HTTP, type OddServer, startOddServer } from './odd-server.ts';
import { ODD_SOAP, ODD_WSDL } from './odd-soap.ts';

/*
 * Fuzzes the gateway with providers' responses. For each invalid one, the client must get a well-formed response, and a
 * valid one afterwards must be understood.
 */

const SEEDS = 60;
const seeds = Array.from({ length: SEEDS }, (_, index) => index + 1);
const company = createCompany();
const payment = company.accounts.flatMap(({ payments }) => payments)[0]?.id;

const STOCK = '{ product(sku: "OABR-S") { sku stock { quantity } } }';
const UNLIMITED = { calls: Number.POSITIVE_INFINITY, windowMs: 1 };
const MANY = '100000/1';

const PROVIDERS = {
  stripe: {
    start: () =>
      startStripeSandbox({ quota: { account: UNLIMITED, endpoint: UNLIMITED, search: UNLIMITED }, searchLagMs: 0 }),
    environmentOf: (sandbox: Pick<Sandbox, 'url'>) => sandboxEnvironment('stripe', sandbox),
    reads: [
      `{ payment(id: "${payment}") { id status amount { amount } refunds { id } customer { id } } }`,
      '{ payments(first: 3) { edges { node { id amount { amount currency } } } } }',
      '{ customer(email: "ada.lindqvist@customers.example") { id balance { amount } payments(first: 2) { edges { node { id } } } invoices(first: 2) { edges { node { id } } } } }',
    ],
    write: `mutation { refundPayment(input: { paymentId: "${payment}", idempotencyKey: "fuzz" }) { refund { id } } }`,
    odd: [...ODD_JSON, ...seeds.map(mutatedJson), ...seeds.map(mutatedBytes)],
  },
  hubspot: {
    start: () => startHubSpotSandbox({ quota: { account: UNLIMITED, search: UNLIMITED } }),
    environmentOf: (sandbox: Pick<Sandbox, 'url'>) => sandboxEnvironment('hubspot', sandbox),
    reads: [
      '{ customer(id: "101") { id email createdAt company { id name } deals(first: 3) { edges { node { id name amount { amount } lineItems { id quantity } } } } } }',
      '{ customers(first: 3) { edges { node { id firstName } } } }',
    ],
    write: 'mutation { updateCustomer(input: { id: "101", firstName: "Ada" }) { customer { id } } }',
    odd: [...ODD_JSON, ...seeds.map(mutatedJson), ...seeds.map(mutatedBytes)],
  },
  openmage: {
    start: () => startOpenMageSandbox(),
    environmentOf: (sandbox: Pick<Sandbox, 'url'>) => sandboxEnvironment('openmage', sandbox),
    reads: ['{ product(sku: "OABR-S") { sku name stock { quantity inStock } } }'],
    write: 'mutation { setStock(input: { sku: "OABR-S", quantity: 5 }) { product { sku } } }',
    odd: [...ODD_JSON, ...ODD_SOAP, ...seeds.map(mutatedBytes)],
  },
} as const;

describe.each(Object.entries(PROVIDERS))('%s', (name, { start, environmentOf, reads, write, odd }) => {
  let sandbox: Sandbox;
  let server: OddServer;
  let gateway: FuzzedGateway;
  let right: readonly string[];

  beforeAll(async () => {
    sandbox = await start();
    server = await startOddServer(sandbox.url);
    const environment = Object.fromEntries(
      Object.entries(environmentOf(sandbox)).map(([key, value]) => [key, value.replace(sandbox.url, server.url)]),
    );
    gateway = await startFuzzedGateway({
      CACHE_MAX_MIB: '0',
      REQUEST_TIMEOUT_MS: '10000',
      STRIPE_QUOTA: `account=${MANY},endpoint=${MANY},search=${MANY}`,
      HUBSPOT_QUOTA: `account=${MANY},search=${MANY}`,
      ...environment,
      ...(name === 'openmage' && { OPENMAGE_ENDPOINT_URL: `${server.url}/api/v2_soap/` }),
    });
    right = await Promise.all(reads.map(gateway.ask));
    for (const text of right) expect(faultOf(text, false)).toBeUndefined();
  });
  afterAll(async () => {
    await gateway.close();
    await server.close();
    await sandbox.close();
  });

  const read = (index: number) => reads[index % reads.length] ?? '';

  /** Tries each case and returns all failures, so that one run reports everything. */
  const tryAll = async (cases: readonly NonNullable<OddServer['odd']>[], ask: (index: number) => Promise<string>) => {
    const faults: string[] = [];
    const before = server.count();
    for (const [index, one] of cases.entries()) {
      server.odd = one;
      const fault = await gateway.judge(async () => faultOf(await ask(index)));
      server.odd = undefined;
      const after = fault ? undefined : await gateway.judge(() => findRight(index));
      for (const wrong of [fault, after]) if (wrong) faults.push(`${one.name}: ${wrong}`);
    }
    expect(server.count() - before).toBeGreaterThanOrEqual(cases.length / 2);
    return faults;
  };

  /** Waits for a correct response: the circuit of a failed provider stays open for up to five seconds. */
  const findRight = async (index: number): Promise<string | undefined> => {
    const expected = right[index % reads.length];
    let text = '';
    for (let tries = 0; tries < 40; tries += 1) {
      text = await gateway.ask(read(index));
      if (text === expected) return undefined;
      if (!/UPSTREAM_UNAVAILABLE|UPSTREAM_RATE_LIMITED/.test(text)) break;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    return `then ${faultOf(text, false) ?? 'another response'}`;
  };

  test('given invalid bodies, then each becomes a well-formed response', async () => {
    expect(await tryAll(odd, (index) => gateway.ask(read(index)))).toEqual([]);
  });

  test('given invalid HTTP, then each becomes a well-formed response', async () => {
    expect(await tryAll(ODD_HTTP, (index) => gateway.ask(read(index)))).toEqual([]);
  });

  test('given invalid responses to a write, then each becomes a well-formed response', async () => {
    // Repeating the mutation changes nothing.
    expect(faultOf(await gateway.ask(write), false)).toBeUndefined();
    right = await Promise.all(reads.map(gateway.ask));
    const some = odd.filter((_, index) => index % 6 === 0);
    expect(await tryAll(some, () => gateway.ask(write))).toEqual([]);
  });

  test('given unusual statuses, then each becomes a well-formed response', async () => {
    expect(await tryAll(ODD_STATUSES, (index) => gateway.ask(read(index)))).toEqual([]);
  });
});

/* The requests that precede all others: the WSDL and the login. */

test('given invalid responses to token requests, then each becomes a well-formed response', async () => {
  const oauth = { clientId: 'app', clientSecret: 'app-secret', refreshToken: 'refresh-me' };
  const sandbox = await startHubSpotSandbox({
    oauth,
    quota: { account: UNLIMITED, search: UNLIMITED },
    tokenLifetimeS: 1,
  });
  const server = await startOddServer(sandbox.url, ({ url }) => url?.startsWith('/oauth') ?? false);
  const gateway = await startFuzzedGateway({
    CACHE_MAX_MIB: '0',
    HUBSPOT_QUOTA: `account=${MANY},search=${MANY}`,
    HUBSPOT_BASE_URL: server.url,
    HUBSPOT_CLIENT_ID: oauth.clientId,
    HUBSPOT_CLIENT_SECRET: oauth.clientSecret,
    HUBSPOT_REFRESH_TOKEN: oauth.refreshToken,
  });
  const faults = [];
  for (const odd of [...ODD_JSON, ...seeds.slice(0, 30).map(mutatedJson)]) {
    server.odd = odd;
    const fault = await gateway.judge(async () => faultOf(await gateway.ask('{ customer(id: "101") { id } }')));
    server.odd = undefined;
    if (fault) faults.push(`${odd.name}: ${fault}`);
  }
  const text = await gateway.ask('{ customer(id: "101") { id } }');
  await Promise.all([gateway, server, sandbox].map((one) => one.close()));
  expect(faults).toEqual([]);
  expect(JSON.parse(text)).toEqual({ data: { customer: { id: '101' } } });
});

test('given invalid WSDLs and logins, then each becomes a well-formed response', async () => {
  const sandbox = await startOpenMageSandbox();
  const faults: string[] = [];
  const tryOne = async (odd: Odd, matches: OddServer['matches']) => {
    server.matches = matches;
    server.odd = odd;
    const fault = await gateway.judge(async () => faultOf(await gateway.ask(STOCK)));
    if (fault) faults.push(`${odd.name}: ${fault}`);
  };
  const server = await startOddServer(sandbox.url);
  const environment = sandboxEnvironment('openmage', server);
  server.odd = ODD_WSDL[0];
  const gateway = await startFuzzedGateway({
    CACHE_MAX_MIB: '0',
    ...environment,
    OPENMAGE_ENDPOINT_URL: new URL(environment['OPENMAGE_WSDL_URL'] ?? '').href.replace('?wsdl', ''),
  });
  // Neither an invalid WSDL nor an invalid session is kept.
  for (const odd of ODD_WSDL) await tryOne(odd, ({ url }) => /wsdl/.test(url ?? ''));
  for (const odd of ODD_SOAP.slice(0, 40)) await tryOne(odd, (_, body) => body.includes('login'));
  server.odd = undefined;
  const text = await gateway.ask(STOCK);
  await Promise.all([gateway, server, sandbox].map((one) => one.close()));
  expect(faults).toEqual([]);
  expect(JSON.parse(text)).toMatchObject({ data: { product: { sku: 'OABR-S' } } });
});
