import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CustomersDocument } from '../../clients/explorer/src/generated/graphql.ts';
import { CustomerOverviewDocument } from '../../clients/web/src/generated/graphql.ts';
import type { Fault } from '../../sandbox/faults.ts';
import type { FailureCase } from '../contracts/contract.ts';
import { CONTRACTS } from '../contracts/index.ts';
import { advanceClock, resetClock } from '../helpers/clock.ts';
import { type Answer, type Stack, startStack } from '../helpers/stack.ts';

const EMAIL = 'ada.lindqvist@customers.example';

const FROM_EACH = `{ ${CONTRACTS.map(({ failure }) => failure.ask).join(' ')} }`;

let stack: Stack;
beforeAll(async () => {
  advanceClock(0);
  stack = await startStack({
    env: Object.fromEntries(CONTRACTS.map(({ timeoutVariable }) => [timeoutVariable, '1200'])),
  });
  // Reads the WSDL and opens a session.
  await stack.ask(FROM_EACH);
});
afterAll(async () => {
  await stack.close();
  resetClock();
});
beforeEach(() => {
  stack.reset();
  // Circuits opened by a test are closed again in the next.
  advanceClock(120_000);
});

const SOAP = 'http://schemas.xmlsoap.org/soap/envelope/';

type FaultCase = readonly [name: string, fault: (of: FailureCase) => Fault, code: string];

const FAULTS: readonly FaultCase[] = [
  ['401', () => ({ status: 401 }), 'UPSTREAM_UNAUTHORIZED'],
  ['403', () => ({ status: 403 }), 'UPSTREAM_UNAUTHORIZED'],
  ['404', () => ({ status: 404 }), 'UPSTREAM_NOT_FOUND'],
  ['429', () => ({ status: 429, headers: { 'retry-after': '60' } }), 'UPSTREAM_RATE_LIMITED'],
  ['500', () => ({ status: 500 }), 'UPSTREAM_UNAVAILABLE'],
  ['500 with an HTML page', () => ({ status: 500, body: '<html><h1>Oops</h1></html>' }), 'UPSTREAM_UNAVAILABLE'],
  ['503', () => ({ status: 503 }), 'UPSTREAM_UNAVAILABLE'],
  ['a redirect', () => ({ status: 302, headers: { location: 'http://127.0.0.1:9/' } }), 'UPSTREAM_BAD_RESPONSE'],
  ['a late response', () => ({ delayMs: 10_000 }), 'UPSTREAM_TIMEOUT'],
  ['no response', () => ({ hang: true }), 'UPSTREAM_TIMEOUT'],
  ['a dropped connection', () => ({ drop: 'before' }), 'UPSTREAM_UNAVAILABLE'],
  ['an HTML page', () => ({ body: '<html><body><h1>Apache</h1></body></html>' }), 'UPSTREAM_BAD_RESPONSE'],
  ['an empty body', () => ({ body: '' }), 'UPSTREAM_BAD_RESPONSE'],
  ['a truncated response', ({ broken }) => ({ body: broken }), 'UPSTREAM_BAD_RESPONSE'],
  ['an empty object', () => ({ body: '{}' }), 'UPSTREAM_BAD_RESPONSE'],
  ['null', () => ({ body: 'null' }), 'UPSTREAM_BAD_RESPONSE'],
  ['a list', () => ({ body: '[]' }), 'UPSTREAM_BAD_RESPONSE'],
  ['an empty envelope', () => ({ body: `<e:Envelope xmlns:e="${SOAP}"/>` }), 'UPSTREAM_BAD_RESPONSE'],
  [
    'a response to another operation',
    () => ({ body: `<e:Envelope xmlns:e="${SOAP}"><e:Body><x:other xmlns:x="urn:x"/></e:Body></e:Envelope>` }),
    'UPSTREAM_BAD_RESPONSE',
  ],
  ['204', () => ({ status: 204, body: '' }), 'UPSTREAM_BAD_RESPONSE'],
  ['a missing field', ({ missing }) => ({ rewrite: missing }), 'UPSTREAM_BAD_RESPONSE'],
  ['a field of another type', ({ mistyped }) => ({ rewrite: mistyped }), 'UPSTREAM_BAD_RESPONSE'],
  ['60 MB', () => ({ bytes: 60_000_000 }), 'UPSTREAM_BAD_RESPONSE'],
];

/** Expects a response without provider details: no address, credential or text from a provider. */
const expectDiscretion = ({ text }: Answer<unknown>): void => {
  const secrets = Object.values(stack.sandboxes).map(({ url }) => url.replace('http://', ''));
  for (const word of [...secrets, 'sk_test', 'pat-sandbox', 'sandbox-api-key', 'sandbox was asked', 'Apache', 'Oops']) {
    expect(text).not.toContain(word);
  }
  expect(text).not.toMatch(/stripe|hubspot|openmage|soap|stack|at file|node_modules/i);
};

