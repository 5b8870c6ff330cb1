import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import type { Fault } from '../../sandbox/faults.ts';
import { HUBSPOT_SANDBOX_TOKEN } from '../../subgraphs/crm/hubspot/sandbox/index.ts';
import { STRIPE_SANDBOX_KEY } from '../../subgraphs/payments/stripe/sandbox/index.ts';
import { advanceClock, resetClock } from '../helpers/clock.ts';
import { startOverHttp } from '../helpers/over-http.ts';
import { type Answer, type Ask, codesOf, type Stack, startStack } from '../helpers/stack.ts';

/*
 * Every write to Stripe and HubSpot, with a fault at each step after the provider has accepted it. The client must never
 * be told that the write failed.
 */

const company = createCompany();

const ENV = {
  // The write must invalidate earlier reads, whatever happens to its response.
  CACHE_MAX_MIB: '16',
  STRIPE_TIMEOUT_MS: '1500',
  HUBSPOT_TIMEOUT_MS: '1500',
};

let stack: Stack;
let overHttp: Pick<Stack, 'ask' | 'close'>;
let round = 0;

beforeAll(async () => {
  advanceClock(0);
  stack = await startStack({ env: ENV });
  overHttp = await startOverHttp(stack, ENV);
});
afterAll(async () => {
  await overHttp.close();
  await stack.close();
  resetClock();
});
beforeEach(() => {
  stack.reset();
  // Closes circuits that the previous test opened.
  advanceClock(120_000);
  round += 1;
});

/** Sends a request directly to the sandbox. */
const stripe = async (path: string, form?: Readonly<Record<string, string>>): Promise<Record<string, unknown>> => {
  const response = await fetch(`${stack.stripe.url}${path}`, {
    headers: { authorization: `Bearer ${STRIPE_SANDBOX_KEY}`, 'content-type': 'application/x-www-form-urlencoded' },
    ...(form && { method: 'POST', body: new URLSearchParams(form).toString() }),
  });
  return (await response.json()) as Record<string, unknown>;
};

const listed = async (path: string): Promise<unknown[]> => (await stripe(path))['data'] as unknown[];

const hubspot = async (type: string, input: object): Promise<Record<string, string>[]> => {
  const response = await fetch(`${stack.hubspot.url}/crm/objects/2026-09/${type}/batch/read`, {
    method: 'POST',
    headers: { authorization: `Bearer ${HUBSPOT_SANDBOX_TOKEN}` },
    body: JSON.stringify(input),
  });
  const { results } = (await response.json()) as { results: { properties: Record<string, string> }[] };
  return results.map(({ properties }) => properties);
};

/** One write, unique for each case. */
type Attempt = {
  readonly mutation: string;
  readonly variables: Record<string, unknown>;
  /** A field that the write changes, read before and after by the same gateway. */
  readonly probe: string;
  /** Reads the provider's state; it must be the same after one and after two attempts. */
  readonly carriedOut: () => Promise<unknown>;
  readonly expected: unknown;
  /** The expected data of a complete response. */
  readonly answer: object;
};

type Write = {
  readonly name: string;
  readonly provider: 'stripe' | 'hubspot';
  /** The operation that faults are injected into. */
  readonly on: string;
  /** Makes a response fail validation. */
  readonly refused: (body: string) => string;
  readonly attempt: () => Promise<Attempt>;
  /** The expected errors if the client repeats the mutation. Default: the same as a complete response. */
  readonly repeated?: unknown[][];
};

const [ada] = company.accounts;
const EMAIL = 'ada.lindqvist@customers.example';
const refundable = company.accounts.flatMap(({ payments, currency }) =>
  payments.flatMap(({ id, status, refunds }) =>
    status === 'succeeded' && refunds.length === 0 && currency !== 'kwd' ? [id] : [],
  ),
);

const mutationOf = (field: string, input: string, selection: string) =>
  `mutation M($input: ${input}!) { ${field}(input: $input) { ${selection} } }`;

const unknownStatus = (body: string) => body.replace(/"status":"[a-z_]+"/g, '"status":"by_carrier_pigeon"');

