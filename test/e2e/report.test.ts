import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import { advanceClock, resetClock } from '../helpers/clock.ts';
import { type Spawned, startProcess } from '../helpers/processes.ts';
import { sandboxEnvironment } from '../helpers/sandboxes.ts';
import { type Answer, createAsk, type Stack, startStack } from '../helpers/stack.ts';

const PAGE = `{
  customers(first: 12) { edges { node { email company { name } payments(first: 2) { edges { node { id } } } } } }
}`;
const company = createCompany();
const adasPayment = company.accounts.find(({ email }) => email?.startsWith('Ada.'))?.payments[0]?.id;
const refundedPayment = company.accounts
  .flatMap(({ payments }) => payments)
  .find(({ refunds }) => refunds.length > 0)?.id;

type Note = { path: (string | number)[]; subgraph: string; ageMs: number; reason: string };
type Row = { subgraph: string; operation: string; calls: number; hits: number };
type Span = { startMs: number; timeMs: number };
type Trace = {
  plan: { kind: string; nodes: { kind: string; subgraph?: string; query?: string; nodes?: unknown[] }[] };
  fetches: (Span & { subgraph: string; query: string; entities: number; errors: number })[];
  calls: (Span & { subgraph: string; operation: string; kind: string; isFailed: boolean })[];
};
type Report = { stale?: Note[]; calls?: Row[]; timeMs?: number; trace?: Trace };

const reportOf = ({ text }: Answer<unknown>) =>
  (JSON.parse(text) as { extensions?: { tributary?: Report } }).extensions?.tributary;
const REPORTED = { headers: { 'x-tributary-report': '1' } };

