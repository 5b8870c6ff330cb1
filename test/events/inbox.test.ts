import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { type Inbox, openInbox } from '../../events/inbox/inbox.ts';
import { openSqliteStore } from '../../events/inbox/sqlite.ts';
import type { InboxStore } from '../../events/inbox/store.ts';
import { createLog } from '../../runtime/log.ts';
import { stripeWebhook } from '../../subgraphs/payments/stripe/webhook.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';
import { stripeEvent } from '../helpers/webhooks.ts';

/* The inbox and its followers, over restarts. */

const open = async (file: string, { retentionMs = 1e12 } = {}): Promise<Inbox> =>
  openInbox({
    store: openSqliteStore(file),
    webhooks: new Map([['stripe', stripeWebhook]]),
    limits: { maxWaiting: 1_000, maxBytes: 1e9, retentionMs },
    telemetry: createTelemetry(),
    log: createLog('silent'),
  });

const receive = (inbox: Inbox, ...ids: string[]) =>
  Promise.all(ids.map((id) => inbox.receive('stripe', { header: () => undefined, body: stripeEvent(id) })));

const newFile = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'events-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'events.sqlite');
};

/** Stores events that arrived long ago, as by a process that has ended. Returns the store. */
const storeOld = async (file: string, count: number): Promise<InboxStore> => {
  const store = openSqliteStore(file);
  onTestFinished(() => store.close());
  const payload = JSON.stringify(stripeEvent('evt').data);
  await store.insert(
    Array.from({ length: count }, (_, index) => ({
      provider: 'stripe',
      id: `evt_${index}`,
      digest: `${index}`,
      type: 'customer.updated',
      object: null,
      version: null,
      receivedAt: 1_000,
      payload,
    })),
  );
  return store;
};

test('a consumer goes on after what it has handled, in order, also after a failure and a restart', async () => {
  const file = newFile();
  const handled: string[] = [];
  let failures = 2;
  const consumer = {
    consumer: 'test',
    handle: async (effects: readonly { readonly id: string }[]) => {
      failures -= 1;
      if (failures >= 0) throw new Error('The consumer is away.');
      handled.push(...effects.map(({ id }) => id));
    },
  };
  const first = await open(file);
  await first.follow(consumer);
  await receive(first, 'evt_1');
  await expect.poll(() => handled).toEqual(['evt_1']);
  await first.close();

  // Committed and applied while the consumer is not there.
  const second = await open(file);
  const others: string[] = [];
  await second.follow({ handle: async (effects) => void others.push(...effects.map(({ id }) => id)) });
  await receive(second, 'evt_2', 'evt_3');
  await expect.poll(() => others).toHaveLength(2);
  await second.close();

  const third = await open(file);
  onTestFinished(third.close);
  // A new one begins at the end.
  const late: string[] = [];
  await third.follow({ handle: async (effects) => void late.push(...effects.map(({ id }) => id)) });
  await third.follow(consumer);
  await expect.poll(() => handled.toSorted()).toEqual(['evt_1', 'evt_2', 'evt_3']);
  await receive(third, 'evt_4');
  await expect.poll(() => late).toEqual(['evt_4']);
  await expect.poll(() => handled.at(-1)).toBe('evt_4');
  expect(handled).toHaveLength(4);
});

test('a consumer gets the first effects again if none of them was handled before a restart', async () => {
  const file = newFile();
  const first = await open(file);
  let attempts = 0;
  const fail = async () => {
    attempts += 1;
    throw new Error('The consumer is away.');
  };
  await first.follow({ consumer: 'test', handle: fail });
  await receive(first, 'evt_1');
  await expect.poll(() => attempts).toBeGreaterThan(0);
  await first.close();

  const second = await open(file);
  onTestFinished(second.close);
  const handled: string[] = [];
  await second.follow({
    consumer: 'test',
    handle: async (effects) => void handled.push(...effects.map(({ id }) => id)),
  });
  await expect.poll(() => handled).toEqual(['evt_1']);
});

test('a follower that always fails does not keep old events', async () => {
  const file = newFile();
  const store = await storeOld(file, 1);
  const inbox = await open(file, { retentionMs: 1_000 });
  onTestFinished(inbox.close);
  let attempts = 0;
  await inbox.follow({
    handle: async () => {
      attempts += 1;
      throw new Error('The follower is away.');
    },
  });
  await expect.poll(() => attempts).toBeGreaterThan(0);
  await expect.poll(() => store.list({ states: ['waiting', 'applied'], limit: 10 })).toEqual([]);
});

test('other work of the process goes on while many events are applied', async () => {
  const file = newFile();
  const store = await storeOld(file, 2_000);
  const inbox = await open(file);
  onTestFinished(inbox.close);
  const seen = new Set<number>();
  while (!seen.has(2_000)) {
    seen.add((await store.effectRange()).last);
    await nextTurn();
  }
  expect([...seen]).toEqual([0, 500, 1_000, 1_500, 2_000]);
});

test('deliveries beyond a size are refused while earlier ones are being committed', async () => {
  const inbox = await open(':memory:');
  onTestFinished(inbox.close);
  const text = 'x'.repeat(4 * 1024 * 1024);
  const ids = Array.from({ length: 16 }, (_, index) => `evt_${index}`);
  const send = (id: string) => {
    const event = stripeEvent(id);
    return inbox.receive('stripe', { header: () => undefined, body: { ...event, data: { ...event.data, text } } });
  };
  const results = await Promise.all(ids.map(send));
  expect(results).toEqual(ids.map((id) => (id === 'evt_15' ? 'full' : { events: 1, duplicates: 0 })));
  expect(await send('evt_15')).toEqual({ events: 1, duplicates: 0 });
});