const authorised = async (): Promise<string> => {
  const made = await stripe('/v1/payment_intents', {
    amount: '1200',
    currency: 'eur',
    customer: ada?.id ?? '',
    confirm: 'true',
    payment_method: 'pm_card_visa',
    capture_method: 'manual',
  });
  return String(made['id']);
};

const payment = (email: string, account: () => Promise<string>): Attempt => {
  const description = `outcome ${round}`;
  return {
    mutation: mutationOf(
      'createPayment',
      'CreatePaymentInput',
      'payment { description amount { amount } } clientSecret',
    ),
    variables: {
      input: {
        customerEmail: email,
        amount: { amount: '12.50', currency: 'EUR' },
        description,
        paymentMethodId: 'pm_card_visa',
        idempotencyKey: `outcome-${round}`,
      },
    },
    probe: `customer(email: "${EMAIL}") { payments(first: 1) { edges { node { description } } } }`,
    carriedOut: async () =>
      (await listed(`/v1/payment_intents?limit=100&customer=${await account()}`)).filter(
        (one) => (one as { description: string }).description === description,
      ).length,
    expected: 1,
    answer: {
      payment: { description, amount: { amount: '12.50' } },
      clientSecret: expect.stringContaining('_secret_'),
    },
  };
};

const WRITES: readonly Write[] = [
  {
    name: 'createPayment',
    provider: 'stripe',
    on: 'POST /v1/payment_intents',
    refused: unknownStatus,
    attempt: async () => payment(EMAIL, async () => ada?.id ?? ''),
  },
  {
    name: 'createPayment, for the Stripe customer',
    provider: 'stripe',
    on: 'POST /v1/customers',
    refused: (body) => body.replace('"id":"cus_', '"di":"cus_'),
    attempt: async () => {
      const email = `new.${round}@customers.example`;
      return payment(email, async () => {
        const accounts = (await listed(`/v1/customers?email=${email}`)) as { id: string }[];
        expect(accounts).toHaveLength(1);
        return accounts[0]?.id ?? '';
      });
    },
  },
  {
    name: 'capturePayment',
    provider: 'stripe',
    on: 'POST /v1/payment_intents/{id}/capture',
    refused: unknownStatus,
    attempt: async () => {
      const id = await authorised();
      return {
        mutation: mutationOf(
          'capturePayment',
          'CapturePaymentInput',
          'payment { id status amountReceived { amount } }',
        ),
        variables: { input: { paymentId: id, idempotencyKey: `outcome-${round}` } },
        probe: `payment(id: "${id}") { status } customer(email: "${EMAIL}") { payments(first: 1) { edges { node { status } } } }`,
        carriedOut: async () => (await stripe(`/v1/payment_intents/${id}`))['status'],
        expected: 'succeeded',
        answer: { payment: { id, status: 'SUCCEEDED', amountReceived: { amount: '12.00' } } },
      };
    },
  },
  {
    name: 'cancelPayment',
    provider: 'stripe',
    on: 'POST /v1/payment_intents/{id}/cancel',
    refused: unknownStatus,
    attempt: async () => {
      const id = await authorised();
      return {
        mutation: mutationOf('cancelPayment', 'CancelPaymentInput', 'payment { id status }'),
        variables: { input: { paymentId: id, idempotencyKey: `outcome-${round}` } },
        probe: `payment(id: "${id}") { status } customer(email: "${EMAIL}") { payments(first: 1) { edges { node { status } } } }`,
        carriedOut: async () => (await stripe(`/v1/payment_intents/${id}`))['status'],
        expected: 'canceled',
        answer: { payment: { id, status: 'CANCELED' } },
      };
    },
  },
  {
    name: 'refundPayment',
    provider: 'stripe',
    on: 'POST /v1/refunds',
    refused: (body) => body.replace(/"created":\d+/g, '"created":"today"'),
    attempt: async () => {
      const id = refundable[round] ?? '';
      return {
        mutation: mutationOf(
          'refundPayment',
          'RefundPaymentInput',
          'refund { status } payment { id refunds { status } }',
        ),
        variables: { input: { paymentId: id, idempotencyKey: `outcome-${round}` } },
        probe: `payment(id: "${id}") { refunds { status } }`,
        carriedOut: async () => (await listed(`/v1/refunds?payment_intent=${id}`)).length,
        expected: 1,
        answer: { refund: { status: 'SUCCEEDED' }, payment: { id, refunds: [{ status: 'SUCCEEDED' }] } },
      };
    },
  },
  {
    name: 'createCustomer',
    provider: 'hubspot',
    on: 'POST /crm/objects/2026-09/contacts',
    refused: (body) => body.replace(/"createdAt":"[^"]+"/, '"createdAt":12'),
    repeated: [['UPSTREAM_REJECTED', 'ALREADY_EXISTS']],
    attempt: async () => {
      const email = `entered.${round}@customers.example`;
      return {
        mutation: mutationOf('createCustomer', 'CreateCustomerInput', 'customer { id email firstName phone }'),
        variables: { input: { email, firstName: 'Nora' } },
        probe: `customer(email: "${email}") { firstName }`,
        carriedOut: async () => {
          const found = await hubspot('contacts', {
            inputs: [{ id: email }],
            idProperty: 'email',
            properties: ['email'],
          });
          return found.map((properties) => properties['email']);
        },
        expected: [expect.stringMatching(/^entered/)],
        answer: { customer: { id: expect.any(String), email, firstName: 'Nora', phone: null } },
      };
    },
  },
  {
    name: 'updateCustomer',
    provider: 'hubspot',
    on: 'PATCH /crm/objects/2026-09/contacts/{id}',
    refused: (body) => body.replace('"id":', '"di":'),
    attempt: async () => {
      const phone = `+46 70 ${1000 + round}`;
      return {
        mutation: mutationOf('updateCustomer', 'UpdateCustomerInput', 'customer { id phone lastName }'),
        variables: { input: { id: '102', phone } },
        probe: 'customer(id: "102") { phone }',
        carriedOut: async () =>
          (await hubspot('contacts', { inputs: [{ id: '102' }], properties: ['phone'] }))[0]?.['phone'],
        expected: phone,
        answer: { customer: { id: '102', phone, lastName: company.people[1]?.lastName } },
      };
    },
  },
  {
    name: 'updateDeal',
    provider: 'hubspot',
    on: 'PATCH /crm/objects/2026-09/deals/{id}',
    refused: (body) => body.replace('"id":', '"di":'),
    attempt: async () => {
      const name = `Deal ${round}`;
      return {
        mutation: mutationOf('updateDeal', 'UpdateDealInput', 'deal { id name status }'),
        variables: { input: { id: '50001', name } },
        probe: 'deal(id: "50001") { name }',
        carriedOut: async () =>
          (await hubspot('deals', { inputs: [{ id: '50001' }], properties: ['dealname'] }))[0]?.['dealname'],
        expected: name,
        answer: { deal: { id: '50001', name, status: expect.any(String) } },
      };
    },
  },
];

