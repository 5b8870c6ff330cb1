import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { startGateway } from '../../gateway/start.ts';
import { ConfigError } from '../../runtime/env.ts';
import { HUBSPOT_SANDBOX_TOKEN } from '../../subgraphs/crm/hubspot/sandbox/index.ts';
import { openEventStream } from '../helpers/event-stream.ts';
import { freePort, type Spawned, startProcess } from '../helpers/processes.ts';
import { createAsk, type Stack, startStack } from '../helpers/stack.ts';
import { headersOf, TOKEN_ENV } from '../helpers/tokens.ts';
import { connectWebhooks, WEBHOOKS } from '../helpers/webhooks.ts';

/*
 * A subgraph as a process of its own: the gateway receives the webhooks, and the process, with the same inbox, invalidates its cache and
 * sends the events.
 */

const SECRET = 'a-secret-of-more-than-32-characters-too';
const CACHED = { CACHE_MAX_MIB: '16', HUBSPOT_CACHE: 'contacts=3600' };

let stack: Stack;
let folder: string;
beforeAll(async () => {
  stack = await startStack();
  folder = mkdtempSync(join(tmpdir(), 'events-'));
});
afterAll(async () => {
  await stack?.close();
  rmSync(folder, { recursive: true, force: true });
});

const startCrm = async (port: number, events: object): Promise<Spawned> => {
  const crm = startProcess(['node', 'subgraphs/main.ts'], {
    ...stack.env,
    ...CACHED,
    ...events,
    SUBGRAPHS: 'crm',
    SUBGRAPH_SECRET: SECRET,
    PORT: String(port),
    LOG_LEVEL: 'warn',
  });
  onTestFinished(crm.stop);
  await expect.poll(() => crm.output()).toContain('answers at');
  return crm;
};

const change = async (phone: string): Promise<void> => {
  const response = await fetch(`${stack.hubspot.url}/crm/objects/2026-09/contacts/101`, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${HUBSPOT_SANDBOX_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ properties: { phone } }),
  });
  expect(response.status).toBe(200);
};

test('hears of changes, sends them, and goes on after a restart', { tags: ['long'] }, async () => {
  const port = await freePort();
  const { EVENTS_FILE: _, ...webhooks } = WEBHOOKS;
  const events = { EVENTS_FILE: join(folder, 'events.sqlite') };
  const crm = await startCrm(port, events);
  const gateway = await startGateway({
    ...stack.env,
    ...webhooks,
    ...events,
    ...TOKEN_ENV,
    CRM_URL: `http://127.0.0.1:${port}/crm`,
    SUBGRAPH_SECRET: SECRET,
  });
  onTestFinished(gateway.close);
  connectWebhooks(stack, gateway.url);
  const support = headersOf({ subject: 'support', scopes: ['customers:read', 'payments:read'] });
  const ask = createAsk(`${gateway.url}/graphql`);
  const PHONE = '{ customer(id: "101") { phone } }';
  await ask(PHONE, undefined, { headers: support });
  const query = 'subscription { customerChanged { phone payments(first: 1) { edges { node { id } } } } }';
  const stream = await openEventStream(gateway.url, { query }, support);
  expect(stream.status).toBe(200);
  const own = await openEventStream(
    gateway.url,
    { query: 'subscription { customerChanged { id } }' },
    headersOf({ subject: 'bjorn', scopes: ['self:read'], customerEmail: 'somebody.else@customers.example' }),
  );
  expect(own.status).toBe(200);

  await change('+46 1');
  await expect.poll(() => stream.results().length).toBe(1);
  expect(stream.results()[0]).toMatchObject({
    data: { customerChanged: { phone: '+46 1', payments: { edges: [{ node: { id: expect.any(String) } }] } } },
    extensions: { tributary: { eventId: expect.stringMatching(/^[0-9a-f]+-1-0$/) } },
  });
  // Its cache was invalidated.
  expect((await ask(PHONE, undefined, { headers: support })).data).toEqual({ customer: { phone: '+46 1' } });

  await crm.stop();
  await change('+46 2');
  await startCrm(port, events);
  await change('+46 3');
  await expect.poll(() => stream.results().length).toBe(3);
  expect(stream.results().map(({ extensions }) => extensions.tributary.eventId.replace(/^\w+-/, ''))).toEqual([
    '1-0',
    '2-0',
    '3-0',
  ]);
  expect(own.results()).toEqual([]);
  stream.close();
  own.close();
});

test('webhooks of a subgraph in another process need an inbox that both share', async () => {
  const { EVENTS_FILE: _, ...webhooks } = WEBHOOKS;
  const starting = startGateway({ ...stack.env, ...webhooks, CRM_URL: 'http://127.0.0.1:9/crm' });
  await expect(starting).rejects.toThrow(ConfigError);
  await expect(starting).rejects.toThrow(/HUBSPOT_WEBHOOK_SECRET: needs EVENTS_URL with CRM_URL/);
});
