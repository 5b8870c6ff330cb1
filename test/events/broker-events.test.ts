import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CloudEvent } from 'cloudevents';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Broker } from '../../events/brokers/broker.ts';
import { startOutbox } from '../../events/brokers/outbox.ts';
import { openInbox } from '../../events/inbox/inbox.ts';
import { IN_MEMORY, openSqliteStore } from '../../events/inbox/sqlite.ts';
import { createLog } from '../../runtime/log.ts';
import { createRandom } from '../../sandbox/random.ts';
import { HUBSPOT_SANDBOX_TOKEN } from '../../subgraphs/crm/hubspot/sandbox/index.ts';
import { payments } from '../../subgraphs/payments/index.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';
import { connectTo, hasBroker, startBroker, type TestBroker } from '../helpers/brokers.ts';
import { openEventStream } from '../helpers/event-stream.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { freePort, startProcess } from '../helpers/processes.ts';
import { environmentOf, type Stack, startStack } from '../helpers/stack.ts';
import { hasTool } from '../helpers/tools.ts';
import { PUBLIC_URL, postStripe, STRIPE_SECRET, WEBHOOKS } from '../helpers/webhooks.ts';

/* A gateway with a message broker: what others receive from it, and what it does with their events. */

type Received = {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly sequence: string;
};

/** An event of Stripe about a payment, with personal data in it. */
const paymentEvent = (id: string, payment: string, created = 1_796_000_000) => ({
  id,
  object: 'event',
  type: 'payment_intent.succeeded',
  created,
  data: {
    object: { object: 'payment_intent', id: payment, customer: 'cus_1', receipt_email: 'ada@customers.example' },
  },
});