/** Faults in the response to an accepted write. */
const FAULTS: readonly (readonly [name: string, fault: (write: Write) => Fault])[] = [
  ...['', '1', '"x"', 'true', 'null', '[]', '{}', '{"error":1}', '<html>', '{"id":', '{"__proto__":{"id":"x"}}'].map(
    (body): readonly [string, () => Fault] => [`the body ${JSON.stringify(body)}`, () => ({ rewrite: () => body })],
  ),
  ['a truncated body', () => ({ rewrite: (body) => body.slice(0, body.length / 2) })],
  ['a body nested too deeply', () => ({ rewrite: () => `{"id":${'['.repeat(100_000)}${']'.repeat(100_000)}}` })],
  ['a body that fails validation', ({ refused }) => ({ rewrite: refused })],
  ['a body that is too large', () => ({ bytes: 9_000_000 })],
  ['a lost connection', () => ({ drop: 'after' })],
  ['no response in time', () => ({ hang: true })],
];

/** One of each kind: for the others, see the long tests. */
const KINDS = [
  'the body ""',
  'a truncated body',
  'a body that fails validation',
  'a lost connection',
  'no response in time',
];
const COMMON = FAULTS.filter(([name]) => KINDS.includes(name));
const OTHERS = FAULTS.filter(([name]) => !KINDS.includes(name));

