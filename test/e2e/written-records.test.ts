import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import type { Fault } from '../../sandbox/faults.ts';
import { advanceClock, resetClock } from '../helpers/clock.ts';
import { startOverHttp } from '../helpers/over-http.ts';
import { type Ask, operationsOf, type Stack, startStack } from '../helpers/stack.ts';

/* If the reads after a successful write fail, the fields in the write's own response are still returned. */

const company = createCompany();
const ENV = { HUBSPOT_TIMEOUT_MS: '1500', STRIPE_TIMEOUT_MS: '1500' };

let stack: Stack;
let overHttp: Pick<Stack, 'ask' | 'close'>;
beforeAll(async () => {
  advanceClock(0);
  stack = await startStack({ env: ENV });
  overHttp = await startOverHttp(stack, { CACHE_MAX_MIB: '0', ...ENV });
});
afterAll(async () => {
  await overHttp.close();
  await stack.close();
  resetClock();
});
beforeEach(() => {
  stack.reset();
  advanceClock(120_000);
});

const asks: Readonly<Record<string, () => Ask>> = {
  'in process': () => stack.ask,
  'over HTTP': () => overHttp.ask,
};

type Written = Record<string, Record<string, Record<string, unknown>> | null>;

const READ_FAULTS: readonly (readonly [name: string, fault: Fault, code: unknown])[] = [
  ['503', { status: 503 }, 'UPSTREAM_UNAVAILABLE'],
  ['401', { status: 401 }, 'UPSTREAM_UNAUTHORIZED'],
  ['429', { status: 429, headers: { 'retry-after': '60' } }, 'UPSTREAM_RATE_LIMITED'],
  ['a lost connection', { drop: 'before' }, 'UPSTREAM_UNAVAILABLE'],
  // The second failure opens the circuit, which is also reported.
  ['no response', { hang: true }, expect.stringMatching(/^UPSTREAM_(TIMEOUT|UNAVAILABLE)$/)],
  ['an unreadable body', { body: '[]' }, 'UPSTREAM_BAD_RESPONSE'],
  [
    'an invalid record',
    { rewrite: (body) => body.replace('"createdAt":"2', '"createdAt":"x') },
    'UPSTREAM_BAD_RESPONSE',
  ],
  ['no record', { body: '{"results":[]}' }, 'UPSTREAM_BAD_RESPONSE'],
];

describe.each(Object.keys(asks))('%s', (transport) => {
  const ask: Ask = (...args) => (asks[transport] ?? (() => stack.ask))()(...args);

  // The other process does not use this one's mocked clock: an open circuit would affect the next case.
  test.each(transport === 'over HTTP' ? READ_FAULTS.slice(0, 1) : READ_FAULTS)(
    'createCustomer, then %s: the input is returned, and other fields are errors',
    async (name, fault, code) => {
      const email = `${transport}.${name}@customers.example`.replaceAll(' ', '.').toLowerCase();
      stack.hubspot.fail({ ...fault, on: 'contacts/batch/read' });
      const { data, errors } = await ask<Written>(
        `mutation { createCustomer(input: { email: "${email}", firstName: "Nora" }) {
          customer { id email firstName createdAt phone lifecycleStage }
        } }`,
      );
      expect(data?.['createCustomer']).toEqual({
        customer: {
          id: expect.stringMatching(/^\d+$/),
          email,
          firstName: 'Nora',
          createdAt: expect.any(String),
          phone: null,
          lifecycleStage: null,
        },
      });
      expect(errors?.map(({ path, extensions }) => [path, extensions?.['code']])).toEqual(
        ['phone', 'lifecycleStage'].map((field) => [['createCustomer', 'customer', field], code]),
      );
    },
  );

  test('updates, then 503: the new values are returned, and other fields are errors', async () => {
    stack.hubspot.fail({ on: 'batch/read', status: 503 });
    const { data, errors } = await ask<Written>(`mutation {
      updateCustomer(input: { id: "102", phone: "+46 70 1" }) { customer { id phone lastName } }
      updateDeal(input: { id: "50001", stage: "closedlost", amount: "5" }) { deal { id stage status name amount { amount } } }
    }`);
    expect(data).toEqual({
      updateCustomer: { customer: { id: '102', phone: '+46 70 1', lastName: null } },
      // The response has the amount but not its currency.
      updateDeal: { deal: { id: '50001', stage: 'closedlost', status: null, name: null, amount: null } },
    });
    expect(errors?.map(({ path }) => path?.slice(1).join('.')).sort()).toEqual([
      'customer.lastName',
      'deal.amount',
      'deal.name',
      'deal.status',
    ]);
  });
});