describe.each(CONTRACTS)('given $provider responds with', ({ provider, service, failure }) => {
  const sandbox = () => stack.sandbox(provider);

  test.each(FAULTS)('%s, then its field has one error, and the other fields are returned', async (_, fault, code) => {
    sandbox().fail({ ...fault(failure), on: failure.on ?? '' });

    const answer = await stack.ask(FROM_EACH);

    expect(answer.errors).toEqual([
      {
        message: expect.stringContaining(service),
        path: [failure.field],
        extensions: {
          code,
          serviceName: service,
          ...(code === 'UPSTREAM_RATE_LIMITED' && { retryAfterMs: 60_000 }),
        },
      },
    ]);
    for (const [field, value] of Object.entries(answer.data ?? {})) {
      expect(value, field).toEqual(field === failure.field ? null : expect.anything());
    }
    expectDiscretion(answer);
  });

  test('60 MB, then the rest is not read', async () => {
    sandbox().fail({ bytes: 60_000_000 });
    await stack.ask(FROM_EACH);
    await expect.poll(() => sandbox().calls[0]?.clientAborted).toBe(true);
  });

  test('a transient failure, then it is retried, and the client gets no error', async () => {
    sandbox().fail({ status: 500, times: 1, on: failure.on ?? '' });
    expect((await stack.ask(FROM_EACH)).errors).toBeUndefined();
    expect(sandbox().calls.map(({ status }) => status)).toEqual([500, 200]);
  });
});

describe('a page of customers', () => {
  test('given Stripe is down, then each customer’s payments have an error at their index', async () => {
    stack.stripe.fail({ status: 500 });
    const answer = await stack.ask(CustomersDocument);
    const { data, errors } = answer;
    const edges = data?.customers?.edges ?? [];
    expect(edges).toHaveLength(50);
    expect(edges.every(({ node }) => node?.payments === null)).toBe(true);
    const withEmail = edges.flatMap(({ node }, index) => (node?.email === null ? [] : [index]));
    expect(errors?.map(({ path }) => path)).toEqual(
      withEmail.map((index) => ['customers', 'edges', index, 'node', 'payments']),
    );
    expect(new Set(errors?.map(({ extensions }) => extensions?.['code']))).toEqual(new Set(['UPSTREAM_UNAVAILABLE']));
    expectDiscretion(answer);
  });

  test('given one search of five fails, then only its ten customers lack payments', async () => {
    stack.stripe.fail({ on: 'customers/search', status: 403, times: 1 });
    const { data, errors } = await stack.ask(CustomersDocument);
    expect(errors).toHaveLength(10);
    const missing = data?.customers?.edges.filter(({ node }) => node?.payments === null);
    expect(missing).toHaveLength(10);
  });

  test('given one invalid record, then only that one is an error', async () => {
    stack.hubspot.fail({
      on: 'companies/batch/read',
      rewrite: (body) => body.replace('"name":"Uppsala Joinery"', '"name":7'),
    });
    const { data, errors } = await stack.ask(CustomersDocument);
    const broken = (data?.customers?.edges ?? []).flatMap(({ node }, index) => (node?.company === null ? [index] : []));
    expect(errors?.map(({ path, extensions }) => [path, extensions?.['code']])).toEqual(
      errors?.map(({ path }) => [['customers', 'edges', path?.[2], 'node', 'company'], 'UPSTREAM_BAD_RESPONSE']),
    );
    expect(errors?.length).toBeGreaterThan(0);
    expect(broken).toEqual(expect.arrayContaining(errors?.map(({ path }) => path?.[2]) ?? []));
    expect(broken.length).toBeLessThan(10);
  });
});

describe('a partial batch response of HubSpot', () => {
  test('given the associations of one input failed, then that is an error and not an empty result', async () => {
    stack.hubspot.fail({
      on: 'contacts/companies',
      // Customer 115 has no company, but this response does not say so.
      rewrite: (body) =>
        body.replace(
          '"OBJECT_NOT_FOUND","subCategory":"crm.associations.NO_ASSOCIATIONS_FOUND"',
          '"INTERNAL_ERROR","subCategory":null',
        ),
    });
    const { data, errors } = await stack.ask(
      '{ a: customer(id: "101") { company { id } } b: customer(id: "115") { company { id } } }',
    );
    expect(data).toEqual({ a: { company: { id: '9001' } }, b: { company: null } });
    expect(errors?.map(({ path, extensions }) => [path, extensions?.['code']])).toEqual([
      [['b', 'company'], 'UPSTREAM_UNAVAILABLE'],
    ]);
  });

  test('given one record failed, then that is an error and not "not found"', async () => {
    stack.hubspot.fail({
      on: 'contacts/batch/read',
      rewrite: (body) => body.replace('"OBJECT_NOT_FOUND"', '"INTERNAL_ERROR"'),
    });
    const { data, errors } = await stack.ask('{ a: customer(id: "101") { id } b: customer(id: "99999") { id } }');
    expect(data).toEqual({ a: { id: '101' }, b: null });
    expect(errors?.map(({ path }) => path)).toEqual([['b']]);
  });
});

