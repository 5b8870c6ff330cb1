import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createCompany } from '../../sandbox/company.ts';
import { runKeysCommand } from '../../scripts/keys/keys.ts';
import { connectTo, dealChanged } from '../helpers/brokers.ts';
import { advanceClock, resetClock } from '../helpers/clock.ts';
import { openEventStream } from '../helpers/event-stream.ts';
import { type LoadItem, startLoad } from '../helpers/load.ts';
import { freePort, ROOT, type Spawned, startProcess } from '../helpers/processes.ts';
import { type Alert, type Prometheus, startPrometheus } from '../helpers/prometheus-server.ts';
import { alerts, metricsIn, recordings, rules } from '../helpers/rules.ts';
import { sandboxEnvironment } from '../helpers/sandboxes.ts';
import { type Stack, startStack } from '../helpers/stack.ts';
import { hasTool } from '../helpers/tools.ts';
import { postHubSpot, postStripe, stripeEvent, WEBHOOKS } from '../helpers/webhooks.ts';

/*
 * Prometheus with the project's rules beside a gateway: under load without faults, then with a fault of each kind at once. Alerts
 * on windows of hours and days, and those whose cause cannot be provoked from outside, are tested in test/deploy/rules.
 */

const company = createCompany();
const emails = company.people.flatMap(({ email }) => email ?? []);
const payments = company.accounts.flatMap((account) => account.payments.map(({ id }) => id));
const skus = company.products.map(({ sku }) => sku);
const pick = (list: readonly string[], index: number): string => list[index % list.length] ?? '';

const SCOPES = ['payments:read', 'customers:read', 'deals:read', 'inventory:read', 'inventory:write'];

/** Alerts that a slow machine may cause. They are not expected to be silent. */
const ON_SLOWNESS = new Set([
  'TributaryOperationSlow',
  'TributaryEventLoopStalled',
  'TributaryQuotaWait',
  'TributaryAdmissionSaturated',
  'TributaryTargetDown',
  'TributaryErrorBudgetBurnFast',
  'TributaryErrorBudgetBurnSlow',
]);

/** The queries of all panels, by dashboard and title. */
const panels = readdirSync(join(ROOT, 'deploy/grafana/dashboards')).flatMap((file) => {
  const { panels: all } = JSON.parse(readFileSync(join(ROOT, 'deploy/grafana/dashboards', file), 'utf8')) as {
    panels: { title: string; targets?: { expr: string }[] }[];
  };
  return all.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ name: `${file}: ${title}`, expr })));
});

/** Replaces Grafana's variables: all instances and subgraphs. */
const asGrafana = (expr: string): string =>
  expr.replaceAll(/\$(instance|subgraph)\b/g, '.*').replaceAll('$__rate_interval', '5m');

const hasPrinted = (process: Spawned, text: string): Promise<boolean> =>
  vi.waitUntil(() => process.output().includes(text), { timeout: 120_000 });