describe.skipIf(!hasBroker('redis'))('a gateway with a message broker', () => {
  let server: TestBroker;
  let stack: Stack | undefined;
  beforeAll(async () => {
    server = await startBroker('redis');
  });
  afterEach(async () => {
    await stack?.close();
    stack = undefined;
  });
  afterAll(() => server?.close());

  const newTopic = () => `test.${randomUUID()}`;

  /** Connects another application to the channels of a gateway. */
  const connectOther = async (topic: string): Promise<{ broker: Broker; received: Received[]; bodies: string[] }> => {
    const broker = await connectTo(server.url, { publishTo: `${topic}.in`, receiveFrom: `${topic}.out` });
    onTestFinished(broker.close);
    await expect.poll(broker.status).toBe('up');
    const bodies: string[] = [];
    const received: Received[] = [];
    broker.subscribe(async (some) => {
      bodies.push(...some);
      received.push(...some.map((body) => JSON.parse(body) as Received));
    });
    return { broker, received, bodies };
  };

  const health = async (url: string) => (await (await fetch(`${url}/health/ready`)).json()) as { broker?: string };

  const startWithBroker = async (env: Record<string, string>): Promise<Stack> => {
    stack = await startStack({ env: { ...WEBHOOKS, BROKER_URL: server.url, ...env } });
    const { url } = stack;
    await expect.poll(async () => (await health(url)).broker).toBe('ok');
    return stack;
  };

  test('given the event of a webhook, then a CloudEvent with its keys alone is published', async () => {
    const topic = newTopic();
    const { received, bodies } = await connectOther(topic);
    const { url } = await startWithBroker({ BROKER_TOPIC: topic });
    await postStripe(url, paymentEvent('evt_1', 'pi_1'));
    await postStripe(url, {
      ...paymentEvent('evt_2', ''),
      type: 'refund.created',
      data: { object: { object: 'refund', id: 're_1', payment_intent: 'pi_1', reason: 'ada@customers.example' } },
    });
    await expect.poll(() => received.length).toBe(3);
    const [, storeId] = /^\/tributary\/([0-9a-f]+)$/.exec(received[0]?.source ?? '') ?? [];
    const common = {
      specversion: '1.0',
      source: `/tributary/${storeId}`,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      datacontenttype: 'application/json',
    };
    const changed = { ...common, type: 'tributary.payment.changed.v1', subject: 'pi_1', data: { id: 'pi_1' } };
    expect(received).toEqual([
      { ...changed, id: `${storeId}-1-0`, sequence: '0000000000000001-0000' },
      {
        ...common,
        id: `${storeId}-2-0`,
        type: 'tributary.refund.created.v1',
        subject: 're_1',
        sequence: '0000000000000002-0000',
        data: { id: 're_1', paymentId: 'pi_1' },
      },
      { ...changed, id: `${storeId}-2-1`, sequence: '0000000000000002-0001' },
    ]);
    // The SDK refuses what is no CloudEvent.
    for (const event of received) expect(new CloudEvent(event).validate()).toBe(true);
    expect(bodies.join()).not.toContain('customers.example');
  });

  test('given a broker that is down, then webhooks and queries go on, and every event arrives later', async () => {
    const topic = newTopic();
    const { received } = await connectOther(topic);
    const { url, ask } = await startWithBroker({ BROKER_TOPIC: topic });
    await server.kill();
    await expect.poll(async () => (await health(url)).broker).toBe('down');
    for (let index = 0; index < 20; index += 1) {
      expect(
        await postStripe(url, paymentEvent(`evt_${index}`, `pi_${index % 3}`, 1_796_000_000 + index)),
      ).toMatchObject({ status: 200 });
    }
    expect((await ask('{ customer(id: "101") { firstName } }')).data).toEqual({ customer: { firstName: 'Ada' } });
    await server.start();
    await expect.poll(() => new Set(received.map(({ id }) => id)).size).toBe(20);
    const sequences = [...new Set(received.map(({ sequence }) => sequence))];
    expect(sequences).toEqual(sequences.toSorted());
  });

  test('given the domain events of another application, then reads and subscribers hear of them, once', async () => {
    const topic = newTopic();
    const { broker, received } = await connectOther(topic);
    const { url, ask, hubspot } = await startWithBroker({
      BROKER_TOPIC: topic,
      BROKER_EVENTS: 'both',
      CACHE_MAX_MIB: '16',
      HUBSPOT_CACHE: 'contacts=3600',
    });
    const query = '{ customer(id: "101") { phone } }';
    await ask(query);
    const customers = await openEventStream(url, { query: 'subscription { customerChanged { phone } }' });
    const stock = await openEventStream(url, { query: 'subscription { stockChanged { sku } }' });
    // Stripe's and HubSpot's webhooks report nothing of this.
    const response = await fetch(`${hubspot.url}/crm/objects/2026-09/contacts/101`, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${HUBSPOT_SANDBOX_TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ properties: { phone: '+46 70 555' } }),
    });
    expect(response.status).toBe(200);
    const event = (id: string, type: string, data: object) =>
      new CloudEvent({ id, source: '/shop', type: `tributary.${type}.v1`, data });
    const send = async (...events: readonly (CloudEvent<unknown> | string)[]): Promise<void> =>
      broker.publish(
        events.map((one) => ({
          id: randomUUID(),
          type: 'any',
          key: 'any',
          body: typeof one === 'string' ? one : String(one),
        })),
      );
    await send(
      'no JSON',
      event('0', 'customer.changed', { id: '101; DROP' }),
      event('1', 'order.shipped', { id: '1' }),
      event('2', 'customer.changed', { id: '101', email: 'ada@customers.example' }),
      event('2', 'customer.changed', { id: '101' }),
      event('3', 'stock.changed', { sku: 'OABR-S' }),
    );
    await expect.poll(() => stock.results().at(-1)?.data).toEqual({ stockChanged: { sku: 'OABR-S' } });
    await expect
      .poll(() => customers.results().map(({ data }) => data))
      .toEqual([{ customerChanged: { phone: '+46 70 555' } }]);
    expect((await ask(query)).data).toEqual({ customer: { phone: '+46 70 555' } });
    // What cannot be applied is parked, and the others are told of the rest, once.
    await expect
      .poll(() => received.map(({ type, subject }) => `${type} ${subject}`).sort())
      .toEqual(['tributary.customer.changed.v1 101', 'tributary.stock.changed.v1 OABR-S']);
    // Its own events, if they come back, are ignored.
    await send(...received.map((one) => JSON.stringify(one)), event('4', 'stock.changed', { sku: 'OABR-M' }));
    await expect.poll(() => stock.results().at(-1)?.data).toEqual({ stockChanged: { sku: 'OABR-M' } });
    expect(stock.results()).toHaveLength(2);
    expect(customers.results()).toHaveLength(1);
    customers.close();
    stock.close();
  });

  test('given events that were forgotten before the broker has taken them, then that is reported', async () => {
    const topic = newTopic();
    const { received, broker: other } = await connectOther(topic);
    const store = openSqliteStore(IN_MEMORY);
    const telemetry = createTelemetry();
    const log = createLog('silent');
    const limits = { maxWaiting: 1_000, maxBytes: 1e9, retentionMs: 1e9 };
    const inbox = await openInbox({ store, webhooks: new Map(), limits, telemetry, log });
    onTestFinished(inbox.close);
    const broker = await connectTo(server.url, { publishTo: `${topic}.out`, receiveFrom: 'none' });
    onTestFinished(broker.close);
    const start = () => startOutbox({ store, inbox, broker, events: payments.events, telemetry, log });
    // The place from which on it publishes is stored.
    await (await start()).close();
    const apply = async (id: string): Promise<void> => {
      const event = { provider: 'stripe', id, digest: id, type: 'any', object: null, version: null };
      await store.insert([{ ...event, receivedAt: Date.now(), payload: '{}' }]);
      const messages = JSON.stringify([{ topic: 'paymentChanged', id }]);
      await store.apply({ providers: ['stripe'], limit: 10 }, () => ({ changes: '{}', messages }));
    };
    await apply('pi_1');
    await apply('pi_2');
    await store.prune(Date.now() + 1);
    await apply('pi_3');
    const lost: number[] = [];
    telemetry.listen({ on: (event) => event.type === 'broker.lost' && lost.push(event.events) });
    const outbox = await start();
    onTestFinished(outbox.close);
    await expect.poll(() => received.map(({ subject }) => subject)).toEqual(['pi_3']);
    expect(lost).toEqual([2]);
    await expect.poll(outbox.waiting).toBe(0);
    expect(other.status()).toBe('up');
  });

  test.skipIf(!hasTool('postgres and initdb'))(
    'given two replicas, then one publishes, and the other goes on when that one ends',
    async () => {
      const database = await startPostgres();
      onTestFinished(database.close);
      const topic = newTopic();
      const { received } = await connectOther(topic);
      const { EVENTS_FILE: _, ...webhooks } = WEBHOOKS;
      stack = await startStack({ env: { ...webhooks, EVENTS_URL: await database.createDatabase() } });
      const { startAnother } = stack;
      const start = async () => {
        const { url, close } = await startAnother({ BROKER_URL: server.url, BROKER_TOPIC: topic });
        let closing: Promise<void> | undefined;
        const closeOnce = () => {
          closing ??= close();
          return closing;
        };
        onTestFinished(closeOnce);
        return { url, close: closeOnce };
      };
      let count = 0;
      const postTo = async (url: string): Promise<void> => {
        count += 1;
        expect(await postStripe(url, paymentEvent(`evt_${count}`, `pi_${count}`))).toMatchObject({ status: 200 });
      };
      const sequences = () => received.map(({ sequence }) => Number(sequence.slice(0, 16)));
      const first = await start();
      await postTo(first.url);
      await expect.poll(sequences).toEqual([1]);
      const second = await start();
      for (let index = 0; index < 20; index += 1) {
        await postTo(first.url);
        await postTo(second.url);
      }
      await expect.poll(() => received.length).toBe(41);
      await first.close();
      await postTo(second.url);
      await expect.poll(sequences).toContain(42);
      expect(sequences()).toEqual(Array.from({ length: 42 }, (_, index) => index + 1));
    },
  );

  test('given a gateway that is killed while it publishes, then no event is lost, and a repeated one has its id', {
    tags: ['long'],
  }, async () => {
    const topic = newTopic();
    const { received } = await connectOther(topic);
    const folder = mkdtempSync(join(tmpdir(), 'broker-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    stack = await startStack();
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const env = {
      ...environmentOf(stack),
      PORT: String(port),
      LOG_LEVEL: 'silent',
      STRIPE_WEBHOOK_SECRET: STRIPE_SECRET,
      PUBLIC_URL,
      EVENTS_FILE: join(folder, 'events.sqlite'),
      BROKER_URL: server.url,
      BROKER_TOPIC: topic,
    };
    const random = createRandom(7);
    let count = 0;
    let isOver = false;
    const deliver = async (): Promise<void> => {
      while (!isOver) {
        const index = count;
        count += 1;
        const event = paymentEvent(`evt_${index}`, `pi_${index}`);
        while ((await postStripe(url, event).catch(() => undefined))?.status !== 200) await pause(20);
      }
    };
    const start = () => {
      const child = startProcess(['node', 'gateway/main.ts'], env);
      onTestFinished(() => void child.process.kill('SIGKILL'));
      return child;
    };
    const clients: Promise<void>[] = [];
    for (let round = 0; round < 4; round += 1) {
      const child = start();
      if (round === 0) clients.push(...Array.from({ length: 4 }, deliver));
      const before = received.length;
      await expect.poll(() => received.length, { interval: 5 }).toBeGreaterThan(before + random.int(0, 40));
      child.process.kill('SIGKILL');
      await child.ended;
    }
    const last = start();
    isOver = true;
    await Promise.all(clients);
    await expect.poll(() => new Set(received.map(({ subject }) => subject)).size).toBe(count);
    last.process.kill('SIGKILL');
    await last.ended;
    // One id for each payment, however often it was published.
    expect(new Set(received.map(({ id, subject }) => `${id} ${subject}`)).size).toBe(count);
  });
});
