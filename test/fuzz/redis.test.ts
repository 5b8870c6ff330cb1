// @module-tag long

import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Sandbox } from '../../sandbox/server.ts';
import { startOpenMageSandbox } from '../../subgraphs/inventory/openmage/sandbox/index.ts';
import { sandboxEnvironment } from '../helpers/sandboxes.ts';
import { type FuzzedGateway, faultOf, startFuzzedGateway } from './fuzzed-gateway.ts';
import { ODD_REPLIES, type OddRedis, startOddRedis } from './odd-redis.ts';

/* Fuzzes the gateway with Redis's replies. Clients must not notice. */

const STOCK = '{ product(sku: "OABR-S") { sku stock { quantity } } }';
const setStock = (quantity: number) =>
  `mutation { setStock(input: { sku: "OABR-S", quantity: ${quantity} }) { product { stock { quantity } } } }`;

const SAYS_TO_WAIT = new Set(['a number', 'an invalid number', 'a fraction']);

/** Number of concurrent cases: most of the time is spent waiting for missing replies. */
const LANES = 4;

type Lane = { readonly redis: OddRedis; readonly sandbox: Sandbox; readonly gateway: FuzzedGateway };

const startLane = async (): Promise<Lane> => {
  const redis = await startOddRedis();
  const sandbox = await startOpenMageSandbox();
  const gateway = await startFuzzedGateway({
    REDIS_URL: redis.url,
    OPENMAGE_CACHE: 'stock=600/600/600',
    OPENMAGE_QUOTA: 'account=1000/1',
    REQUEST_TIMEOUT_MS: '20000',
    ...sandboxEnvironment('openmage', sandbox),
  });
  return { redis, sandbox, gateway };
};

let lanes: readonly Lane[] = [];
beforeAll(async () => {
  lanes = await Promise.all(Array.from({ length: LANES }, startLane));
});
afterAll(async () => {
  for (const { redis, sandbox, gateway } of lanes) {
    await gateway.close();
    await redis.close();
    await sandbox.close();
  }
});

const isUp = ({ gateway }: Lane) =>
  vi.waitFor(async () => {
    const health = await (await fetch(`${gateway.url()}/health/ready`)).json();
    expect(health).toMatchObject({ redis: 'ok' });
  }, 120_000);

/** Returns what goes wrong with this reply, if anything. */
const tryReply = async (lane: Lane, [name, reply]: (typeof ODD_REPLIES)[number], quantity: number) => {
  const { redis, gateway } = lane;
  await isUp(lane);
  const before = redis.count();
  redis.odd = reply;
  const fault = await gateway.judge(async () => {
    const written = await gateway.ask(setStock(quantity));
    // A plausible rate-limit reply is obeyed.
    if (SAYS_TO_WAIT.has(name) && written.includes('UPSTREAM_RATE_LIMITED')) return faultOf(written);
    if (faultOf(written, false)) return faultOf(written, false);
    const read = await gateway.ask(STOCK);
    const expected = { data: { product: { sku: 'OABR-S', stock: { quantity } } } };
    return isDeepStrictEqual(JSON.parse(read), expected) ? undefined : read.slice(0, 200);
  });
  redis.odd = undefined;
  return [...(redis.count() === before ? ['no command was sent to it'] : []), ...(fault ? [fault] : [])].map(
    (problem) => `${name}: ${problem}`,
  );
};

test('given invalid replies, then clients do not notice', async () => {
  const faults = await Promise.all(
    lanes.map(async (lane, number) => {
      const found: string[] = [];
      for (const [index, reply] of ODD_REPLIES.entries()) {
        if (index % LANES === number) found.push(...(await tryReply(lane, reply, 100 + index)));
      }
      await isUp(lane);
      return found;
    }),
  );
  expect(faults.flat()).toEqual([]);
});