test('given a write’s response with all requested fields, then nothing is read', async () => {
  const { errors } = await stack.ask(`mutation { createCustomer(input: {
    email: "whole@customers.example", firstName: "A", lastName: "B", phone: "1", lifecycleStage: LEAD
  }) { customer { email lastName lifecycleStage } } }`);
  expect(errors).toBeUndefined();
  expect(operationsOf(stack.hubspot)).toEqual(['POST /crm/objects/2026-09/contacts']);
});

test('given a contact that was merged into another, then the other one is returned', async () => {
  stack.hubspot.fail({ on: 'PATCH', rewrite: (body) => body.replace('"id":"103"', '"id":"104"') });
  const { data } = await stack.ask<Written>(
    'mutation { updateCustomer(input: { id: "103", phone: "+46 70 2" }) { customer { id lastName } } }',
  );
  expect(data?.['updateCustomer']?.['customer']).toEqual({ id: '104', lastName: company.people[3]?.lastName });
});

describe('given the request times out', () => {
  let hurried: Pick<Stack, 'ask' | 'close'>;
  beforeAll(async () => {
    hurried = await stack.startAnother({
      REQUEST_TIMEOUT_MS: '2000',
      HUBSPOT_TIMEOUT_MS: '60000',
      STRIPE_TIMEOUT_MS: '60000',
    });
  });
  afterAll(() => hurried.close());

  test('after the write, then the fields in its response are returned', async () => {
    stack.hubspot.fail({ on: 'batch/read', hang: true });
    const { data, errors } = await hurried.ask<Written>(
      'mutation { updateCustomer(input: { id: "105", phone: "+46 70 3" }) { customer { id phone lastName } } }',
    );
    expect(data).toEqual({ updateCustomer: { customer: { id: '105', phone: '+46 70 3', lastName: null } } });
    expect(errors?.map(({ path }) => path)).toEqual([['updateCustomer', 'customer', 'lastName']]);
  });

  test.each([
    ['hubspot', 'mutation { updateCustomer(input: { id: "105", phone: "+46 70 4" }) { customer { id } } }'],
    [
      'stripe',
      `mutation { createPayment(input: { customerEmail: "ada.lindqvist@customers.example",
        amount: { amount: "1", currency: "EUR" }, idempotencyKey: "hurried" }) { payment { id } } }`,
    ],
  ] as const)('before the response to %s’s write, then the outcome is unknown', async (provider, mutation) => {
    stack[provider].fail({ on: provider === 'stripe' ? 'POST' : 'PATCH', hang: true });
    const { errors } = await hurried.ask(mutation);
    expect(errors?.map(({ extensions }) => extensions?.['code'])).toEqual(['UPSTREAM_OUTCOME_UNKNOWN']);
  });
});

