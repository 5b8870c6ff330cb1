import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Collector, startCollector, toTree } from '../helpers/otlp-collector.ts';
import { type Stack, startStack } from '../helpers/stack.ts';

let collector: Collector;
let stack: Stack;

beforeAll(async () => {
  collector = await startCollector();
  stack = await startStack({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } });
});

afterEach(() => stack.reset());

afterAll(async () => {
  await stack?.close();
  await collector?.close();
});

const parentOf = (isSampled = true) => {
  const traceId = randomBytes(16).toString('hex');
  const spanId = randomBytes(8).toString('hex');
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}` };
};

test('x', async () => {
  const { traceId, traceparent } = parentOf();
  const { data, errors } = await stack.ask(
    'query Overview { customer(email: "ada.lindqvist@customers.example") { firstName company { name } balance { amount } deals(first: 1) { edges { node { name } } } } product(sku: "OABR-S") { stock { quantity } } }',
    undefined,
    { headers: { traceparent } },
  );
  expect(errors).toBeUndefined();
  await expect.poll(() => collector.trace(traceId).length, { timeout: 10_000 }).toBeGreaterThan(0);
  console.log(toTree(collector.trace(traceId)).join('\n'));
  console.log(JSON.stringify(collector.trace(traceId), null, 1));
});