describe('one customer', () => {
  test('given the shop is down, then names are returned, and each stock is an error', async () => {
    stack.openmage.fail({ drop: 'before' });
    const { data, errors } = await stack.ask(CustomerOverviewDocument, { email: EMAIL });
    const deals = data?.customer?.deals?.edges ?? [];
    const paths = deals.flatMap(({ node }, deal) =>
      (node?.lineItems ?? []).flatMap((line, index) =>
        line?.product ? [['customer', 'deals', 'edges', deal, 'node', 'lineItems', index, 'product', 'stock']] : [],
      ),
    );
    expect(paths.length).toBeGreaterThan(3);
    expect(deals[0]?.node?.lineItems?.[0]?.product?.name).toEqual(expect.any(String));
    expect(errors?.map(({ path }) => path)).toEqual(paths);
    expect(data?.customer?.payments?.edges.length).toBeGreaterThan(0);
  });

  test('given Stripe rejects the key, then payments and balance are errors, and the rest is returned', async () => {
    stack.stripe.fail({ status: 401 });
    const { data, errors } = await stack.ask(CustomerOverviewDocument, { email: EMAIL });
    expect(data?.customer).toMatchObject({ firstName: 'Ada', payments: null, balance: null });
    expect(errors?.map(({ path }) => path).sort()).toEqual([
      ['customer', 'balance'],
      ['customer', 'payments'],
    ]);
  });
});

test('given a 404 that is not Stripe’s own, then a payment is an error and not just null', async () => {
  stack.stripe.fail({ status: 404, body: '<html>no such host</html>' });
  const { data, errors } = await stack.ask('{ payment(id: "pi_3x") { id } }');
  expect(data).toEqual({ payment: null });
  expect(errors?.[0]?.extensions?.['code']).toBe('UPSTREAM_NOT_FOUND');
});

test('given an empty page with a next cursor, then the list continues after it', async () => {
  const whole = await stack.ask('{ customers(first: 3) { edges { node { id } } } }');
  stack.hubspot.fail({ times: 1, rewrite: () => '{"results":[],"paging":{"next":{"after":"101"}}}' });
  expect((await stack.ask('{ customers(first: 3) { edges { node { id } } } }')).data).toEqual(whole.data);
});

test('given endless empty pages, then the error is UPSTREAM_BAD_RESPONSE', async () => {
  stack.hubspot.fail({ rewrite: () => '{"results":[],"paging":{"next":{"after":"5"}}}' });
  const { errors } = await stack.ask('{ customers(first: 3) { edges { node { id } } } }');
  expect(errors?.[0]?.extensions?.['code']).toBe('UPSTREAM_BAD_RESPONSE');
});

test('given an endless list, then the error is UPSTREAM_BAD_RESPONSE after 10 pages', async () => {
  stack.stripe.fail({
    on: 'customers/search',
    rewrite: (body) => body.replace('"has_more":false,"next_page":null', '"has_more":true,"next_page":"MA"'),
  });
  const { errors } = await stack.ask(`{ customer(email: "${EMAIL}") { balance { amount } } }`);
  expect(errors?.[0]?.extensions?.['code']).toBe('UPSTREAM_BAD_RESPONSE');
  expect(stack.stripe.calls).toHaveLength(10);
});

test('given unreachable providers, then their fields are errors', async () => {
  const alone = await startStack();
  for (const sandbox of Object.values(alone.sandboxes)) await sandbox.close();
  const { data, errors } = await alone.ask(FROM_EACH);
  const fields = CONTRACTS.map(({ failure }) => failure.field).sort();
  expect(data).toEqual(Object.fromEntries(fields.map((field) => [field, null])));
  expect(errors?.map(({ path, extensions }) => [path?.[0], extensions?.['code']]).sort()).toEqual(
    fields.map((field) => [field, 'UPSTREAM_UNAVAILABLE']),
  );
  await alone.close();
});

test('given a shop that is down at startup, when it is back, then it is called again', async () => {
  const alone = await startStack({ openmage: {}, env: { OPENMAGE_TIMEOUT_MS: '2000' } });
  alone.openmage.fail({ on: 'WSDL', status: 503 });
  await expect.poll(() => alone.openmage.calls.length).toBeGreaterThan(0);
  expect((await alone.ask(FROM_EACH)).errors?.length ?? 0).toBeLessThanOrEqual(1);
  alone.openmage.reset();
  expect((await alone.ask(FROM_EACH)).errors).toBeUndefined();
  await alone.close();
});

test('given 40 responses of 60 MB from each provider, then memory stays flat', { tags: ['long'] }, async () => {
  for (const { provider } of CONTRACTS) stack.sandbox(provider).fail({ bytes: 60_000_000 });
  await stack.ask(FROM_EACH);
  const before = process.memoryUsage().rss;
  for (let round = 0; round < 10; round += 1) {
    await Promise.all([stack.ask(FROM_EACH), stack.ask(FROM_EACH), stack.ask(FROM_EACH), stack.ask(FROM_EACH)]);
  }
  // The sandboxes would have sent 7,200 MB.
  expect((process.memoryUsage().rss - before) / 1e6).toBeLessThan(400);
});
