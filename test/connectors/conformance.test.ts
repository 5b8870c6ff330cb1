import { describe } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import type { Subject } from './conformance/harness.ts';
import { conformance } from './conformance/index.ts';

const company = createCompany();

const succeeded = company.accounts.flatMap(({ payments }) =>
  payments.flatMap(({ id, status, refunds }) => (status === 'succeeded' && refunds.length === 0 ? [id] : [])),
);

const SUBJECTS: readonly Subject[] = [
  {
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
    isKeyed: true,
    quota: { variable: 'STRIPE_QUOTA', value: 'account=N/S,endpoint=N/S,search=N/S' },
    cache: { variable: 'STRIPE_CACHE', type: 'payments' },
    timeoutVariable: 'STRIPE_TIMEOUT_MS',
    concurrencyVariable: 'STRIPE_CONCURRENCY',
  },
  {
    provider: 'hubspot',
    service: 'crm',
    read: (id) => `customer(id: "${id}") { id phone }`,
    readOperation: 'POST /crm/v3/objects/contacts/batch/read',
    keys: company.people.map(({ id }) => id).slice(0, 80),
    absentKey: '9999999',
    maxBatch: 100,
    write: (round) => {
      const key = company.people[0]?.id ?? '';
      return {
        key,
        mutation: `updateCustomer(input: { id: "${key}", phone: "+46 70 ${1000 + round}" }) { customer { id } }`,
      };
    },
    writeOperation: 'PATCH /crm/v3/objects/contacts/{id}',
    isKeyed: false,
    quota: { variable: 'HUBSPOT_QUOTA', value: 'account=N/S,search=N/S' },
    cache: { variable: 'HUBSPOT_CACHE', type: 'contacts' },
    timeoutVariable: 'HUBSPOT_TIMEOUT_MS',
    concurrencyVariable: 'HUBSPOT_CONCURRENCY',
  },
  {
    provider: 'openmage',
    service: 'inventory',
    read: (sku) => `product(sku: "${sku}") { sku stock { quantity } }`,
    readOperation: 'catalogInventoryStockItemList',
    keys: company.products.map(({ sku }) => sku).slice(0, 80),
    absentKey: 'NOBODY-HAS-THIS',
    maxBatch: 200,
    write: (round) => {
      const key = company.products[0]?.sku ?? '';
      return { key, mutation: `setStock(input: { sku: "${key}", quantity: ${1000 + round} }) { product { sku } }` };
    },
    writeOperation: 'catalogInventoryStockItemUpdate',
    isKeyed: false,
    quota: { variable: 'OPENMAGE_QUOTA', value: 'account=N/S' },
    cache: { variable: 'OPENMAGE_CACHE', type: 'stock' },
    timeoutVariable: 'OPENMAGE_TIMEOUT_MS',
    concurrencyVariable: 'OPENMAGE_CONCURRENCY',
  },
];

describe.each(SUBJECTS)('the connector of $provider', (subject) => conformance(subject));
