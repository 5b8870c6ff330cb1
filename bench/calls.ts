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
 * How many provider calls the product's queries cost, counted by the sandboxes: for one query with nothing kept, and for
 * 1,000 clients who ask at once. Beside it the fewest that could do, and what a DataLoader for each request takes.
 *
 * The sandboxes keep to their providers' limits, and refuse what is more. Where there are none, calls need not wait and are
 * less full.
 *
 * The fewest: every object that was asked for is asked for once, in calls as full as the provider allows. It is worked
 * out from the keys in the sandboxes' own log, not from what the product thinks.
 */

const { values } = parseArgs({ options: { clients: { type: 'string', default: '1000' } } });
const CLIENTS = Number(values.clients);

// What one call of each operation may carry, from the providers' documentation; 1 where it is not here.
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

// Once for each process, and not for a query.
const PREREQUISITES = new Set(['WSDL', 'login']);

const company = createCompany();
// Clients who overlap: they ask about the same customers, payments and goods.
const emails = company.people.flatMap(({ email }) => (email ? [email] : [])).slice(0, 100);
const payments = company.accounts.flatMap((account) => account.payments.map(({ id }) => id)).slice(0, 100);
const skus = company.products.map(({ sku }) => sku);

type Question = { readonly query: string; readonly variables: object };
type Workload = { readonly name: string; readonly question: (index: number) => Question };

const at = <T>(items: readonly T[], index: number): T => items[index % items.length] as T;

const WORKLOADS: readonly Workload[] = [
  {
    name: 'one customer with everything',
    question: (index) => ({ query: print(CustomerOverviewDocument), variables: { email: at(emails, index) } }),
  },
  { name: '50 customers with payments', question: () => ({ query: print(CustomersDocument), variables: {} }) },
  {
    name: '200 products with stock',
    question: (index) => ({
      query: print(ProductsDocument),
      variables: { skus: Array.from({ length: 200 }, (_, nth) => at(skus, index * 7 + nth)) },
    }),
  },
  {
    name: 'one payment and its customer',
    question: (index) => ({ query: print(PaymentDocument), variables: { id: at(payments, index) } }),
  },
];

/** How long the providers take to answer. */
const LATENCY_MS = 20;

const ANY = { calls: Number.POSITIVE_INFINITY, windowMs: 1 };

const UNLIMITED = {
  STRIPE_QUOTA: 'account=100000/1,endpoint=100000/1,search=100000/1',
  HUBSPOT_QUOTA: 'account=100000/1,search=100000/1',
};

// As with a live key, where the sandbox's is a test key's.
const LIVE = { STRIPE_QUOTA: 'account=100/1' };

/** The sandboxes have the providers' limits, unless the gateway is told that there are none. */
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
    ask: async (question: Question) => {
      const response = await fetch(`${gateway.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(question),
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

/** The keys of a search stand in its query: `email:"a" OR email:"b"`. */
const keysOf = ({ operation, keys }: SandboxCall): string[] => {
  if (operation.endsWith('/search') && operation.startsWith('GET')) return keys.flatMap((key) => key.split(' OR '));
  return CAPACITY[operation] ? [...keys] : [keys.join(' ')];
};

/** The fewest calls that could have asked for the same keys. */
const fewest = (calls: readonly SandboxCall[]): number => {
  const asked = new Map<string, Set<string>>();
  for (const call of calls) {
    const keys = asked.get(call.operation) ?? new Set();
    for (const key of keysOf(call)) keys.add(key);
    asked.set(call.operation, keys);
  }
  let sum = 0;
  for (const [operation, keys] of asked) sum += Math.ceil(keys.size / (CAPACITY[operation] ?? 1));
  return sum;
};

const ratio = (calls: number, other: number): string => (calls / other).toFixed(2);

console.log('One query, nothing kept:\n');
console.table(
  await Promise.all(
    WORKLOADS.map(async ({ name, question }) => {
      const stack = await start(LIVE);
      // The shop's WSDL is read and a session opened, and nothing of the query is kept.
      await stack.ask({ query: '{ product(sku: "NOTHING") { sku } }', variables: {} });
      stack.reset(LATENCY_MS);
      await stack.ask(question(0));
      const calls = stack.calls();
      await stack.close();
      return { query: name, calls: calls.length, fewest: fewest(calls), ratio: ratio(calls.length, fewest(calls)) };
    }),
  ),
);

const together = async (questions: readonly Question[], env: Record<string, string>) => {
  const stack = await start(env);
  stack.reset(LATENCY_MS);
  const begin = performance.now();
  await Promise.all(questions.map((question) => stack.ask(question)));
  const seconds = (performance.now() - begin) / 1000;
  const calls = stack.calls();
  await stack.close();
  if (calls.some(({ status }) => status === 429)) throw new Error('A provider was asked for more than it takes.');
  return { calls, seconds };
};

/** A DataLoader for each request is what is left with nothing kept and nobody else asking. */
const alone = async (questions: readonly Question[]) => {
  const stack = await start({ ...UNLIMITED, CACHE_MAX_MIB: '0' });
  let sum = 0;
  for (const question of questions) {
    stack.reset(0);
    await stack.ask(question);
    sum += stack.calls().length;
  }
  await stack.close();
  return sum;
};

console.log(
  `\n${CLIENTS} clients at once, over ${emails.length} customers, ${payments.length} payments and ${skus.length} goods:\n`,
);
const rows = [];
const mixed: Workload = {
  name: 'all four, mixed',
  question: (index) => at(WORKLOADS, index).question(Math.floor(index / WORKLOADS.length)),
};
for (const { name, question } of [...WORKLOADS, mixed]) {
  const questions = Array.from({ length: CLIENTS }, (_, index) => question(index));
  const { calls, seconds } = await together(questions, LIVE);
  const unlimited = await together(questions, UNLIMITED);
  const separately = await alone(questions);
  rows.push({
    query: name,
    calls: calls.length,
    fewest: fewest(calls),
    ratio: ratio(calls.length, fewest(calls)),
    'a DataLoader each': separately,
    share: `${((100 * calls.length) / separately).toFixed(1)} %`,
    'all answered after': `${seconds.toFixed(1)} s`,
    'without limits': `${unlimited.calls.length} calls, ${unlimited.seconds.toFixed(1)} s`,
  });
}
console.table(rows);