describe.skipIf(!hasTool('prometheus and promtool') || !hasTool('redis-server'))(
  'Prometheus',
  { tags: ['long'] },
  () => {
    let stack: Stack;
    let redis: Spawned;
    let inventory: Spawned;
    let prometheus: Prometheus;
    let inventoryInstance: string;
    const closing: (() => Promise<unknown> | unknown)[] = [];
    /** Sends a GraphQL request with the key of a client. */
    let askAs: (client: string, query: string, variables?: Record<string, unknown>) => Promise<unknown>;

    beforeAll(async () => {
      const folder = mkdtempSync(join(tmpdir(), 'monitoring-'));
      closing.push(() => rmSync(folder, { recursive: true }));
      const env = { API_KEYS_FILE: join(folder, 'keys.json') };
      const keys = new Map<string, string>();
      for (const name of ['web', 'partner', 'greedy']) {
        const { key = '' } = await runKeysCommand(['create', '--name', name, '--scopes', SCOPES.join(',')], env);
        keys.set(name, key);
      }
      const redisPort = await freePort();
      redis = startProcess(['redis-server', '--port', String(redisPort), '--save', '', '--appendonly', 'no'], {});
      closing.push(redis.stop);
      await hasPrinted(redis, 'Ready to accept connections');
      const broker = `redis://127.0.0.1:${redisPort}`;
      const adminPorts = { gateway: await freePort(), inventory: await freePort() };
      stack = await startStack({
        env: {
          ...env,
          ...WEBHOOKS,
          ADMIN_PORT: String(adminPorts.gateway),
          CACHE_MAX_MIB: '16',
          REQUEST_TIMEOUT_MS: '8000',
          HUBSPOT_QUOTA: 'account=100000/1,search=10/10',
          OPENMAGE_POLL_S: '5',
          BROKER_URL: broker,
          BROKER_EVENTS: 'both',
        },
      });
      closing.push(stack.close);
      inventoryInstance = `inventory/127.0.0.1:${adminPorts.inventory}`;
      // A process of its own, as in docker-compose.yml, and with Redis. The gateway has none: values age by the clock of this process.
      inventory = startProcess(['node', 'subgraphs/main.ts'], {
        SUBGRAPHS: 'inventory',
        PORT: '0',
        ADMIN_PORT: String(adminPorts.inventory),
        REDIS_URL: broker,
        ...sandboxEnvironment('openmage', stack.openmage),
      });
      closing.push(inventory.stop);
      await hasPrinted(inventory, 'answers at');
      askAs = (client, query, variables) =>
        stack.ask(query, variables, { headers: { authorization: `Bearer ${keys.get(client)}` } });
      prometheus = await startPrometheus({
        gateway: `http://127.0.0.1:${adminPorts.gateway}`,
        inventory: `http://127.0.0.1:${adminPorts.inventory}`,
      });
      closing.push(prometheus.close);
      const subscriber = await openEventStream(
        stack.url,
        // Its messages come from the writes of the load.
        {
          query: 'subscription Watch($skus: [ID!]) { stockChanged(skus: $skus) { sku } }',
          variables: { skus: skus.slice(0, 20) },
        },
        { authorization: `Bearer ${keys.get('web')}` },
      );
      expect(subscriber.status).toBe(200);
      closing.push(subscriber.close);
      // An event of another application.
      const other = await connectTo(broker, { publishTo: 'tributary.events.in', receiveFrom: 'any' });
      await vi.waitUntil(() => other.status() === 'up', { timeout: 120_000 });
      await other.publish([dealChanged('7')]);
      await other.close();
    });
    afterAll(async () => {
      for (const close of closing.reverse()) await close();
      resetClock();
    });

    const ask = (
      query: string,
      variables: (index: number) => Record<string, unknown>,
      pauseMs: number,
      as = 'web',
    ) => ({
      pauseMs,
      send: (index: number) => askAs(as, query, variables(index)),
    });

    const CUSTOMER = `query Customer($email: String!) {
    customer(email: $email) { firstName payments(first: 2) { edges { node { status } } } }
  }`;
    const SEARCH = `query Search($text: String!) {
    customers(first: 1, filter: { text: $text }) { edges { node { firstName } } }
  }`;

    /** The load of an ordinary day, from two clients, and one who has no key. */
    const ordinary = (): readonly LoadItem[] => [
      ask(CUSTOMER, (index) => ({ email: pick(emails, index % 10) }), 100),
      ask(CUSTOMER, (index) => ({ email: pick(emails, index % 10) }), 1_000, 'partner'),
      ask(
        'query Payment($id: ID!) { payment(id: $id) { status } }',
        (index) => ({ id: pick(payments, index % 20) }),
        100,
      ),
      ask(
        'query Stock($sku: ID!) { product(sku: $sku) { stock { quantity } } }',
        (index) => ({ sku: pick(skus, index) }),
        100,
      ),
      ask(
        'mutation SetStock($sku: ID!, $quantity: Float!) { setStock(input: { sku: $sku, quantity: $quantity }) { product { sku } } }',
        (index) => ({ sku: pick(skus, index), quantity: index }),
        500,
      ),
      ask(
        'query Deals($first: Int!) { deals(first: $first) { edges { node { name } } } }',
        (index) => ({ first: 1 + (index % 50) }),
        2_000,
      ),
      ask(SEARCH, (index) => ({ text: `web ${index}` }), 4_000),
      {
        pauseMs: 1_000,
        send: (index) =>
          postHubSpot(stack.url, [
            {
              eventId: index,
              subscriptionType: 'deal.creation',
              objectId: index,
              occurredAt: 1_796_000_000_000 + index,
            },
          ]),
      },
      { pauseMs: 500, send: () => stack.ask('{ __typename }', {}, { headers: { authorization: 'Bearer unknown' } }) },
    ];

    /** Waits until an expression has a value for which `is` holds. */
    const waitFor = (expr: string, is: (value: number) => boolean) =>
      expect
        .poll(async () => (await prometheus.query(expr)).some(({ value }) => is(value)), { message: expr })
        .toBe(true);

    const firing = async (): Promise<readonly Alert[]> =>
      (await prometheus.alerts()).filter(({ state }) => state === 'firing');

    /** Waits until each of these alerts fires, with these labels. */
    const waitForAlerts = (expected: readonly Readonly<Record<string, string>>[]) =>
      expect
        .poll(async () => {
          const all = await firing();
          const isFiring = (wanted: Readonly<Record<string, string>>) =>
            all.some(({ labels }) => Object.entries(wanted).every(([name, value]) => labels[name] === value));
          return expected.filter((wanted) => !isFiring(wanted));
        })
        .toEqual([]);

    test('given no faults, then no alert fires', async () => {
      closing.push(startLoad(ordinary()));
      // Half a minute of load: longer than any alert on five minutes waits in fast motion.
      await waitFor('count_over_time(tributary:operations:rate5m[15m])', (count) => count >= 22);
      const unexpected = (await prometheus.alerts()).filter(
        ({ labels }) => !ON_SLOWNESS.has(labels['alertname'] ?? ''),
      );
      expect(unexpected).toEqual([]);
      const up = await prometheus.query('up == 1');
      const instances = up.map(({ labels }) => labels['instance']).sort();
      expect(instances).toEqual([expect.stringMatching(/^gateway\/127/), inventoryInstance]);
    });

    test('given faults, then the alerts for them fire, and name what is affected', async () => {
      // What is cached is old enough to be too old, when it is served because Stripe is down.
      advanceClock(400_000);
      stack.stripe.fail({ status: 500 });
      stack.openmage.fail({ on: 'StockItemUpdate', status: 429, headers: { 'retry-after': '1' } });
      stack.openmage.fail({ delayMs: 1_500 });
      stack.hubspot.fail({ on: '/companies', status: 401 });
      closing.push(
        startLoad([
          // Unknown each time, so that none is cached.
          ...Array.from({ length: 10 }, (_, loop) =>
            ask(SEARCH, (index) => ({ text: `greedy ${loop} ${index}` }), 100, 'greedy'),
          ),
          ...Array.from({ length: 3 }, (_, loop) =>
            ask(CUSTOMER, (index) => ({ email: `${loop}-${index}@unknown.example` }), 300, 'greedy'),
          ),
          ask(
            'query Company($email: String!) { customer(email: $email) { company { name } } }',
            (index) => ({ email: pick(emails, index) }),
            2_000,
          ),
          {
            pauseMs: 500,
            send: (index) => postStripe(stack.url, stripeEvent(`evt_${index}`), 'whsec_of_somebody_else'),
          },
        ]),
      );
      await waitForAlerts([
        { alertname: 'TributaryWebhookRefused', provider: 'stripe' },
        { alertname: 'TributaryProviderFailing', subgraph: 'payments', severity: 'critical' },
        { alertname: 'TributaryBreakerOpen', subgraph: 'payments', provider_operation: 'GET /v1/payment_intents/{id}' },
        { alertname: 'TributaryStaleAnswersTooOld', subgraph: 'payments' },
        { alertname: 'TributaryCredentialRejected', subgraph: 'crm' },
        { alertname: 'TributaryRateLimitedByProvider', subgraph: 'inventory' },
        { alertname: 'TributaryQuotaExhausted', subgraph: 'crm' },
        { alertname: 'TributaryQuotaNearlyUsed', subgraph: 'crm', limit: 'search' },
        { alertname: 'TributaryQuotaWait', subgraph: 'crm' },
        { alertname: 'TributaryGreedyClient', subgraph: 'crm', client: 'api-key:greedy' },
        { alertname: 'TributaryOperationSlow', graphql_operation_name: 'Stock' },
        { alertname: 'TributaryOperationFailing', graphql_operation_name: 'Search' },
        { alertname: 'TributaryErrorBudgetBurnFast', slo: 'availability' },
      ]);
      const all = await firing();
      for (const { labels, annotations } of all) {
        const { alertname: _, severity: __, slo: ___, job: ____, ...affected } = labels;
        for (const value of Object.values(affected)) expect(annotations['summary']).toContain(value);
      }
      // Of the subgraphs without a fault of this kind, and of the processes, none is accused.
      const accused = all.map(({ labels }) => `${labels['alertname']} ${labels['subgraph'] ?? ''}`);
      expect(accused).not.toContain('TributaryProviderFailing inventory');
      expect(accused).not.toContain('TributaryCredentialRejected payments');
      expect(accused.filter((one) => /QuotaExhausted|QuotaNearlyUsed/.test(one) && !one.endsWith(' crm'))).toEqual([]);
      for (const name of ['TargetsMissing', 'RedisDown', 'InternalErrors', 'AuditUnavailable', 'Overloaded']) {
        expect(accused).not.toContain(`Tributary${name} `);
      }
    });

    test.each(panels)('$name has data', async ({ expr }) => {
      await expect.poll(() => prometheus.query(asGrafana(expr)), { message: expr }).not.toEqual([]);
    });

    test('all rules can be evaluated, and what they read exists', async () => {
      for (const { record, labels } of recordings) {
        const matchers = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
        await waitFor(`${record}{${matchers.join(', ')}}`, (value) => !Number.isNaN(value));
      }
      const read = new Set(rules.flatMap(({ expr }) => metricsIn(expr)));
      expect(read.size).toBeGreaterThan(30);
      for (const name of read) await waitFor(`count(${name})`, (count) => count > 0);
      expect(await prometheus.failedRules()).toEqual([]);
      expect(alerts.length).toBeGreaterThan(20);
    });

    test.each(readdirSync(join(ROOT, 'docs/runbooks')))('the queries in %s can be evaluated', async (file) => {
      const text = readFileSync(join(ROOT, 'docs/runbooks', file), 'utf8');
      for (const [, query = ''] of text.matchAll(/^```promql\n([\s\S]*?)\n```/gm)) await prometheus.query(query);
    });

    test('given Redis and a process that stop, then the alerts for them fire', async () => {
      await redis.stop();
      await waitForAlerts([{ alertname: 'TributaryRedisDown', instance: inventoryInstance }]);
      await inventory.stop();
      await waitForAlerts([{ alertname: 'TributaryTargetDown', instance: inventoryInstance }]);
      expect((await firing()).filter(({ labels }) => labels['alertname'] === 'TributaryTargetDown')).toHaveLength(1);
    });
  },
);