const fieldOf = ({ name }: Write) => name.split(',')[0] ?? '';

/** Runs a write between two reads of the changed field, and checks what must hold whatever the response. */
const carryOut = async (
  write: Write,
  fault: () => void,
  ask: Ask,
): Promise<{ answer: Answer<Outcome>; of: Attempt }> => {
  const of = await write.attempt();
  const before = await ask(`{ ${of.probe} }`);
  expect(before.errors).toBeUndefined();
  fault();
  const answer = await ask<Outcome>(of.mutation, of.variables);
  const data = answer.data?.[fieldOf(write)] ?? null;
  // An error at the mutation must report an unknown outcome; other errors concern fields that could not be read.
  for (const { path, extensions } of answer.errors ?? []) {
    if (data === null || path?.length === 1) expect(extensions?.['code']).toBe('UPSTREAM_OUTCOME_UNKNOWN');
  }
  stack.reset();
  advanceClock(0);
  if (write.on !== 'POST /v1/customers') {
    expect(await of.carriedOut()).toEqual(of.expected);
    const after = await ask(`{ ${of.probe} }`);
    expect(after.data).not.toEqual(before.data);
  }
  const again = await ask<Outcome>(of.mutation, of.variables);
  if (write.repeated) expect(codesOf(again.errors)).toEqual(write.repeated);
  else expect(again).toMatchObject({ errors: undefined, data: { [fieldOf(write)]: of.answer } });
  expect(await of.carriedOut()).toEqual(of.expected);
  return { answer, of };
};

type Outcome = Record<string, Record<string, unknown> | null>;

describe.each(WRITES)('given $name is accepted by $provider, and the response is', (write) => {
  const sandbox = () => stack[write.provider];
  const supportsIdempotencyKey = write.provider === 'stripe';

  const expectReconciled = async (_: string, fault: (write: Write) => Fault): Promise<void> => {
    const { answer, of } = await carryOut(
      write,
      () => sandbox().fail({ ...fault(write), on: write.on, times: 1 }),
      stack.ask,
    );
    expect(answer).toMatchObject({ errors: undefined, data: { [fieldOf(write)]: of.answer } });
  };

  test.each(COMMON)('%s, once: then the result is reconciled', expectReconciled);

  test.each(OTHERS)('%s, once: then the result is reconciled', { tags: ['long'] }, expectReconciled);

  const expectUnknown = async (_: string, fault: (write: Write) => Fault): Promise<void> => {
    const { answer } = await carryOut(
      write,
      () => {
        sandbox().fail({ ...fault(write), on: write.on });
        if (!supportsIdempotencyKey) sandbox().fail({ on: 'batch/read', status: 503 });
      },
      stack.ask,
    );
    expect(answer.data).toEqual({ [fieldOf(write)]: null });
    expect(codesOf(answer.errors)).toEqual([['UPSTREAM_OUTCOME_UNKNOWN', undefined]]);
  };

  test.each(COMMON)('%s, and reconciling fails: then the outcome is unknown', expectUnknown);

  test.each(OTHERS)('%s, and reconciling fails: then the outcome is unknown', { tags: ['long'] }, expectUnknown);

  test.each(FAULTS.filter(([name]) => ['the body "1"', 'a lost connection'].includes(name)))(
    '%s, once, with subgraphs over HTTP: then the result is reconciled',
    { tags: ['long'] },
    async (_, fault) => {
      const once = () => sandbox().fail({ ...fault(write), on: write.on, times: 1 });
      const { answer, of } = await carryOut(write, once, overHttp.ask);
      expect(answer).toMatchObject({ errors: undefined, data: { [fieldOf(write)]: of.answer } });
    },
  );
});
