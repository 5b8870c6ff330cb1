// @module-tag long

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { openPostgresStore } from '../../events/inbox/postgres.ts';
import { openSqliteStore } from '../../events/inbox/sqlite.ts';
import type { InboxStore } from '../../events/inbox/store.ts';
import { createRandom } from '../../sandbox/random.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { freePort, startProcess } from '../helpers/processes.ts';
import { hasTool } from '../helpers/tools.ts';
import { PUBLIC_URL, postStripe, STRIPE_SECRET, stripeEvent } from '../helpers/webhooks.ts';

/*
 * A process that receives webhooks is killed with SIGKILL at random moments, while a provider delivers events and repeats what was
 * not accepted. In the end, every event has taken effect exactly once.
 */

const CLIENTS = 8;
const OBJECTS = 5;

type Receiver = {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What it writes once it listens. */
  readonly listening: string;
};

/** Delivers events while processes are killed, until `rounds` have been and all events were accepted. Returns the events' number. */
const deliverWhileKilled = async ({ command, env, listening }: Receiver, rounds: number): Promise<number> => {
  const random = createRandom(11);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let isOver = false;
  let count = 0;
  const accepted: string[] = [];
  const eventOf = (index: number) =>
    stripeEvent(`evt_${index}`, { customer: `cus_${index % OBJECTS}`, created: 1_796_000_000 + index });
  const deliver = async (): Promise<void> => {
    while (!isOver) {
      const index = count;
      count += 1;
      for (;;) {
        const status = await postStripe(url, eventOf(index)).then(
          (response) => response.status,
          () => null,
        );
        if (status === 200) break;
        // Nobody listens while it is started again.
        if (status === null) await pause(20);
      }
      accepted.push(`evt_${index}`);
      // The response may be lost on its way to the provider, which then repeats the delivery.
      if (random.int(0, 4) === 0) await postStripe(url, eventOf(index)).catch(() => {});
    }
  };
  let clients: Promise<unknown> | undefined;
  for (let round = 0; round <= rounds; round += 1) {
    const child = startProcess(command, { ...env, PORT: String(port) });
    onTestFinished(() => void child.process.kill('SIGKILL'));
    await expect.poll(() => child.output(), { interval: 20 }).toContain(listening);
    clients ??= Promise.all(Array.from({ length: CLIENTS }, deliver));
    const before = accepted.length;
    await expect.poll(() => accepted.length, { interval: 5 }).toBeGreaterThan(before + random.int(0, 40));
    if (round === rounds) {
      isOver = true;
      await clients;
    } else await pause(random.int(0, 60));
    child.process.kill('SIGKILL');
    await child.ended;
  }
  return count;
};

/** Applies what waits in a store, and expects that each of so many events has exactly one effect. */
const expectOneEffectEach = async (store: InboxStore, count: number): Promise<void> => {
  const { waiting, parked } = await store.state();
  expect(parked).toBe(0);
  await store.apply({ providers: ['stripe'], limit: waiting + 1 }, () => ({ changes: '{}', messages: null }));
  const effects = await store.effectsAfter(0, count * 2);
  const ids = effects.map(({ id }) => id).sort();
  expect(ids).toEqual(Array.from({ length: count }, (_, index) => `evt_${index}`).sort());
  expect(effects.map(({ sequence }) => sequence)).toEqual(effects.map((_, index) => index + 1));
};

const temporaryFile = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'events-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'events.sqlite');
};

test('given a receiver that is killed 12 times, then no event is lost and none has two effects', async () => {
  const file = temporaryFile();
  const count = await deliverWhileKilled(
    {
      command: ['node', 'test/helpers/webhook-process.ts'],
      env: { SECRET: STRIPE_SECRET, EVENTS_FILE: file },
      listening: 'listening',
    },
    12,
  );
  const store = openSqliteStore(file);
  onTestFinished(() => store.close());
  await expectOneEffectEach(store, count);
});

test.skipIf(!hasTool('postgres and initdb'))(
  'given a receiver with Postgres that is killed, then no event is lost and none has two effects',
  async () => {
    const server = await startPostgres();
    onTestFinished(server.close);
    const url = await server.createDatabase();
    const count = await deliverWhileKilled(
      {
        command: ['node', 'test/helpers/webhook-process.ts'],
        env: { SECRET: STRIPE_SECRET, EVENTS_URL: url },
        listening: 'listening',
      },
      4,
    );
    const store = await openPostgresStore(url);
    onTestFinished(() => store.close());
    await expectOneEffectEach(store, count);
  },
);

test('given a gateway that is killed, then no event is lost and none has two effects', async () => {
  const file = temporaryFile();
  const count = await deliverWhileKilled(
    {
      command: ['node', 'gateway/main.ts'],
      env: { STRIPE_WEBHOOK_SECRET: STRIPE_SECRET, PUBLIC_URL, EVENTS_FILE: file, LOG_LEVEL: 'silent' },
      listening: `Receives the webhook:     ${PUBLIC_URL}/webhooks/stripe\n`,
    },
    2,
  );
  const store = openSqliteStore(file);
  onTestFinished(() => store.close());
  await expectOneEffectEach(store, count);
});
