import { parseArgs } from 'node:util';
import { print } from 'graphql';
import { CustomersDocument, PaymentDocument, ProductsDocument } from '../clients/explorer/src/generated/graphql.ts';
import { CustomerOverviewDocument } from '../clients/web/src/generated/graphql.ts';
import { startGateway } from '../gateway/start.ts';
import { createCompany } from '../sandbox/company.ts';
import type { SandboxCall } from '../sandbox/server.ts';
import { startHubSpotSandbox } from '../subgraphs/crm/hubspot/sandbox/index.ts';
import { startOpenMageSandbox } from '../subgraphs/inventory/openmage/sandbox/index.ts';
import { startStripeSandbox } from '../subgraphs/payments/stripe/sandbox/index.ts';
import { sandboxEnvironment } from '../test/helpers/sandboxes.ts';

/*
 * Counts the provider requests of the product's queries in the sandboxes: for one query with an empty cache, and for 1,000
 * concurrent clients. Compares them with the minimum and with a DataLoader per client request.
 *
 * The sandboxes enforce their providers' rate limits. Without limits, requests do not wait, so batches are less full.
 *
 * The minimum requests every needed object once, in batches as full as the provider allows. It is computed from the keys in
 * the sandboxes' logs, not from the gateway's own statistics.
 */

const { values } = parseArgs({ options: { clients: { type: 'string', default: '1000' } } });
const CLIENTS = Number(values.clients);

// Maximum number of keys in one request, from the providers' documentation. Default: 1.
const CAPACITY: Readonly<Record<string, number>> = {
  'POST /crm/objects/2026-09/contacts/batch/read': 100,
  'POST /crm/objects/2026-09/companies/batch/read': 100,
  'POST /crm/objects/2026-09/deals/batch/read': 100,
  'POST /crm/objects/2026-09/line_items/batch/read': 100,
  'POST /crm/associations/2026-09/contacts/companies/batch/read': 1_000,
  'POST /crm/associations/2026-09/contacts/deals/batch/read': 1_000,
  'POST /crm/associations/2026-09/deals/line_items/batch/read': 1_000,
  'GET /v1/customers/search': 10,
  'GET /v1/payment_intents/search': 10,
  catalogInventoryStockItemList: 200,
  catalogProductList: 200,
};

// Requests sent once per process, not per query.
const PREREQUISITES = new Set(['WSDL', 'login']);

const company = createCompany();
// Clients overlap: they request the same customers, payments and products.
const emails = company.people.flatMap(({ email }) => (email ? [email] : [])).slice(0, 100);
const payments = company.accounts.flatMap((account) => account.payments.map(({ id }) => id)).slice(0, 100);
const skus = company.products.map(({ sku }) => sku);

type Operation = { readonly query: string; readonly variables: object };
type Workload = { readonly name: string; readonly operation: (index: number) => Operation };

const at = <T>(items: readonly T[], index: number): T => items[index % items.length] as T;

const WORKLOADS: readonly Workload[] = [
  {
    name: 'one customer with everything',
    operation: (index) => ({ query: print(CustomerOverviewDocument), variables: { email: at(emails, index) } }),
  },
  { name: '50 customers with payments', operation: () => ({ query: print(CustomersDocument), variables: {} }) },
  {
    name: '200 products with stock',
    operation: (index) => ({
      query: print(ProductsDocument),
      variables: { skus: Array.from({ length: 200 }, (_, nth) => at(skus, index * 7 + nth)) },
    }),
  },
  {
    name: 'one payment and its customer',
    operation: (index) => ({ query: print(PaymentDocument), variables: { id: at(payments, index) } }),
  },
];

/** Latency of the providers, in milliseconds. */
const LATENCY_MS = 20;

const ANY = { calls: Number.POSITIVE_INFINITY, windowMs: 1 };

const UNLIMITED = {
  STRIPE_QUOTA: 'account=100000/1,endpoint=100000/1,search=100000/1',
  HUBSPOT_QUOTA: 'account=100000/1,search=100000/1',
};

// The limits of a live key; the sandbox's key is a test key.
const LIVE = { STRIPE_QUOTA: 'account=100/1' };

