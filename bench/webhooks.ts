import { setTimeout as pause } from 'node:timers/promises';
import { print } from 'graphql';
import { PaymentDocument } from '../clients/explorer/src/generated/graphql.ts';
import { CustomerOverviewDocument } from '../clients/web/src/generated/graphql.ts';
import { startGateway } from '../gateway/start.ts';
import { createCompany } from '../sandbox/company.ts';
import { HUBSPOT_SANDBOX_TOKEN, startHubSpotSandbox } from '../subgraphs/crm/hubspot/sandbox/index.ts';
import { startOpenMageSandbox } from '../subgraphs/inventory/openmage/sandbox/index.ts';
import { startStripeSandbox } from '../subgraphs/payments/stripe/sandbox/index.ts';
import { readMetrics } from '../test/helpers/prometheus.ts';
import { sandboxEnvironment } from '../test/helpers/sandboxes.ts';
import { connectWebhooks, WEBHOOKS } from '../test/helpers/webhooks.ts';

/*
 * Counts the calls to providers that report their changes by webhook, in a simulated hour: each second a client reads a customer
 * with everything or a payment, and each minute somebody else changes a customer at the provider. A client reads this customer right
 * before and after. The clocks of the process are set ahead; webhooks are sent, stored and applied as always.
 */

const SECONDS = 3_600;
const CHANGE_EVERY_S = 60;

const HOUR = '3600/3660/7200';
const LONG = {
  STRIPE_CACHE: ['accounts', 'payments', 'paymentLists', 'refunds', 'invoices', 'invoiceLists']
    .map((type) => `${type}=${HOUR}`)
    .join(),
  HUBSPOT_CACHE: ['contacts', 'companies', 'deals', 'lineItems', 'associations', 'lists']
    .map((type) => `${type}=${HOUR}`)
    .join(),
};

const RUNS: readonly { readonly name: string; readonly env: Record<string, string>; readonly hasWebhooks: boolean }[] =
  [
    { name: 'no webhooks, default cache times', env: {}, hasWebhooks: false },
    { name: 'webhooks, default cache times', env: {}, hasWebhooks: true },
    { name: 'webhooks, cached for an hour', env: LONG, hasWebhooks: true },
  ];

let passedMs = 0;
const [wall, monotonic] = [Date.now.bind(Date), performance.now.bind(performance)];
Date.now = () => wall() + passedMs;
performance.now = () => monotonic() + passedMs;

const company = createCompany();
const emails = company.people.flatMap(({ email }) => (email ? [email] : [])).slice(0, 100);
const payments = company.accounts.flatMap((account) => account.payments.map(({ id }) => id)).slice(0, 100);
const contacts = Array.from({ length: 20 }, (_, index) => String(101 + index));

const run = async ({ name, env, hasWebhooks }: (typeof RUNS)[number]) => {
  const UNLIMITED = { calls: Number.POSITIVE_INFINITY, windowMs: 1 };
  const stripe = await startStripeSandbox({
    quota: { account: UNLIMITED, endpoint: UNLIMITED, search: UNLIMITED },
    searchLagMs: 0,
  });
  const hubspot = await startHubSpotSandbox({ quota: { account: UNLIMITED, search: UNLIMITED } });
  const openmage = await startOpenMageSandbox();
  const gateway = await startGateway({
    PORT: '0',
    ADMIN_PORT: '0',
    LOG_LEVEL: 'silent',
    ...sandboxEnvironment('stripe', stripe),
    ...sandboxEnvironment('hubspot', hubspot),
    ...sandboxEnvironment('openmage', openmage),
    ...(hasWebhooks && WEBHOOKS),
    ...env,
  });
  if (hasWebhooks) connectWebhooks({ stripe, hubspot }, gateway.url);
  const ask = async (query: string, variables: object): Promise<unknown> => {
    const response = await fetch(`${gateway.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = (await response.json()) as { data: unknown; errors?: unknown };
    if (errors) throw new Error(JSON.stringify(errors));
    return data;
  };
  const readPhone = async (id: string): Promise<string> => {
    const data = await ask('query ($id: ID!) { customer(id: $id) { phone } }', { id });
    return (data as { customer: { phone: string } }).customer.phone;
  };
  const change = async (id: string, phone: string): Promise<void> => {
    const response = await fetch(`${hubspot.url}/crm/objects/2026-09/contacts/${id}`, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${HUBSPOT_SANDBOX_TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ properties: { phone } }),
    });
    if (!response.ok) throw new Error(`The change was answered with ${response.status}.`);
  };
  /** Resolves when so many events have been applied. */
  const applied = async (events: number): Promise<void> => {
    const until = wall() + 10_000;
    while (wall() < until) {
      const { all } = await readMetrics(gateway.adminUrl);
      const counts = all('tributary_events_lag_seconds_count').map(({ value }) => value);
      if (counts.reduce((sum, count) => sum + count, 0) >= events) return;
      await pause(10);
    }
    throw new Error(`Fewer than ${events} events were applied within ten seconds.`);
  };
  const calls = { hubspot: 0, stripe: 0 };
  /** Adds what is in the sandboxes' logs, which are bounded. */
  const count = (): void => {
    calls.hubspot += hubspot.calls.filter(({ operation }) => !operation.startsWith('PATCH')).length;
    calls.stripe += stripe.calls.length;
    hubspot.reset();
    stripe.reset();
  };
  let changes = 0;
  let current = 0;
  for (let second = 0; second < SECONDS; second += 1) {
    const isOdd = second % 2 === 1;
    // Prime steps, so that the order is no pattern.
    const nth = (second >> 1) * 37;
    await (isOdd
      ? ask(print(PaymentDocument), { id: payments[nth % payments.length] })
      : ask(print(CustomerOverviewDocument), { email: emails[nth % emails.length] }));
    passedMs += 1_000;
    if (second % CHANGE_EVERY_S !== CHANGE_EVERY_S - 1) continue;
    changes += 1;
    const id = contacts[changes % contacts.length] ?? '';
    const phone = `+46 ${changes}`;
    await readPhone(id);
    await change(id, phone);
    if (hasWebhooks) await applied(changes);
    if ((await readPhone(id)) === phone) current += 1;
    count();
  }
  await gateway.close();
  await Promise.all([stripe, hubspot, openmage].map((sandbox) => sandbox.close()));
  return {
    run: name,
    'HubSpot calls': calls.hubspot,
    'Stripe calls': calls.stripe,
    'read the new value at once': `${current} of ${changes}`,
  };
};

console.log(`\n${SECONDS} reads in a simulated hour, with ${SECONDS / CHANGE_EVERY_S} changes:\n`);
const rows = [];
for (const one of RUNS) rows.push(await run(one));
console.table(rows);
