import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { createBreakerLog } from '../../telemetry/breaker-log.ts';
import { advanceClock, resetClock, stopClock } from '../helpers/clock.ts';
import { startProcess } from '../helpers/processes.ts';
import { createAsk, environmentOf, type Stack, startStack } from '../helpers/stack.ts';

/* The log entries about circuit breakers. */

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack?.close());

const STOCK = 'query Stock { product(sku: "OABR-S") { stock { quantity } } }';

test('an outage that clients do not notice is logged once, and so is its end', async () => {
  const gateway = startProcess(['node', 'gateway/main.ts'], {
    PORT: '0',
    ...environmentOf(stack),
    CACHE_MAX_MIB: '8',
    // Asked each time, and served stale if it fails.
    OPENMAGE_CACHE: 'stock=0/0/3600',
    LOG_LEVEL: 'info',
  });
  onTestFinished(() => gateway.stop().then(() => undefined));
  const answersAt = () => /answers at (\S+)/.exec(gateway.output())?.[1];
  await vi.waitFor(() => expect(answersAt(), gateway.output()).toBeDefined(), 120_000);
  const ask = createAsk(answersAt() ?? '');
  const entries = () =>
    gateway
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{"level"') && line.includes('"subgraph":"inventory"'))
      .map((line): Readonly<Record<string, unknown>> => JSON.parse(line));
  expect((await ask(STOCK)).errors).toBeUndefined();
  stack.openmage.fail({ on: 'StockItemList', status: 503 });
  // Failed probes are among these.
  await expect
    .poll(async () => {
      expect((await ask(STOCK)).errors).toBeUndefined();
      return entries();
    })
    .not.toEqual([]);
  const probes = stack.openmage.calls.length;
  await expect
    .poll(async () => {
      await ask(STOCK);
      return stack.openmage.calls.length;
    })
    .toBeGreaterThan(probes + 1);
  const opened = {
    level: 40,
    subgraph: 'inventory',
    operation: expect.stringContaining('StockItemList'),
    code: 'UPSTREAM_UNAVAILABLE',
    status: 503,
    msg: 'A circuit breaker opened.',
  };
  expect(entries()).toEqual([expect.objectContaining(opened)]);
  stack.reset();
  await expect
    .poll(async () => {
      await ask(STOCK);
      return entries();
    })
    .toEqual([
      expect.objectContaining(opened),
      expect.objectContaining({ level: 30, msg: expect.stringContaining('A circuit breaker closed') }),
    ]);
});

test('breakers that open and close all the time write a bounded number of entries, and count the others', () => {
  stopClock();
  onTestFinished(resetClock);
  const entries: { readonly omitted?: number }[] = [];
  const write = (entry: object): void => void entries.push(entry);
  const { on } = createBreakerLog({ warn: write, info: write });
  const change = { type: 'provider.breaker', subgraph: 'crm', operation: 'GET' } as const;
  const failure = { code: 'UPSTREAM_UNAVAILABLE', status: undefined, why: 'ECONNREFUSED' };
  for (let index = 0; index < 500; index += 1) {
    on({ ...change, state: 'open', failure }, new Set());
    on({ ...change, state: 'half_open' }, new Set());
    on({ ...change, state: 'open' }, new Set());
    on({ ...change, state: 'closed' }, new Set());
  }
  expect(entries).toHaveLength(100);
  advanceClock(1_000);
  on({ ...change, state: 'closed' }, new Set());
  expect(entries.at(-1)).toMatchObject({ omitted: 900 });
});
