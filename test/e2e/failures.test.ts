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
  ['500 with a page', () => ({ status: 500, body: '<html><h1>Oops</h1></html>' }), 'UPSTREAM_UNAVAILABLE'],
  ['503', () => ({ status: 503 }), 'UPSTREAM_UNAVAILABLE'],
  ['a redirect', () => ({ status: 302, headers: { location: 'http://127.0.0.1:9/' } }), 'UPSTREAM_BAD_RESPONSE'],
  ['an answer that comes too late', () => ({ delayMs: 10_000 }), 'UPSTREAM_TIMEOUT'],
  ['no answer', () => ({ hang: true }), 'UPSTREAM_TIMEOUT'],
  ['a connection that breaks', () => ({ drop: 'before' }), 'UPSTREAM_UNAVAILABLE'],
  ['a page', () => ({ body: '<html><body><h1>Apache</h1></body></html>' }), 'UPSTREAM_BAD_RESPONSE'],
  ['nothing in the body', () => ({ body: '' }), 'UPSTREAM_BAD_RESPONSE'],
  ['half an answer', ({ broken }) => ({ body: broken }), 'UPSTREAM_BAD_RESPONSE'],
  ['an empty object', () => ({ body: '{}' }), 'UPSTREAM_BAD_RESPONSE'],
  ['null', () => ({ body: 'null' }), 'UPSTREAM_BAD_RESPONSE'],
  ['a list', () => ({ body: '[]' }), 'UPSTREAM_BAD_RESPONSE'],
  ['an envelope with nothing in it', () => ({ body: `<e:Envelope xmlns:e="${SOAP}"/>` }), 'UPSTREAM_BAD_RESPONSE'],
  [
    'an answer to another question',
    () => ({ body: `<e:Envelope xmlns:e="${SOAP}"><e:Body><x:other xmlns:x="urn:x"/></e:Body></e:Envelope>` }),
    'UPSTREAM_BAD_RESPONSE',
  ],
  ['nothing, with 204', () => ({ status: 204, body: '' }), 'UPSTREAM_BAD_RESPONSE'],
  ['a field missing', ({ missing }) => ({ rewrite: missing }), 'UPSTREAM_BAD_RESPONSE'],
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

describe.each(CONTRACTS)('$provider answers with', ({ provider, service, failure }) => {
  const sandbox = () => stack.sandbox(provider);

  test.each(FAULTS)('%s: its field is one error, the others arrive', async (_, fault, code) => {
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

  test('60 MB: the rest of it is not read', async () => {
    sandbox().fail({ bytes: 60_000_000 });
    await stack.ask(FROM_EACH);
    await expect.poll(() => sandbox().calls[0]?.clientAborted).toBe(true);
  });

  test('a failure that passes: it is asked again, and the client sees nothing of it', async () => {
    sandbox().fail({ status: 500, times: 1, on: failure.on ?? '' });
    expect((await stack.ask(FROM_EACH)).errors).toBeUndefined();
    expect(sandbox().calls.map(({ status }) => status)).toEqual([500, 200]);
  });
});

describe('in a page of customers', () => {
  test('given Stripe is down, then each customer’s payments are an error at its own index', async () => {
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

  test('given one record is broken, then it alone is an error', async () => {
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

describe('a batch of HubSpot’s that is answered in part', () => {
  test('given one input’s links failed, then that is an error and not an empty answer', async () => {
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

  test('given one record failed, then that is an error and not a record that does not exist', async () => {
    stack.hubspot.fail({
      on: 'contacts/batch/read',
      rewrite: (body) => body.replace('"OBJECT_NOT_FOUND"', '"INTERNAL_ERROR"'),
    });
    const { data, errors } = await stack.ask('{ a: customer(id: "101") { id } b: customer(id: "99999") { id } }');
    expect(data).toEqual({ a: { id: '101' }, b: null });
    expect(errors?.map(({ path }) => path)).toEqual([['b']]);
  });
});

describe('of one customer', () => {
  test('given the shop is down, then names are there and each stock is an error of its own', async () => {
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

  test('given Stripe does not take our key, then payments and balance are errors and the rest is there', async () => {
    stack.stripe.fail({ status: 401 });
    const { data, errors } = await stack.ask(CustomerOverviewDocument, { email: EMAIL });
    expect(data?.customer).toMatchObject({ firstName: 'Ada', payments: null, balance: null });
    expect(errors?.map(({ path }) => path).sort()).toEqual([
      ['customer', 'balance'],
      ['customer', 'payments'],
    ]);
  });
});

test('given a 404 that is not Stripe’s own, then a payment is an error and not null', async () => {
  stack.stripe.fail({ status: 404, body: '<html>no such host</html>' });
  const { data, errors } = await stack.ask('{ payment(id: "pi_3x") { id } }');
  expect(data).toEqual({ payment: null });
  expect(errors?.[0]?.extensions?.['code']).toBe('UPSTREAM_NOT_FOUND');
});

test('given an empty page that promises more, then the list goes on after it', async () => {
  const whole = await stack.ask('{ customers(first: 3) { edges { node { id } } } }');
  stack.hubspot.fail({ times: 1, rewrite: () => '{"results":[],"paging":{"next":{"after":"101"}}}' });
  expect((await stack.ask('{ customers(first: 3) { edges { node { id } } } }')).data).toEqual(whole.data);
});

test('given empty pages without end, then they are given up', async () => {
  stack.hubspot.fail({ rewrite: () => '{"results":[],"paging":{"next":{"after":"5"}}}' });
  const { errors } = await stack.ask('{ customers(first: 3) { edges { node { id } } } }');
  expect(errors?.[0]?.extensions?.['code']).toBe('UPSTREAM_BAD_RESPONSE');
});

test('given a list that never ends, then it is given up after 50 pages', async () => {
  stack.stripe.fail({
    on: 'customers/search',
    rewrite: (body) => body.replace('"has_more":false,"next_page":null', '"has_more":true,"next_page":"MA"'),
  });
  const { errors } = await stack.ask(`{ customer(email: "${EMAIL}") { balance { amount } } }`);
  expect(errors?.[0]?.extensions?.['code']).toBe('UPSTREAM_BAD_RESPONSE');
  expect(stack.stripe.calls).toHaveLength(50);
});

test('given a provider that is not there, then its field is an error', async () => {
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

test('given a shop that was down at the start, when it is back, then it is asked again', async () => {
  const alone = await startStack({ openmage: {}, env: { OPENMAGE_TIMEOUT_MS: '2000' } });
  alone.openmage.fail({ on: 'WSDL', status: 503 });
  await expect.poll(() => alone.openmage.calls.length).toBeGreaterThan(0);
  expect((await alone.ask(FROM_EACH)).errors?.length ?? 0).toBeLessThanOrEqual(1);
  alone.openmage.reset();
  expect((await alone.ask(FROM_EACH)).errors).toBeUndefined();
  await alone.close();
});

test('given 40 answers of 60 MB from each provider, then memory stays flat', async () => {
  for (const { provider } of CONTRACTS) stack.sandbox(provider).fail({ bytes: 60_000_000 });
  await stack.ask(FROM_EACH);
  const before = process.memoryUsage().rss;
  for (let round = 0; round < 10; round += 1) {
    await Promise.all([stack.ask(FROM_EACH), stack.ask(FROM_EACH), stack.ask(FROM_EACH), stack.ask(FROM_EACH)]);
  }
  // The sandboxes would have sent 7,200 MB.
  expect((process.memoryUsage().rss - before) / 1e6).toBeLessThan(400);
});
