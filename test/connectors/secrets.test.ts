import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Fault } from '../../sandbox/faults.ts';
import { HUBSPOT_SANDBOX_TOKEN } from '../../subgraphs/crm/hubspot/sandbox/index.ts';
import { OPENMAGE_SANDBOX_KEY } from '../../subgraphs/inventory/openmage/sandbox/index.ts';
import { STRIPE_SANDBOX_KEY } from '../../subgraphs/payments/stripe/sandbox/index.ts';
import { type Spawned, startProcess } from '../helpers/processes.ts';
import { sandboxEnvironment } from '../helpers/sandboxes.ts';
import { createAsk, type Stack, startStack } from '../helpers/stack.ts';

const EMAIL = 'ada.lindqvist@customers.example';
const REDIS_PASSWORD = 'redis-secret-password';
const SECRETS = [STRIPE_SANDBOX_KEY, HUBSPOT_SANDBOX_TOKEN, OPENMAGE_SANDBOX_KEY, REDIS_PASSWORD, EMAIL];

const ASK = `query ($email: String!) {
  customer(email: $email) { firstName balance { amount } payments(first: 1) { edges { node { id } } } }
  payment(id: "pi_3x") { id }
  product(sku: "OABR-S") { sku }
}`;
const WRITES = `mutation ($email: String!) {
  createPayment(input: { customerEmail: $email, amount: { amount: "5", currency: "SEK" }, captureMethod: MANUAL,
    idempotencyKey: "secret-test" }) { payment { id } }
  createCustomer(input: { email: $email, lastName: "Lindqvist" }) { customer { id } }
  setStock(input: { sku: "OABR-S", quantity: 1 }) { product { sku } }
}`;

// Bodies that echo the request, as some providers' do.
const FAULTS: readonly Fault[] = [
  ...[400, 401, 403, 404, 409, 422, 429, 500, 503].map((status) => ({ status, body: SECRETS.join(' ') })),
  { body: SECRETS.join(' ') },
  { body: `{"error":{"message":"${SECRETS.join(' ')}"}}` },
  { drop: 'before' },
  { drop: 'after' },
  { hang: true },
];

let stack: Stack;
let gateway: Spawned;
beforeAll(async () => {
  stack = await startStack();
  gateway = startProcess(['node', 'gateway/main.ts'], {
    PORT: '0',
    LOG_LEVEL: 'trace',
    REQUEST_TIMEOUT_MS: '1000',
    REDIS_URL: `redis://:${REDIS_PASSWORD}@127.0.0.1:1`,
    ...sandboxEnvironment('stripe', stack.stripe),
    ...sandboxEnvironment('hubspot', stack.hubspot),
    ...sandboxEnvironment('openmage', stack.openmage),
  });
  await vi.waitFor(() => expect(gateway.output()).toContain('answers at'), 120_000);
});
afterAll(async () => {
  await gateway.stop();
  await stack.close();
});

test('given any failure, then no log line or response contains a credential or personal data', async () => {
  const ask = createAsk(/answers at (\S+)/.exec(gateway.output())?.[1] ?? '');
  const answers: string[] = [];
  for (const fault of FAULTS) {
    stack.reset();
    for (const provider of [stack.stripe, stack.hubspot, stack.openmage]) provider.fail(fault);
    for (const query of [ASK, WRITES]) answers.push((await ask(query, { email: EMAIL })).text);
  }
  expect(gateway.output().split('\n').length).toBeGreaterThan(40);
  expect(answers.join('\n')).toContain('UPSTREAM_');
  for (const secret of SECRETS) {
    expect(gateway.output()).not.toContain(secret);
    expect(answers.join('\n')).not.toContain(secret);
  }
});
