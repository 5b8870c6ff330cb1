import { createCompany } from '../../sandbox/company.ts';
import type { Contract } from './contract.ts';

const company = createCompany();

export const contract: Contract = {
  provider: 'hubspot',
  service: 'crm',
  read: (id) => `customer(id: "${id}") { id phone }`,
  readOperation: 'POST /crm/objects/2026-09/contacts/batch/read',
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
  writeOperation: 'PATCH /crm/objects/2026-09/contacts/{id}',
  supportsIdempotencyKey: false,
  quota: { variable: 'HUBSPOT_QUOTA', value: 'account=N/S,search=N/S' },
  cache: { variable: 'HUBSPOT_CACHE', type: 'contacts' },
  timeoutVariable: 'HUBSPOT_TIMEOUT_MS',
  concurrencyVariable: 'HUBSPOT_CONCURRENCY',
  failure: {
    field: 'customer',
    ask: 'customer(email: "ada.lindqvist@customers.example") { firstName }',
    broken: '{"results": [',
    // Properties are optional; `createdAt` is required by HubSpot's OpenAPI document.
    missing: (body) => body.replaceAll('"createdAt"', '"created_at"'),
    mistyped: (body) => body.replace(/"createdAt":"[^"]+"/, '"createdAt":12'),
  },
};