/* The same reports with in-process subgraphs and over HTTP. */
describe.each(['in its process', 'over HTTP'])('a gateway with subgraphs %s', (transport) => {
  let stack: Stack;
  let gateway: Pick<Stack, 'url' | 'ask' | 'close'>;
  let remote: Spawned | undefined;

  beforeAll(async () => {
    advanceClock(0);
    // Values are fresh for a very short time, so a repeated query calls the provider again if possible.
    const env = {
      CACHE_MAX_MIB: '16',
      HUBSPOT_CACHE: 'contacts=0/0/3600,companies=0/0/3600,associations=0/0/3600',
      STRIPE_CACHE: 'accounts=0/0/3600,paymentLists=0/0/3600,payments=0/0/3600,refunds=0/0/3600',
    };
    stack = await startStack({ env });
    gateway = stack;
    if (transport === 'over HTTP') {
      remote = startProcess(['node', 'subgraphs/main.ts'], {
        SUBGRAPHS: 'payments,crm',
        PORT: '0',
        LOG_LEVEL: 'silent',
        ...env,
        ...sandboxEnvironment('stripe', stack.stripe),
        ...sandboxEnvironment('hubspot', stack.hubspot),
      });
      await vi.waitFor(() => expect(remote?.output()).toMatch(/crm answers at/), 120_000);
      const urlOf = (name: string) => new RegExp(`${name} answers at (\\S+)`).exec(remote?.output() ?? '')?.[1] ?? '';
      gateway = await stack.startAnother({ PAYMENTS_URL: urlOf('payments'), CRM_URL: urlOf('crm') });
    }
  });
  afterAll(async () => {
    await gateway.close();
    if (gateway !== stack) await stack.close();
    await remote?.stop();
    resetClock();
  });
  beforeEach(() => stack.reset());

  test('reports nothing unless requested', async () => {
    expect(reportOf(await gateway.ask(PAGE))).toBeUndefined();
  });

  test('reports the calls of a request', async () => {
    const rows = reportOf(await gateway.ask(PAGE, {}, REPORTED))?.calls ?? [];
    const sum = (subgraph: string) =>
      rows.filter((row) => row.subgraph === subgraph).reduce((calls, row) => calls + row.calls, 0);
    expect(sum('crm')).toBe(stack.hubspot.calls.length);
    expect(sum('payments')).toBe(stack.stripe.calls.length);
    expect(rows.find(({ operation }) => operation === 'GET /v1/customers/search')).toMatchObject({ misses: 12 });
  });

  test('reports the plan, and the time of each fetch and call', async () => {
    const report = reportOf(await gateway.ask(PAGE, {}, { headers: { 'x-tributary-report': 'trace' } }));
    const { plan, fetches = [], calls = [] } = report?.trace ?? {};
    const whole = report?.timeMs ?? 0;

    expect(plan).toMatchObject({
      kind: 'sequence',
      nodes: [
        { kind: 'fetch', subgraph: 'crm' },
        { kind: 'fetch', subgraph: 'payments', places: ['customers.edges.@.node'] },
      ],
    });
    expect(fetches).toMatchObject([
      { subgraph: 'crm', entities: 0, errors: 0, query: plan?.nodes[0]?.query },
      { subgraph: 'payments', entities: 12, errors: 0, query: plan?.nodes[1]?.query },
    ]);
    expect(fetches[1]?.startMs).toBeGreaterThanOrEqual((fetches[0]?.startMs ?? 0) + (fetches[0]?.timeMs ?? 0));

    const sent = calls.filter(({ kind }) => kind === 'call');
    expect(sent.map(({ operation }) => operation).sort()).toEqual(
      [...stack.hubspot.calls, ...stack.stripe.calls].map(({ operation }) => operation).sort(),
    );
    // Every request lies within its fetch, allowing for another process's clock and rounding.
    for (const { subgraph, startMs, timeMs, isFailed } of calls) {
      const fetch = fetches.find((one) => one.subgraph === subgraph);
      expect(isFailed).toBe(false);
      expect(startMs).toBeGreaterThanOrEqual((fetch?.startMs ?? Number.NaN) - 1);
      expect(startMs + timeMs).toBeLessThanOrEqual((fetch?.startMs ?? 0) + (fetch?.timeMs ?? 0) + 1);
      expect(startMs + timeMs).toBeLessThanOrEqual(whole + 1);
    }
  });

  test('sets Cache-Control on a response to GET', async () => {
    const get = (query: string) =>
      fetch(`${gateway.url}/graphql?query=${encodeURIComponent(query)}`, {
        headers: { 'apollo-require-preflight': 'yes' },
      });
    // A page of deals is fresh for 10 seconds; contacts are not cached in this gateway.
    const deals = await get('{ deals(first: 1) { edges { node { name } } } }');
    expect(deals.headers.get('cache-control')).toMatch(/^max-age=(9|10), private$/);
    const both = await get('{ deals(first: 1) { edges { node { customers { firstName } } } } }');
    expect(both.headers.get('cache-control')).toBe('no-store');
    expect(await deals.json()).not.toHaveProperty('extensions');
  });

  test('given Stripe is down, then each customer’s payments are reported as stale at their path', async () => {
    const before = await gateway.ask<{ customers: { edges: { node: { email: string | null } }[] } }>(PAGE);
    stack.stripe.fail({ drop: 'before' });
    const answer = await gateway.ask(PAGE);
    expect(answer.errors).toBeUndefined();
    expect(answer.data).toEqual(before.data);
    const withEmail = (before.data?.customers.edges ?? []).flatMap(({ node }, index) => (node.email ? [index] : []));
    const notes = reportOf(answer)?.stale ?? [];
    expect(notes.map(({ path }) => path.join('.')).sort()).toEqual(
      withEmail.map((index) => `customers.edges.${index}.node.payments`).sort(),
    );
    expect(
      notes.every(
        ({ subgraph, ageMs, reason }) =>
          subgraph === 'payments' && reason !== 'REFRESHING' && ageMs >= 0 && ageMs < 60_000,
      ),
    ).toBe(true);
  });

  test('given Stripe is down, then a payment and its separately read refunds are reported as stale', async () => {
    const ask = `{ payment(id: "${refundedPayment}") { id refunds { id } } }`;
    stack.stripe.fail({
      on: 'GET /v1/payment_intents/{id}',
      rewrite: (body) => {
        const payment = JSON.parse(body);
        payment.latest_charge.refunds.has_more = true;
        return JSON.stringify(payment);
      },
    });
    const before = await gateway.ask(ask);
    expect(before.errors).toBeUndefined();
    stack.reset();
    stack.stripe.fail({ drop: 'before' });
    const answer = await gateway.ask(ask);
    expect(answer.errors).toBeUndefined();
    expect(answer.data).toEqual(before.data);
    const places = reportOf(answer)?.stale?.map(({ path }) => path.join('.')) ?? [];
    expect(places.sort()).toEqual(['payment', 'payment.refunds']);
  });

  test('given HubSpot is down, then a payment’s customer and their company are reported as stale', async () => {
    const ask = `{ payment(id: "${adasPayment}") { id customer { lastName company { name } } } }`;
    const before = await gateway.ask(ask);
    expect(before.errors).toBeUndefined();
    stack.hubspot.fail({ status: 502 });
    const answer = await gateway.ask(ask);
    expect(answer.errors).toBeUndefined();
    expect(answer.data).toEqual(before.data);
    const places = reportOf(answer)?.stale?.map(({ path, subgraph }) => `${subgraph} ${path.join('.')}`) ?? [];
    expect(places.sort()).toEqual(['crm payment.customer', 'crm payment.customer.company']);
  });

  test('given HubSpot is down, then each payment’s customer in a list is reported as stale at its path', async () => {
    const ask = '{ payments(first: 6) { edges { node { customer { email lastName } } } } }';
    type Listed = { payments: { edges: { node: { customer: { email: string | null } | null } }[] } };
    const before = await gateway.ask<Listed>(ask);
    stack.hubspot.fail({ status: 502 });
    const answer = await gateway.ask(ask);
    expect(answer.data).toEqual(before.data);
    const known = (before.data?.payments.edges ?? []).flatMap(({ node }, index) =>
      node.customer?.email ? [index] : [],
    );
    expect(known.length).toBeGreaterThan(2);
    const places = (reportOf(answer)?.stale ?? []).filter(({ subgraph }) => subgraph === 'crm');
    expect(places.map(({ path }) => path.join('.')).sort()).toEqual(
      known.map((index) => `payments.edges.${index}.node.customer`),
    );
  });

  test('given a client that bypasses the cache, then an outage is an error', async () => {
    await gateway.ask(PAGE);
    stack.stripe.fail({ drop: 'before' });
    const { errors } = await gateway.ask(PAGE, {}, { headers: { 'cache-control': 'no-cache' } });
    expect(errors?.length).toBeGreaterThan(5);
  });
});

