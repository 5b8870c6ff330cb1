import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type EventStream, openEventStream } from '../helpers/event-stream.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { readMetrics } from '../helpers/prometheus.ts';
import { type Stack, startStack } from '../helpers/stack.ts';
import { hasTool } from '../helpers/tools.ts';
import { connectWebhooks, postStripe, WEBHOOKS } from '../helpers/webhooks.ts';

/*
 * A client that was disconnected continues after the last event that it has: it gets every later event once, whatever happened to the
 * gateway meanwhile.
 */

const { EVENTS_FILE: _, ...SECRETS } = WEBHOOKS;
const QUERY = 'subscription { refundCreated { id } }';

let number = 0;
/** Delivers an event, and returns the number of it. The id is of no refund, so that `data` is null: the place counts here. */
const change = async (url: string): Promise<number> => {
  number += 1;
  const posted = await postStripe(url, {
    id: `evt_resume_${number}`,
    object: 'event',
    type: 'refund.created',
    created: 1_796_000_000 + number,
    data: { object: { object: 'refund', id: `re_${number}`, payment_intent: 'pi_3M37pZMJsypFc4wLph00HY7Q' } },
    request: { id: `req_${number}`, idempotency_key: null },
  });
  expect(posted.status).toBe(200);
  return number;
};

const changes = async (url: string, count: number): Promise<void> => {
  for (let index = 0; index < count; index++) await change(url);
};

const open = (url: string, lastEventId?: string): Promise<EventStream> =>
  openEventStream(url, { query: QUERY }, lastEventId === undefined ? {} : { 'last-event-id': lastEventId });

/** The sequence of each change that has arrived. */
const sequencesOf = (stream: EventStream): number[] =>
  stream.results().flatMap(({ extensions }) => {
    const { eventId } = extensions?.tributary ?? {};
    return eventId === undefined ? [] : [Number(eventId.split('-')[1])];
  });

/** The numbers of subscribers and of groups. */
const subscriptionsOf = async ({ adminUrl }: Stack): Promise<unknown[]> => {
  const { value } = await readMetrics(adminUrl);
  return [value('tributary_subscription_subscribers'), value('tributary_subscription_groups')];
};

const consecutive = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_one, index) => first + index);

const expectCode = async (stream: EventStream, code: string): Promise<void> => {
  await stream.ended;
  expect(stream.results().at(-1)?.errors).toEqual([{ message: expect.any(String), extensions: { code } }]);
};

