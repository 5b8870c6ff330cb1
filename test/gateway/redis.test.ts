import { createHash } from 'node:crypto';
import { createClient } from '@keyv/redis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePort, type Spawned, startProcess } from '../helpers/processes.ts';
import { type Stack, startStack } from '../helpers/stack.ts';
import { hasTool } from '../helpers/tools.ts';

const QUERY = '{ product(sku: "OABR-S") { sku } }';
const HASH = createHash('sha256').update(QUERY).digest('hex');
const EXTENSIONS = { persistedQuery: { version: 1, sha256Hash: HASH } };

describe.skipIf(!hasTool('redis-server'))('gateways that share a Redis', () => {
  let port: number;
  let redis: Spawned;
  let one: Stack;
  let other: Stack;

  const startRedis = () =>
    startProcess(['redis-server', '--port', String(port), '--save', '', '--appendonly', 'no'], {});
  const health = async (stack: Stack) => (await fetch(`${stack.url}/health/ready`)).json();
  const post = async ({ url }: Stack, body: object) =>
    (
      await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    ).json();

  beforeEach(async () => {
    port = await freePort();
    redis = startRedis();
    const env = { REDIS_URL: `redis://127.0.0.1:${port}` };
    [one, other] = await Promise.all([startStack({ env }), startStack({ env })]);
  });
  afterEach(async () => {
    await Promise.all([one.close(), other.close()]);
    await redis.stop();
  });

  test('given a persisted query registered at one gateway, then the other knows it', async () => {
    await expect.poll(() => health(one)).toEqual({ status: 'ok', redis: 'ok' });
    await expect.poll(() => health(other)).toEqual({ status: 'ok', redis: 'ok' });
    await post(one, { query: QUERY, extensions: EXTENSIONS });
    await expect.poll(() => post(other, { extensions: EXTENSIONS })).toEqual({ data: { product: { sku: 'OABR-S' } } });
  });

  test('given a Redis outage, then every request is answered meanwhile, and health reports the outage', async () => {
    await expect.poll(() => health(one)).toEqual({ status: 'ok', redis: 'ok' });
    redis.process.kill('SIGKILL');
    await redis.ended;
    expect(await post(one, { query: QUERY })).toEqual({ data: { product: { sku: 'OABR-S' } } });
    expect(await post(one, { query: QUERY, extensions: EXTENSIONS })).toEqual({ data: { product: { sku: 'OABR-S' } } });
    await expect.poll(() => health(one)).toEqual({ status: 'ok', redis: 'down' });
    redis = startRedis();
    await expect.poll(() => health(one)).toEqual({ status: 'ok', redis: 'ok' });
  });

  test('given a Redis that is full, then health says so until it takes writes again', async () => {
    await expect.poll(() => health(one)).toEqual({ status: 'ok', redis: 'ok' });
    const client = createClient({ url: `redis://127.0.0.1:${port}` });
    await client.connect();
    await client.configSet('maxmemory', '1');
    expect(await post(one, { query: QUERY, extensions: EXTENSIONS })).toEqual({ data: { product: { sku: 'OABR-S' } } });
    await expect.poll(() => health(one)).toEqual({ status: 'ok', redis: 'full' });
    await client.configSet('maxmemory', '0');
    await expect.poll(() => health(one)).toEqual({ status: 'ok', redis: 'ok' });
    client.destroy();
  });
});

test('given an unreachable Redis, then the gateway starts and responds, and health reports it', async () => {
  const stack = await startStack({ env: { REDIS_URL: `redis://127.0.0.1:${await freePort()}` } });
  expect((await stack.ask(QUERY)).data).toEqual({ product: { sku: 'OABR-S' } });
  expect(await (await fetch(`${stack.url}/health/ready`)).json()).toEqual({ status: 'ok', redis: 'down' });
  await stack.close();
});
