import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startGateway } from '../../gateway/start.ts';
import { createCompany } from '../../sandbox/company.ts';
import { openEventStream } from '../helpers/event-stream.ts';
import { writePlans } from '../helpers/plans.ts';
import { startProcess } from '../helpers/processes.ts';
import { readMetrics } from '../helpers/prometheus.ts';
import { createAsk, operationsOf, type Stack, startStack } from '../helpers/stack.ts';
import { headersOf, TOKEN_ENV } from '../helpers/tokens.ts';
import { connectWebhooks, postStripe, WEBHOOKS } from '../helpers/webhooks.ts';

/* What the events of subscriptions cost is known, by client and operation, and counts for the client's budget. */

const company = createCompany();
const [ada, bjorn] = company.people;
const paymentOf = (email: string | null | undefined): string =>
  company.accounts.find((account) => account.email === email)?.payments[0]?.id ?? '';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack?.close());

const start = async (env: Record<string, string>) => {
  const gateway = await startGateway({ ...stack.env, ...WEBHOOKS, ...TOKEN_ENV, ADMIN_PORT: '0', ...env });
  onTestFinished(gateway.close);
  connectWebhooks(stack, gateway.url);
  return { ...gateway, ask: createAsk(`${gateway.url}/graphql`) };
};

let number = 0;
const changePayment = (url: string, id: string): Promise<unknown> => {
  number += 1;
  return postStripe(url, {
    id: `evt_cost_${number}`,
    object: 'event',
    type: 'payment_intent.succeeded',
    created: 1_796_000_000 + number,
    data: { object: { object: 'payment_intent', id } },
    request: { id: `req_cost_${number}`, idempotency_key: null },
  });
};

const QUERY = `subscription Watch { paymentChanged(customerEmail: "${bjorn?.email}") { id } }`;
const headers = headersOf({ subject: 'support', scopes: ['payments:read'] });

const expectCounted = async (env: Record<string, string>): Promise<void> => {
  const budget = 100;
  const plans = writePlans({ plans: { small: { callsPerDay: { payments: budget } } }, default: 'small' });
  const { url, adminUrl, ask } = await start({ ...env, PLANS: plans.path });
  const stream = await openEventStream(url, { query: QUERY }, headers);
  expect(stream.status).toBe(200);
  stack.reset();
  await changePayment(url, paymentOf(ada?.email));
  await changePayment(url, paymentOf(bjorn?.email));
  await expect.poll(() => stream.results().length).toBe(1);
  stream.close();
  // Each payment is read to decide, and the wanted one again: nothing is cached here.
  const calls = operationsOf(stack.stripe).length;
  expect(calls).toBe(3);
  const { value } = await readMetrics(adminUrl);
  const subgraph = 'payments';
  expect(value('tributary_operation_calls_total', { graphql_operation_name: 'Watch', subgraph })).toBe(calls);
  expect(value('tributary_client_calls_total', { client: 'jwt:support', subgraph })).toBe(calls);
  const expensive = Array.from(
    { length: budget },
    (_, index) => `p${index}: payment(id: "pi_${index}") { refunds { id } }`,
  );
  const refused = await ask(`{ ${expensive.join(' ')} }`, undefined, { headers });
  // Only the event's own call counts: the client does not control how many other events there are.
  expect(refused.errors).toMatchObject([{ extensions: { code: 'BUDGET_EXCEEDED', left: budget - 1 } }]);
};

describe('the provider calls of events count, and those of the decisions which of them are wanted', () => {
  test('in the gateway’s process', () => expectCounted({}));

  test('in another process', { tags: ['long'] }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'events-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const shared = { EVENTS_FILE: join(folder, 'events.sqlite'), SUBGRAPH_SECRET: randomBytes(32).toString('hex') };
    const subgraphs = startProcess(['node', 'subgraphs/main.ts'], {
      ...stack.env,
      ...shared,
      SUBGRAPHS: 'payments',
      PORT: '0',
      LOG_LEVEL: 'warn',
    });
    onTestFinished(subgraphs.stop);
    const answersAt = () => /payments answers at (\S+)/.exec(subgraphs.output())?.[1] ?? '';
    await expect.poll(answersAt).not.toBe('');
    await expectCounted({ ...shared, PAYMENTS_URL: answersAt() });
  });
});

test('a refused subscription and a failed event count as errors', async () => {
  const { url, adminUrl } = await start({ MAX_SUBSCRIPTIONS_PER_CLIENT: '1' });
  const stream = await openEventStream(url, { query: QUERY.replace(/\(.*\)/, '') }, headers);
  expect(stream.status).toBe(200);
  await openEventStream(url, { query: QUERY }, headers);
  stack.stripe.fail({ status: 500 });
  onTestFinished(stack.reset);
  await changePayment(url, paymentOf(ada?.email));
  await expect.poll(() => stream.results().length).toBe(1);
  stream.close();
  const { value } = await readMetrics(adminUrl);
  const countOf = (outcome: string) => value('tributary_client_operations_total', { client: 'jwt:support', outcome });
  const errorsOf = (code: string) =>
    value('tributary_operation_errors_total', { graphql_operation_name: 'Watch', code });
  expect(errorsOf('RATE_LIMITED')).toBe(1);
  expect(stream.results()).toMatchObject([{ errors: [{ extensions: { code: 'UPSTREAM_UNAVAILABLE' } }] }]);
  expect(errorsOf('UPSTREAM_UNAVAILABLE')).toBe(1);
  expect([countOf('ok'), countOf('partial'), countOf('error')]).toEqual([1, 1, 1]);
});