describe('with a file', () => {
  let folder: string;
  let stack: Stack;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'events-'));
    stack = await startStack({
      env: {
        ...SECRETS,
        EVENTS_FILE: join(folder, 'events.sqlite'),
        ADMIN_PORT: '0',
        MAX_SUBSCRIPTIONS_PER_CLIENT: '1000',
      },
    });
    connectWebhooks(stack, stack.url);
  });
  afterAll(async () => {
    await stack?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('given a client that was away, then it gets what it has missed, and what comes later', async () => {
    const first = await open(stack.url);
    await changes(stack.url, 3);
    await expect.poll(() => first.events.length).toBe(3);
    first.close();
    const [start = 0] = sequencesOf(first);
    await changes(stack.url, 40);
    const second = await open(stack.url, first.lastEventId());
    await expect.poll(() => second.events.length).toBe(40);
    await changes(stack.url, 2);
    await expect.poll(() => second.events.length).toBe(42);
    expect(sequencesOf(second)).toEqual(consecutive(start + 3, 42));
    second.close();
  });

  test('given clients that continue from several places, then each gets every event once', async () => {
    const first = await open(stack.url);
    await changes(stack.url, 6);
    await expect.poll(() => first.events.length).toBe(6);
    const streams = await Promise.all(first.events.map(({ id }) => open(stack.url, id)));
    // The first goes on as well.
    await changes(stack.url, 5);
    for (const [index, stream] of streams.entries()) {
      await expect.poll(() => stream.events.length).toBe(5 - index + 5);
      expect(sequencesOf(stream)).toEqual(sequencesOf(first).slice(index + 1));
    }
    await expect.poll(() => subscriptionsOf(stack)).toEqual([7, 1]);
    for (const stream of [first, ...streams]) stream.close();
  });

  test('given many clients that continue from one place at once, then each gets every event', async () => {
    const first = await open(stack.url);
    await changes(stack.url, 6);
    await expect.poll(() => first.events.length).toBe(6);
    const [begin] = first.events;
    // Some arrive while the first event is sent to the others.
    for (let round = 0; round < 2; round++) {
      const streams = await Promise.all(Array.from({ length: 90 }, () => open(stack.url, begin?.id)));
      await expect.poll(() => streams.every(({ events }) => events.at(-1)?.id === first.lastEventId())).toBe(true);
      for (const stream of streams) expect(sequencesOf(stream)).toEqual(sequencesOf(first).slice(1));
      for (const stream of streams) stream.close();
      await expect.poll(async () => (await subscriptionsOf(stack))[0]).toBe(1);
    }
    first.close();
  });

  test('given a client that begins while another continues, then it gets later events only', async () => {
    const first = await open(stack.url);
    await changes(stack.url, 60);
    await expect.poll(() => first.events.length).toBe(60);
    first.close();
    await expect.poll(() => subscriptionsOf(stack)).toEqual([0, 0]);
    const continued = await open(stack.url, first.events[0]?.id);
    await expect.poll(() => continued.events.length).toBeGreaterThan(0);
    const begun = await open(stack.url);
    const next = await change(stack.url);
    await expect.poll(() => begun.events.length).toBeGreaterThan(0);
    await expect.poll(() => continued.events.length).toBe(60);
    expect(begun.results().length).toBe(1);
    expect(sequencesOf(begun)).toEqual([sequencesOf(continued).at(-1)]);
    expect(next).toBeGreaterThan(0);
    // They share the work from here on.
    await expect.poll(() => subscriptionsOf(stack)).toEqual([2, 1]);
    continued.close();
    begun.close();
  });

  test('given a client that has seen no event yet, then it continues from where it has begun', async () => {
    const first = await open(stack.url);
    await expect.poll(() => first.lastEventId()).not.toBe('');
    first.close();
    await changes(stack.url, 2);
    const second = await open(stack.url, first.lastEventId());
    await expect.poll(() => second.events.length).toBe(2);
    second.close();
  });

  test('given a restart, then no event is lost and none comes twice', async () => {
    const replica = await stack.startAnother({});
    const first = await open(replica.url);
    await changes(stack.url, 4);
    await expect.poll(() => first.events.length).toBe(4);
    await changes(replica.url, 1);
    await replica.close();
    await first.ended;
    await changes(stack.url, 3);
    const again = await stack.startAnother({});
    onTestFinished(again.close);
    const second = await open(again.url, first.lastEventId());
    await changes(stack.url, 1);
    const all = () => [...sequencesOf(first), ...sequencesOf(second)];
    await expect.poll(() => all().length).toBeGreaterThanOrEqual(9);
    expect(all()).toEqual(consecutive(all()[0] ?? 0, 9));
    second.close();
  });

  test('a shutdown tells the client to subscribe again', async () => {
    const replica = await stack.startAnother({});
    const stream = await open(replica.url);
    await replica.close();
    await expectCode(stream, 'SUBSCRIPTION_LOST');
  });

  test('a place that is not known any more is refused with a code', async () => {
    for (const place of ['0123456789abcdef-1-0', 'nonsense', `${'f'.repeat(16)}-99999999-0`]) {
      await expectCode(await open(stack.url, place), 'EVENTS_EXPIRED');
    }
    const stream = await open(stack.url);
    const [store] = stream.lastEventId().split('-');
    stream.close();
    await expectCode(await open(stack.url, `${store}-99999999-0`), 'EVENTS_EXPIRED');
  });
});

describe.skipIf(!hasTool('postgres and initdb'))('with Postgres', () => {
  let stop: (() => Promise<void>) | undefined;
  afterEach(async () => stop?.());

  test('given a client that comes back to another replica, then it continues there', async () => {
    const server = await startPostgres();
    stop = server.close;
    const stack = await startStack({ env: { ...SECRETS, EVENTS_URL: await server.createDatabase() } });
    onTestFinished(stack.close);
    connectWebhooks(stack, stack.url);
    const other = await stack.startAnother({});
    onTestFinished(other.close);
    const first = await open(stack.url);
    await changes(stack.url, 3);
    await expect.poll(() => first.events.length).toBe(3);
    first.close();
    // At once: the other replica may not have read as far.
    const second = await open(other.url, first.lastEventId());
    await changes(other.url, 3);
    await expect.poll(() => second.events.length).toBe(3);
    expect(sequencesOf(second)).toEqual(consecutive((sequencesOf(first)[0] ?? 0) + 3, 3));
    second.close();
  });
});
