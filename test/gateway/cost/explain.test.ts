import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { ClientExplanation } from '../../../gateway/cost/client-explanation.ts';
import { advanceClock, resetClock, stopClock } from '../../helpers/clock.ts';
import { startOverHttp } from '../../helpers/over-http.ts';
import { type Ask, startStack } from '../../helpers/stack.ts';

/* What `x-tributary-explain` answers. */

const DEALS = '{ deals(first: 10) { edges { node { name company { name } } } } }';

const explain = async (ask: Ask, query: string): Promise<ClientExplanation> => {
  const { text } = await ask(query, {}, { headers: { 'x-tributary-explain': '1' } });
  return JSON.parse(text).extensions.tributary.explain;
};

describe('the wait for permits', () => {
  beforeEach(stopClock);
  afterEach(resetClock);

  test('given a quota that is used up, then it lasts until the quota is free again', async () => {
    const stack = await startStack({ env: { HUBSPOT_QUOTA: 'account=4/10,search=4/1' } });
    onTestFinished(stack.close);
    const waitMs = async () => (await explain(stack.ask, DEALS)).providers.map((one) => [one.subgraph, one.waitMs]);
    // One call now, and two that are spread over the time until the quota is free.
    const before = await waitMs();
    expect(before).toEqual([['crm', expect.any(Number)]]);
    expect(before[0]?.[1]).toBeLessThan(1_000);
    for (const id of ['1', '2']) await stack.ask(`{ customer(id: "${id}") { id } }`);
    const after = await waitMs();
    expect(after[0]?.[1]).toBeGreaterThan(2_000);
    expect(after[0]?.[1]).toBeLessThan(10_000);
    advanceClock(11_000);
    expect(await waitMs()).toEqual(before);
  });

  test('given a provider that another process calls, then it is not known', async () => {
    resetClock();
    const stack = await startStack();
    onTestFinished(stack.close);
    const overHttp = await startOverHttp(stack, {});
    onTestFinished(overHttp.close);
    const { providers } = await explain(overHttp.ask, DEALS);
    expect(providers).toMatchObject([{ subgraph: 'crm', expected: 3, waitMs: null }]);
  });
});

test('given CALL_REPORT=off, then the request is refused and nothing is executed', async () => {
  const stack = await startStack({ env: { CALL_REPORT: 'off' } });
  onTestFinished(stack.close);
  const { status, errors } = await stack.ask(DEALS, {}, { headers: { 'x-tributary-explain': '1' } });
  expect([status, errors?.[0]?.extensions?.['code']]).toEqual([403, 'FORBIDDEN']);
  expect(stack.hubspot.calls).toEqual([]);
});
