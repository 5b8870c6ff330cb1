import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Inbox, openInbox } from '../../events/inbox/inbox.ts';
import { openSqliteStore } from '../../events/inbox/sqlite.ts';
import { createLog } from '../../runtime/log.ts';
import { stripeWebhook } from '../../subgraphs/payments/stripe/webhook.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';
import { stripeEvent } from '../helpers/webhooks.ts';

/* Followers of the inbox, over restarts. */

const open = async (file: string): Promise<Inbox> =>
  openInbox({
    store: openSqliteStore(file),
    webhooks: new Map([['stripe', stripeWebhook]]),
    limits: { maxWaiting: 1_000, maxBytes: 1e9, retentionMs: 1e12 },
    telemetry: createTelemetry(),
    log: createLog('silent'),
  });

const receive = (inbox: Inbox, ...ids: string[]) =>
  Promise.all(ids.map((id) => inbox.receive('stripe', { header: () => undefined, body: stripeEvent(id) })));

test('a consumer goes on after what it has handled, in order, also after a failure and a restart', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'events-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'events.sqlite');
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
