import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { ClientExplanation } from '../../../gateway/cost/client-explanation.ts';
import { createCompany } from '../../../sandbox/company.ts';
import { type Stack, startStack } from '../../helpers/stack.ts';

/* What writes are said to cost is what they cost. */

const email = createCompany().accounts[0]?.email;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.close());
beforeEach(() => stack.reset());

/** Creates a payment of 10 EUR and returns its id. */
const createPayment = async (captureMethod: 'AUTOMATIC' | 'MANUAL'): Promise<string> => {
  const { data } = await stack.ask<{ createPayment: { payment: { id: string } } }>(
    `mutation Create($input: CreatePaymentInput!) { createPayment(input: $input) { payment { id } } }`,
    {
      input: {
        customerEmail: email,
        amount: { amount: '10.00', currency: 'EUR' },
        paymentMethodId: 'pm_card_visa',
        captureMethod,
        idempotencyKey: crypto.randomUUID(),
      },
    },
  );
  stack.reset();
  return data?.createPayment.payment.id ?? '';
};

const AMOUNT = 'amount: { amount: "5.00", currency: "EUR" }';

test.each([
  ['refundPayment', AMOUNT, 'AUTOMATIC', { atLeast: 1, expected: 2 }],
  ['refundPayment', '', 'AUTOMATIC', { atLeast: 1, expected: 1 }],
  ['capturePayment', AMOUNT, 'MANUAL', { atLeast: 1, expected: 2 }],
  ['capturePayment', '', 'MANUAL', { atLeast: 1, expected: 1 }],
  ['cancelPayment', '', 'MANUAL', { atLeast: 1, expected: 1 }],
] as const)('%s with { %s }', async (field, amount, captureMethod, expected) => {
  const id = await createPayment(captureMethod);
  const key = crypto.randomUUID();
  const mutation = `mutation { ${field}(input: { paymentId: "${id}", idempotencyKey: "${key}" ${amount} }) { payment { id } } }`;
  const { text } = await stack.ask(mutation, {}, { headers: { 'x-tributary-explain': '1' } });
  const { calls }: ClientExplanation = JSON.parse(text).extensions.tributary.explain;
  expect(calls).toMatchObject(expected);
  const { errors } = await stack.ask(mutation);
  expect(errors).toBeUndefined();
  expect(stack.stripe.calls).toHaveLength(calls.expected);
});
