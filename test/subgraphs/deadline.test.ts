import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Sandbox } from '../../sandbox/server.ts';
import { startOpenMageSandbox } from '../../subgraphs/inventory/openmage/sandbox/index.ts';
import { type Spawned, startProcess } from '../helpers/processes.ts';
import { sandboxEnvironment } from '../helpers/sandboxes.ts';
import { createAsk } from '../helpers/stack.ts';

let shop: Sandbox;
let subgraph: Spawned;
beforeAll(async () => {
  shop = await startOpenMageSandbox();
  const environment = sandboxEnvironment('openmage', shop);
  subgraph = startProcess(['node', 'subgraphs/main.ts'], { SUBGRAPHS: 'inventory', PORT: '0', ...environment });
  await vi.waitFor(() => expect(subgraph.output()).toContain('answers at'), 120_000);
});
afterAll(async () => {
  await subgraph.stop();
  await shop.close();
});

test('given a deadline from the gateway, then the subgraph aborts its provider request by then', async () => {
  const ask = createAsk(/answers at (\S+)/.exec(subgraph.output())?.[1] ?? '');
  const PRODUCT = '{ product(sku: "OABR-S") { sku } }';
  expect((await ask(PRODUCT)).errors).toBeUndefined();
  shop.reset();
  shop.fail({ hang: true });
  const { errors } = await ask(
    '{ product(sku: "OABR-M") { sku } }',
    {},
    { headers: { 'x-tributary-deadline-ms': '3000' } },
  );
  expect(errors?.[0]?.extensions?.['code']).toBe('UPSTREAM_TIMEOUT');
  await expect.poll(() => shop.calls.map(({ clientAborted }) => clientAborted)).toEqual([true]);
});
