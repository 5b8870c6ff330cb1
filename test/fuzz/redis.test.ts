import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { sandboxes } from '../../sandbox/index.ts';
import { startOpenMageSandbox } from '../../sandbox/openmage/index.ts';
import type { Sandbox } from '../../sandbox/server.ts';
import { type FuzzedGateway, faultOf, startFuzzedGateway } from './fuzzed-gateway.ts';
import { ODD_REPLIES, type OddRedis, startOddRedis } from './odd-redis.ts';

/* A Redis that answers with anything at all. Clients hear nothing of it. */

const STOCK = '{ product(sku: "OABR-S") { sku stock { quantity } } }';
const setStock = (quantity: number) =>
  `mutation { setStock(input: { sku: "OABR-S", quantity: ${quantity} }) { product { stock { quantity } } } }`;

const SAYS_TO_WAIT = new Set(['a number', 'a number that is none', 'a fraction']);

let redis: OddRedis;
let sandbox: Sandbox;
let gateway: FuzzedGateway;

beforeAll(async () => {
  redis = await startOddRedis();
  sandbox = await startOpenMageSandbox();
  gateway = await startFuzzedGateway({
    REDIS_URL: redis.url,
    OPENMAGE_CACHE: 'stock=600/600/600',
    OPENMAGE_QUOTA: 'account=1000/1',
    REQUEST_TIMEOUT_MS: '3000',
    ...sandboxes.openmage.environment(sandbox),
  });
});
afterAll(async () => {
  await gateway.close();
  await redis.close();
  await sandbox.close();
});

const isUp = () =>
  vi.waitFor(async () => {
    const health = await (await fetch(`${gateway.url()}/health/ready`)).json();
    expect(health).toMatchObject({ redis: 'ok' });
  }, 20_000);

test('odd replies', { timeout: 300_000 }, async () => {
  const faults: string[] = [];
  for (const [index, [name, reply]] of ODD_REPLIES.entries()) {
    const quantity = 100 + index;
    await isUp();
    const before = redis.count();
    redis.odd = reply;
    const fault = await gateway.judge(async () => {
      const written = await gateway.ask(setStock(quantity));
      // What a rate limit can say is obeyed.
      if (SAYS_TO_WAIT.has(name) && written.includes('UPSTREAM_RATE_LIMITED')) return faultOf(written);
      if (faultOf(written, false)) return faultOf(written, false);
      const read = await gateway.ask(STOCK);
      const expected = { data: { product: { sku: 'OABR-S', stock: { quantity } } } };
      return isDeepStrictEqual(JSON.parse(read), expected) ? undefined : read.slice(0, 200);
    });
    if (redis.count() === before) faults.push(`${name}: nothing was asked of it`);
    redis.odd = undefined;
    if (fault) faults.push(`${name}: ${fault}`);
  }
  await isUp();
  expect(faults).toEqual([]);
});