describe('in production', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ env: { NODE_ENV: 'production', AUTH: 'none', CACHE_MAX_MIB: '16' } });
  });
  afterAll(() => stack.close());

  test('clients can neither request reports nor bypass the cache', async () => {
    const headers = { 'x-tributary-report': '1', 'cache-control': 'no-cache' };
    await stack.ask('{ product(sku: "OABR-S") { sku } }');
    stack.reset();
    expect(reportOf(await stack.ask('{ product(sku: "OABR-S") { sku } }', {}, { headers }))).toBeUndefined();
    expect(stack.openmage.calls).toEqual([]);
  });
});

test('at LOG_LEVEL=debug, the log has a request’s steps without values, and the client no report', {
  tags: ['long'],
}, async () => {
  const gateway = startProcess(['node', 'gateway/main.ts'], { PORT: '0', LOG_LEVEL: 'debug' });
  await vi.waitFor(() => expect(gateway.output()).toMatch(/answers at \S+/), 120_000);
  const ask = createAsk(/answers at (\S+)/.exec(gateway.output())?.[1] ?? '');
  const query = `query Ada { customer(email: "ada.lindqvist@customers.example") { firstName payments(first: 1) { edges { node { id } } } } }`;
  expect(reportOf(await ask(query))).toBeUndefined();
  await ask(query);
  await vi.waitFor(() => expect(gateway.output().match(/Answered in/g)).toHaveLength(2), 120_000);
  await gateway.stop();
  const lines = gateway
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.includes('"operation":"Ada"'))
    .map((line) => JSON.parse(line) as { level: number; request: number; msg: string });
  expect(new Set(lines.map(({ level }) => level))).toEqual(new Set([20]));
  const messagesOf = (request: number) => lines.filter((line) => line.request === request).map(({ msg }) => msg);
  // On a busy machine, permits may take a moment.
  expect(messagesOf(1).filter((message) => !message.includes('wait for a permit'))).toEqual([
    expect.stringMatching(/^\d+ ms: fetch crm, root fields, \d+ ms$/),
    expect.stringMatching(/^\d+ ms: request, crm POST \/crm\/objects\/2026-09\/contacts\/batch\/read, \d+ ms$/),
    expect.stringMatching(/^\d+ ms: fetch payments, 1 entity, \d+ ms$/),
    expect.stringMatching(/^\d+ ms: request, payments GET \/v1\/customers\/search, \d+ ms$/),
    expect.stringMatching(/^\d+ ms: request, payments GET \/v1\/payment_intents, \d+ ms$/),
    'crm POST /crm/objects/2026-09/contacts/batch/read: 1 request, 1 key requested, 0 cached, 0 stale, 1 not cached',
    'payments GET /v1/customers/search: 1 request, 1 key requested, 0 cached, 0 stale, 1 not cached',
    'payments GET /v1/payment_intents: 1 request, 1 key requested, 0 cached, 0 stale, 1 not cached',
    expect.stringMatching(/^Answered in \d+ ms with 0 errors\.$/),
  ]);
  expect(messagesOf(2)).toContain(
    'crm POST /crm/objects/2026-09/contacts/batch/read: 0 requests, 1 cached, 0 stale, 0 not cached',
  );
  expect(gateway.output()).not.toContain('ada.lindqvist');
});
