import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Spawned, startProcess } from '../helpers/processes.ts';
import { SCOPES } from '../helpers/scopes.ts';
import { createAsk, environmentOf, type Stack, startStack } from '../helpers/stack.ts';
import { headersOf, TOKEN_ENV } from '../helpers/tokens.ts';
import { type Collector, startCollector } from '../helpers/trace-collector.ts';

/*
 * Everything that a process writes or sends, searched for what must not leave it: secrets of providers and of the collector,
 * clients' tokens and keys, texts and variables of operations, and what providers responded.
 */

let collector: Collector;
let stack: Stack;
beforeAll(async () => {
  collector = await startCollector();
  stack = await startStack();
});
afterAll(async () => {
  await stack?.close();
  await collector?.close();
});

// Each contains this word, as do the bodies below.
const CANARY = /canary/i;

const OPERATIONS: readonly (readonly [query: string, variables?: Record<string, unknown>])[] = [
  [
    '{ customer(email: "ada.lindqvist@customers.example") { email firstName lastName company { name } balance { amount } } }',
  ],
  ['{ customer(email: "canary@customers.example") { firstName } product(sku: "canary-sku") { name } }'],
  ['query ($sku: ID!) { product(sku: $sku) { name stock { quantity } } }', { sku: 'canary-variable' }],
  ['query ($sku: ID!) { product(sku: $sku) { name } }', { sku: { canary: ['canary'] } }],
  ['{ nothing(canary: "canary") }'],
  ['{ "canary'],
  [
    'mutation { createCustomer(input: { email: "canary@x.example", firstName: "canary", phone: "canary" }) { customer { id } } }',
  ],
  ['mutation { setStock(input: { sku: "OABR-S", quantity: 7 }) { product { sku } } }'],
  ['mutation { refundPayment(input: { paymentId: "pi_canary", idempotencyKey: "canary-key" }) { refund { id } } }'],
];

const start = async (env: Record<string, string>): Promise<Spawned & { readonly url: string }> => {
  const gateway = startProcess(['node', 'gateway/main.ts'], { PORT: '0', ...environmentOf(stack), ...env });
  const answersAt = () => /answers at (\S+)/.exec(gateway.output())?.[1];
  await vi.waitFor(() => expect(answersAt(), gateway.output()).toBeDefined(), 120_000);
  return { ...gateway, url: answersAt() ?? '' };
};

const expectNothingLeaves = async (level: string): Promise<void> => {
  const gateway = await start({
    ...TOKEN_ENV,
    LOG_LEVEL: level,
    REQUEST_LOG: 'all',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20canary-collector',
  });
  const ask = createAsk(gateway.url);
  const everything = headersOf({ subject: 'clerk', scopes: SCOPES });
  const headers = { ...everything, cookie: 'session=canary-cookie', 'x-custom': 'canary-header' };
  const faults: (() => void)[] = [
    () => {},
    () => {
      for (const sandbox of Object.values(stack.sandboxes)) {
        sandbox.fail({ status: 500, body: '{"error":"canary-body"}', headers: { 'x-canary': 'canary-header' } });
      }
    },
    () => {
      for (const sandbox of Object.values(stack.sandboxes)) sandbox.fail({ body: 'canary-unreadable' });
    },
  ];
  for (const inject of faults) {
    inject();
    for (const [query, variables] of OPERATIONS) await ask(query, variables, { headers });
    stack.reset();
  }
  await ask('{ __typename }', undefined, { headers: { authorization: 'Bearer canary-token' } });
  await ask('{ __typename }', undefined, { headers: { 'x-api-key': 'canary-api-key' } });
  await fetch(`${gateway.url}?query=${encodeURIComponent('{ product(sku: "canary-url") { name } }')}&canary=canary`);
  await fetch(gateway.url, { method: 'POST', body: 'canary', headers: { 'content-type': 'application/json' } });
  await gateway.stop();
  const sent = collector.bodies.join('\n');
  // They did write and send something.
  expect(gateway.output()).toContain('"msg":"Request."');
  expect(sent).toContain('POST /graphql');
  for (const text of [gateway.output(), sent]) {
    expect(text).not.toMatch(CANARY);
    // Those of the token, and of the people in the responses.
    expect(text).not.toContain(everything['authorization']?.slice(7));
    expect(text).not.toMatch(/ada\.lindqvist|Lindqvist|Uppsala/i);
    for (const secret of SECRETS()) expect(text).not.toContain(secret);
  }
};

test('at LOG_LEVEL=trace', { tags: ['long'] }, () => expectNothingLeaves('trace'));

// The other levels write a part of what trace writes.
test.each(['info', 'silent'])('at LOG_LEVEL=%s', { tags: ['long'] }, expectNothingLeaves);

/** The credentials of the providers. */
const SECRETS = (): string[] =>
  Object.entries(environmentOf(stack)).flatMap(([name, value]) =>
    /KEY|TOKEN|PASSWORD|SECRET/.test(name) ? [value] : [],
  );
