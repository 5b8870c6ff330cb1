import { createCompany } from '../../sandbox/company.ts';
import type { Contract } from './contract.ts';

const company = createCompany();

export const contract: Contract = {
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
  readsBeforeWrite: 2,
  loginOperation: 'login',
  supportsIdempotencyKey: false,
  quota: { variable: 'OPENMAGE_QUOTA', value: 'account=N/S' },
  cache: { variable: 'OPENMAGE_CACHE', type: 'stock' },
  timeoutVariable: 'OPENMAGE_TIMEOUT_MS',
  concurrencyVariable: 'OPENMAGE_CONCURRENCY',
  failure: {
    field: 'products',
    ask: 'products(skus: ["OABR-S"]) { sku stock { quantity } }',
    // Reading the WSDL and logging in come first.
    on: 'catalogInventory',
    broken: '<?xml version="1.0"?><SOAP-ENV:Envelope><SOAP-ENV:Body>',
    missing: (body) => body.replaceAll('is_in_stock', 'in_stock'),
    mistyped: (body) => body.replace(/<qty>[^<]+/, '<qty>many'),
  },
};
