import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ClientExplanation } from '../../../gateway/cost/client-explanation.ts';
import { createCompany } from '../../../sandbox/company.ts';
import { codesOf, type Stack, startStack } from '../../helpers/stack.ts';

/* What batches cost that serve several fields, or several clients. */

const ids = createCompany()
  .people.map(({ id }) => id)
  .slice(0, 60);
const lookup = (id: string | undefined) => `customer(id: "${id}") { firstName }`;

const LISTED = 'deals(first: 1) { edges { cursor } }';
const SEARCHED = 'deals(first: 1, filter: { text: "a" }) { edges { cursor } }';

const UNCACHED = { 'cache-control': 'no-cache' };

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ env: { HUBSPOT_CONCURRENCY: '1' } });
});
afterAll(() => stack.close());
beforeEach(() => stack.reset());

const explain = async (query: string): Promise<ClientExplanation> => {
  const { text } = await stack.ask(query, {}, { headers: { ...UNCACHED, 'x-tributary-explain': '1' } });
  return JSON.parse(text).extensions.tributary.explain;
};

describe('given root fields of one kind', () => {
  test.each([
    ['that are batched', ids.slice(0, 30).map(lookup), { atLeast: 1, expected: 1 }],
    ['that are searched and listed', [LISTED, SEARCHED], { expected: 2 }],
  ])('%s, then they cost as many calls as they are said to', async (_, fields, expected) => {
    const query = `{ ${fields.map((field, index) => `f${index}: ${field}`).join(' ')} }`;
    const { calls } = await explain(query);
    expect(calls).toMatchObject(expected);
    await stack.ask(query, {}, { headers: UNCACHED });
    expect(stack.hubspot.calls).toHaveLength(calls.expected);
    expect(stack.hubspot.calls.length).toBeGreaterThanOrEqual(calls.atLeast);
  });
});

test('given a batch of many clients with one bad key, then only the client of that key gets an error', async () => {
  const first = Promise.withResolvers<void>();
  stack.hubspot.fail({ on: 'GET /crm/objects/2026-09/deals', until: first.promise });
  stack.hubspot.fail({ key: ids[7] ?? '', status: 400 });
  // The one connection is taken until all keys are collected. Each client reads from another provider at the same time.
  const before = stack.ask(`{ ${LISTED} }`);
  await expect.poll(() => stack.hubspot.calls.length).toBe(1);
  const answers = Promise.all(ids.map((id) => stack.ask(`{ ${lookup(id)} payment(id: "pi_${id}") { id } }`)));
  await expect.poll(() => stack.stripe.calls.length).toBe(ids.length);
  first.resolve();
  await before;
  const failed = (await answers).map(({ errors }) => codesOf(errors)).filter((codes) => codes !== undefined);
  expect(stack.hubspot.calls.some(({ keys }) => keys.length === ids.length)).toBe(true);
  expect(failed).toEqual([[['UPSTREAM_REJECTED', 'INVALID_VALUE']]]);
});
