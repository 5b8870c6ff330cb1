import { createCompany } from '../../sandbox/company.ts';
import type { Contract } from './contract.ts';

const company = createCompany();

const succeeded = company.accounts.flatMap(({ payments }) =>
  payments.flatMap(({ id, status, refunds }) => (status === 'succeeded' && refunds.length === 0 ? [id] : [])),
);

export const contract: Contract = {
  provider: 'stripe',
  service: 'payments',
  read: (id) => `payment(id: "${id}") { id description refunds { id } }`,
  readOperation: 'GET /v1/payment_intents/{id}',
  keys: succeeded.slice(0, 80),
  absentKey: 'pi_3nobodyhasthis',
  maxBatch: 1,
  write: (round) => {
    const key = succeeded[Math.abs(round)] ?? '';
    const reason = round < 0 ? 'FRAUDULENT' : 'DUPLICATE';
    const input = `{ paymentId: "${key}", reason: ${reason}, idempotencyKey: "conformance-${Math.abs(round)}" }`;
    return { key, mutation: `refundPayment(input: ${input}) { refund { id } }` };
  },
  writeOperation: 'POST /v1/refunds',
  supportsIdempotencyKey: true,
  quota: { variable: 'STRIPE_QUOTA', value: 'account=N/S,endpoint=N/S,search=N/S' },
  cache: { variable: 'STRIPE_CACHE', type: 'payments' },
  timeoutVariable: 'STRIPE_TIMEOUT_MS',
  concurrencyVariable: 'STRIPE_CONCURRENCY',
  failure: {
    field: 'payment',
    ask: `payment(id: "${succeeded[0]}") { id amount { amount currency } }`,
    broken: '{"object": "payment_intent", "id": "pi_',
    // Amounts are optional; `created` is required by Stripe's OpenAPI document.
    missing: (body) => body.replaceAll('"created"', '"creatde"'),
    mistyped: (body) => body.replace(/"amount":\d+/, '"amount":"many"'),
  },
};
