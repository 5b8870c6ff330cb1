import { createClient } from '@keyv/redis';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { startGateway } from '../../gateway/start.ts';
import { HUBSPOT_SANDBOX_TOKEN } from '../../subgraphs/crm/hubspot/sandbox/index.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { freePort, startProcess } from '../helpers/processes.ts';
import { createAsk, type Stack, startStack } from '../helpers/stack.ts';
import { hasTool } from '../helpers/tools.ts';
import { connectWebhooks, postStripe, stripeEvent, WEBHOOKS } from '../helpers/webhooks.ts';

/* Replicas hear of changes that one of them is told, and an event is applied once, whichever of them gets it. */

const CACHED = { CACHE_MAX_MIB: '16', HUBSPOT_CACHE: 'contacts=3600' };
const PHONE = '{ customer(id: "101") { phone } }';

let stack: Stack | undefined;
afterEach(async () => {
  await stack?.close();
  stack = undefined;
});

const changePhone = async (hubspotUrl: string, phone: string): Promise<void> => {
  const response = await fetch(`${hubspotUrl}/crm/objects/2026-09/contacts/101`, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${HUBSPOT_SANDBOX_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ properties: { phone } }),
  });
  expect(response.status).toBe(200);
};

describe.skipIf(!hasTool('postgres and initdb'))('replicas with one Postgres and without Redis', () => {
  test('given a change that one of them is told, then all read it again, and a repetition at another is known', async () => {
    const server = await startPostgres();
    onTestFinished(server.close);
    const { EVENTS_FILE: _, ...webhooks } = WEBHOOKS;
    stack = await startStack({ env: { ...CACHED, ...webhooks, EVENTS_URL: await server.createDatabase() } });
    const other = await stack.startAnother({});
    onTestFinished(other.close);
    connectWebhooks(stack, stack.url);
    const replicas = [stack.ask, other.ask];
    for (const ask of replicas) await ask(PHONE);
    await changePhone(stack.hubspot.url, '+46 70 222');
    for (const ask of replicas) {
      await expect.poll(async () => (await ask(PHONE)).data).toEqual({ customer: { phone: '+46 70 222' } });
    }
    expect(await postStripe(stack.url, stripeEvent('evt_1'))).toMatchObject({ body: { duplicates: 0 } });
    expect(await postStripe(other.url, stripeEvent('evt_1'))).toMatchObject({ body: { duplicates: 1 } });
    // An outage is told to the provider, which repeats.
    await server.kill();
    expect(await postStripe(stack.url, stripeEvent('evt_2'))).toMatchObject({ status: 503 });
    await server.start();
    await expect.poll(async () => (await postStripe(other.url, stripeEvent('evt_2'))).status).toBe(200);
    expect(await postStripe(stack.url, stripeEvent('evt_2'))).toMatchObject({ body: { duplicates: 1 } });
  });
});

describe.skipIf(!hasTool('redis-server'))('replicas with one Redis', () => {
  test('given a change that one of them is told, then the others read it again', async () => {
    const port = await freePort();
    const redis = startProcess(['redis-server', '--port', String(port), '--save', '', '--appendonly', 'no'], {});
    onTestFinished(redis.stop);
    const url = `redis://127.0.0.1:${port}`;
    const client = createClient({ url });
    client.on('error', () => {});
    await client.connect();
    onTestFinished(() => client.destroy());
    stack = await startStack({ env: { ...CACHED, ...WEBHOOKS, REDIS_URL: url } });
    // This one receives nothing.
    const other = await stack.startAnother({ STRIPE_WEBHOOK_SECRET: '', HUBSPOT_WEBHOOK_SECRET: '' });
    onTestFinished(other.close);
    connectWebhooks(stack, stack.url);
    const health = async (at: string) => (await fetch(`${at}/health/ready`)).json();
    for (const at of [stack.url, other.url]) {
      await expect.poll(async () => ((await health(at)) as { redis: string }).redis).toBe('ok');
    }
    expect((await other.ask(PHONE)).data).not.toEqual({ customer: { phone: '+46 70 333' } });
    await changePhone(stack.hubspot.url, '+46 70 333');
    await expect.poll(async () => (await other.ask(PHONE)).data).toEqual({ customer: { phone: '+46 70 333' } });
  });
});

test('given a gateway with its own sandboxes, then a change made in a sandbox is seen at once', async () => {
  const gateway = await startGateway({ PORT: '0', LOG_LEVEL: 'silent', ...CACHED });
  onTestFinished(gateway.close);
  const ask = createAsk(`${gateway.url}/graphql`);
  await ask(PHONE);
  await changePhone(gateway.sandboxUrls?.['crm'] ?? '', '+46 70 444');
  await expect.poll(async () => (await ask(PHONE)).data).toEqual({ customer: { phone: '+46 70 444' } });
});