/** Starts a gateway and sandboxes, with the providers' rate limits unless `env` removes them. */
const start = async (env: Record<string, string>) => {
  const isUnlimited = env['HUBSPOT_QUOTA'] !== undefined;
  const stripe = await startStripeSandbox({
    ...(isUnlimited && { quota: { account: ANY, endpoint: ANY, search: ANY } }),
    searchLagMs: 0,
  });
  const hubspot = await startHubSpotSandbox(isUnlimited ? { quota: { account: ANY, search: ANY } } : {});
  const openmage = await startOpenMageSandbox();
  const all = [stripe, hubspot, openmage];
  const gateway = await startGateway({
    PORT: '0',
    LOG_LEVEL: 'silent',
    ...sandboxEnvironment('stripe', stripe),
    ...sandboxEnvironment('hubspot', hubspot),
    ...sandboxEnvironment('openmage', openmage),
    ...env,
  });
  return {
    calls: () => all.flatMap(({ calls }) => calls.filter(({ operation }) => !PREREQUISITES.has(operation))),
    reset: (delayMs: number) => {
      for (const sandbox of all) {
        sandbox.reset();
        if (delayMs > 0) sandbox.fail({ delayMs });
      }
    },
    ask: async (operation: Operation) => {
      const response = await fetch(`${gateway.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(operation),
      });
      const { errors } = (await response.json()) as { errors?: unknown };
      if (errors) throw new Error(JSON.stringify(errors));
    },
    close: async () => {
      await gateway.close();
      await Promise.all(all.map((sandbox) => sandbox.close()));
    },
  };
};

/** Returns the keys of a request. The keys of a search are in its query: `email:"a" OR email:"b"`. */
const keysOf = ({ operation, keys }: SandboxCall): string[] => {
  if (operation.endsWith('/search') && operation.startsWith('GET')) return keys.flatMap((key) => key.split(' OR '));
  return CAPACITY[operation] ? [...keys] : [keys.join(' ')];
};

/** Returns the minimum number of requests for the same keys. */
const minimum = (calls: readonly SandboxCall[]): number => {
  const keysByOperation = new Map<string, Set<string>>();
  for (const call of calls) {
    const keys = keysByOperation.get(call.operation) ?? new Set();
    for (const key of keysOf(call)) keys.add(key);
    keysByOperation.set(call.operation, keys);
  }
  let sum = 0;
  for (const [operation, keys] of keysByOperation) sum += Math.ceil(keys.size / (CAPACITY[operation] ?? 1));
  return sum;
};

const ratio = (calls: number, other: number): string => (calls / other).toFixed(2);

console.log('One query, empty cache:\n');
console.table(
  await Promise.all(
    WORKLOADS.map(async ({ name, operation }) => {
      const stack = await start(LIVE);
      // Reads the shop's WSDL and opens a session, without caching anything that the query needs.
      await stack.ask({ query: '{ product(sku: "NOTHING") { sku } }', variables: {} });
      stack.reset(LATENCY_MS);
      await stack.ask(operation(0));
      const calls = stack.calls();
      await stack.close();
      return { query: name, calls: calls.length, minimum: minimum(calls), ratio: ratio(calls.length, minimum(calls)) };
    }),
  ),
);

const together = async (operations: readonly Operation[], env: Record<string, string>) => {
  const stack = await start(env);
  stack.reset(LATENCY_MS);
  const begin = performance.now();
  await Promise.all(operations.map((operation) => stack.ask(operation)));
  const seconds = (performance.now() - begin) / 1000;
  const calls = stack.calls();
  await stack.close();
  if (calls.some(({ status }) => status === 429)) throw new Error('The gateway exceeded a rate limit of a provider.');
  return { calls, seconds };
};

/** Counts the requests without a cache and without concurrent clients, as with a DataLoader per client request. */
const alone = async (operations: readonly Operation[]) => {
  const stack = await start({ ...UNLIMITED, CACHE_MAX_MIB: '0' });
  let sum = 0;
  for (const operation of operations) {
    stack.reset(0);
    await stack.ask(operation);
    sum += stack.calls().length;
  }
  await stack.close();
  return sum;
};

console.log(
  `\n${CLIENTS} concurrent clients, over ${emails.length} customers, ${payments.length} payments and ${skus.length} products:\n`,
);
const rows = [];
const mixed: Workload = {
  name: 'all four, mixed',
  operation: (index) => at(WORKLOADS, index).operation(Math.floor(index / WORKLOADS.length)),
};
for (const { name, operation } of [...WORKLOADS, mixed]) {
  const operations = Array.from({ length: CLIENTS }, (_, index) => operation(index));
  const { calls, seconds } = await together(operations, LIVE);
  const unlimited = await together(operations, UNLIMITED);
  const separately = await alone(operations);
  rows.push({
    query: name,
    calls: calls.length,
    minimum: minimum(calls),
    ratio: ratio(calls.length, minimum(calls)),
    'DataLoader per request': separately,
    share: `${((100 * calls.length) / separately).toFixed(1)} %`,
    'total time': `${seconds.toFixed(1)} s`,
    'without limits': `${unlimited.calls.length} calls, ${unlimited.seconds.toFixed(1)} s`,
  });
}
console.table(rows);