describe('given the token expires after the write', () => {
  const OAUTH = { clientId: 'app', clientSecret: 'app-secret', refreshToken: 'refresh-me' };
  let other: Stack;
  beforeAll(async () => {
    other = await startStack({
      hubspot: { oauth: OAUTH },
      env: {
        HUBSPOT_ACCESS_TOKEN: '',
        HUBSPOT_CLIENT_ID: OAUTH.clientId,
        HUBSPOT_CLIENT_SECRET: OAUTH.clientSecret,
        HUBSPOT_REFRESH_TOKEN: OAUTH.refreshToken,
      },
    });
  });
  afterAll(() => other.close());
  beforeEach(() => other.reset());
  const UPDATE =
    'mutation { updateCustomer(input: { id: "106", phone: "+46 70 5" }) { customer { id phone lastName } } }';

  test('and is renewed, then the result is reconciled and complete', async () => {
    other.hubspot.fail({ on: 'PATCH', rewrite: () => '1', times: 1 });
    other.hubspot.fail({ on: 'batch/read', status: 401, times: 1 });
    const { data, errors } = await other.ask<Written>(UPDATE);
    expect(errors).toBeUndefined();
    expect(data?.['updateCustomer']?.['customer']).toMatchObject({ phone: '+46 70 5', lastName: expect.any(String) });
    expect(operationsOf(other.hubspot).filter((operation) => operation.startsWith('PATCH'))).toHaveLength(1);
  });

  test.each([
    ['the response is readable, then its fields are returned', undefined],
    ['the response is unreadable, then the outcome is unknown', () => '1'],
  ] as const)('and is not renewed, and %s', async (_, rewrite) => {
    // Acquires a token.
    expect((await other.ask('{ customer(id: "106") { id } }')).errors).toBeUndefined();
    if (rewrite) other.hubspot.fail({ on: 'PATCH', rewrite });
    other.hubspot.fail({ on: 'batch/read', status: 401 });
    other.hubspot.fail({ on: 'oauth', status: 400 });
    const { data, errors } = await other.ask<Written>(UPDATE);
    if (rewrite) expect(errors?.[0]?.extensions?.['code']).toBe('UPSTREAM_OUTCOME_UNKNOWN');
    else expect(data).toEqual({ updateCustomer: { customer: { id: '106', phone: '+46 70 5', lastName: null } } });
  });
});

describe('given the refund’s response has a payment that', () => {
  const paid = company.accounts.flatMap(({ payments }) =>
    payments.flatMap(({ id, status, refunds }) => (status === 'succeeded' && refunds.length === 0 ? [id] : [])),
  );
  const odd = (change: (payment: Record<string, unknown>) => unknown) => (body: string) => {
    const refund = JSON.parse(body);
    return JSON.stringify({ ...refund, payment_intent: change(refund.payment_intent) });
  };
  const CASES: readonly (readonly [string, (body: string) => string])[] = [
    ['is only an id', odd(({ id }) => id)],
    ['is null', odd(() => null)],
    ['is missing', odd(() => undefined)],
    ['has an unknown status', odd((payment) => ({ ...payment, status: 'by_pigeon' }))],
    ['is a list', odd(() => [])],
  ];

  test.each(CASES.map(([name, rewrite], index) => ({ name, rewrite, id: paid[index] ?? '' })))(
    '$name, then the refund is returned, and the payment is read',
    async ({ rewrite, id }) => {
      stack.stripe.fail({ on: 'POST /v1/refunds', rewrite });
      const refund = (key: string) =>
        stack.ask<Written>(`mutation { refundPayment(input: { paymentId: "${id}", idempotencyKey: "${id}${key}" }) {
          refund { status } payment { id refunds { status } }
        } }`);
      const { data, errors } = await refund('');
      expect(errors).toBeUndefined();
      const answer = { refund: { status: 'SUCCEEDED' }, payment: { id, refunds: [{ status: 'SUCCEEDED' }] } };
      expect(data).toEqual({ refundPayment: answer });
      expect(operationsOf(stack.stripe)).toEqual(['GET /v1/payment_intents/{id}', 'POST /v1/refunds']);

      stack.stripe.fail({ on: 'GET', status: 500 });
      const again = await refund('');
      expect(again.data).toEqual({ refundPayment: { refund: { status: 'SUCCEEDED' }, payment: null } });
      expect(again.errors?.map(({ path, extensions }) => [path, extensions?.['code']])).toEqual([
        [['refundPayment', 'payment'], 'UPSTREAM_UNAVAILABLE'],
      ]);
    },
  );
});
