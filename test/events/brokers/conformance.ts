import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Broker, BrokerMessage } from '../../../events/brokers/broker.ts';
import type { BrokerSystem } from '../../../events/brokers/broker-url.ts';
import { connectTo, startBroker, type TestBroker } from '../../helpers/brokers.ts';

/* What every driver of a message broker must do, against the broker's own server. */

type Sent = { readonly key: string; readonly index: number };

const KEYS = ['pi_1', 'pi_2', 'pi_3', 'pi_4', 'pi_5'];

/** Creates messages about a few objects. The bodies count from `first`. */
const messagesFrom = (first: number, count: number): BrokerMessage[] =>
  Array.from({ length: count }, (_, offset) => {
    const index = first + offset;
    const key = KEYS[index % KEYS.length] ?? '';
    const body = JSON.stringify({ key, index } satisfies Sent);
    return { id: `id-${index}`, type: 'tributary.payment.changed.v1', key, body };
  });

/** The messages in the order in which they arrived first, by key. */
const orderOf = (bodies: readonly string[]): Record<string, number[]> => {
  const byKey: Record<string, number[]> = {};
  for (const body of new Set(bodies)) {
    const { key, index } = JSON.parse(body) as Sent;
    byKey[key] = [...(byKey[key] ?? []), index];
  }
  return byKey;
};

const expectedOrder = (count: number) => orderOf(messagesFrom(0, count).map(({ body }) => body));

export type ConformanceOptions = {
  /** Whether the server can be stopped. */
  readonly canStop: boolean;
  /** Whether messages that were on their way when the connection was lost come again before later ones. By default, they do. */
  readonly keepsOrder?: boolean;
};

/** Tests the driver of one system. */
export const conformance = (system: BrokerSystem, { canStop, keepsOrder = true }: ConformanceOptions): void => {
  let server: TestBroker;
  beforeAll(async () => {
    server = await startBroker(system);
  });
  afterAll(() => server?.close());

  /** Connects two applications: one receives what the other publishes. */
  const connectBoth = async () => {
    const name = `test-${randomUUID()}`;
    const connect = async (publishTo: string, receiveFrom: string): Promise<Broker> => {
      const broker = await connectTo(server.url, {
        publishTo: `${name}.${publishTo}`,
        receiveFrom: `${name}.${receiveFrom}`,
      });
      onTestFinished(broker.close);
      await expect.poll(broker.status).toBe('up');
      return broker;
    };
    const received: string[] = [];
    return {
      publisher: await connect('a', 'b'),
      receiver: await connect('b', 'a'),
      connectReceiver: () => connect('b', 'a'),
      received,
      take: async (bodies: readonly string[]) => void received.push(...bodies),
    };
  };

  /** Publishes messages in batches, each until the broker has taken it. */
  const publishSurely = async (
    broker: Broker,
    count: number,
    size: number,
    onBatch = async () => {},
    from = 0,
  ): Promise<void> => {
    for (let first = from; first < count; first += size) {
      while (
        !(await broker.publish(messagesFrom(first, size)).then(
          () => true,
          () => false,
        ))
      )
        await pause(20);
      await onBatch();
    }
  };

  test('given messages, then a later subscriber receives each, in the order of its object', async () => {
    const { publisher, receiver, received, take } = await connectBoth();
    await publishSurely(publisher, 300, 100);
    receiver.subscribe(take);
    await expect.poll(() => new Set(received).size).toBe(300);
    expect(orderOf(received)).toEqual(expectedOrder(300));
    await publisher.publish(messagesFrom(300, 5));
    await expect.poll(() => new Set(received).size).toBe(305);
    expect(received).toHaveLength(305);
  });

  test('given a handler that fails, then it gets the same messages again, before later ones', async () => {
    const { publisher, receiver, received } = await connectBoth();
    let failures = 0;
    receiver.subscribe(async (bodies) => {
      if (failures < 3) {
        failures += 1;
        throw new Error('not yet');
      }
      received.push(...bodies);
    });
    await publishSurely(publisher, 50, 10);
    await expect.poll(() => received.length).toBe(50);
    expect([failures, orderOf(received)]).toEqual([3, expectedOrder(50)]);
  });

  test('given two receivers of one group, then each message reaches one of them', async () => {
    const { publisher, receiver, received, connectReceiver, take } = await connectBoth();
    const other = await connectReceiver();
    receiver.subscribe(take);
    other.subscribe(take);
    await publishSurely(publisher, 200, 5);
    await expect.poll(() => new Set(received).size).toBe(200);
    // Kafka hands partitions over while it starts: what was not acknowledged comes again.
    if (system !== 'kafka') expect(received).toHaveLength(200);
  });

  test('given a receiver that ends before it has handled a message, then another gets it', {
    tags: ['long'],
  }, async () => {
    const { publisher, receiver, received, connectReceiver, take } = await connectBoth();
    const started = Promise.withResolvers<void>();
    receiver.subscribe(() => {
      started.resolve();
      return new Promise(() => {});
    });
    await publisher.publish(messagesFrom(0, 10));
    await started.promise;
    await receiver.close();
    const other = await connectReceiver();
    other.subscribe(take);
    await expect.poll(() => new Set(received).size).toBe(10);
    expect(orderOf(received)).toEqual(expectedOrder(10));
  });

  describe.runIf(canStop)('a server that stops', () => {
    test('is reported, refuses messages at once, and is used again when it is back', async () => {
      const { publisher, receiver, received, take } = await connectBoth();
      receiver.subscribe(take);
      await publisher.publish(messagesFrom(0, 10));
      await server.kill();
      await expect.poll(publisher.status).toBe('down');
      await expect(publisher.publish(messagesFrom(10, 1))).rejects.toThrow('The message broker is not connected.');
      await server.start();
      await expect.poll(publisher.status).toBe('up');
      await publisher.publish(messagesFrom(10, 10));
      await expect.poll(() => new Set(received).size).toBe(20);
    });

    test.runIf(keepsOrder)('gives what was being handled once more, before later messages', async () => {
      const { publisher, receiver, received, take } = await connectBoth();
      const started = Promise.withResolvers<void>();
      const killed = Promise.withResolvers<never>();
      let handle = (): Promise<void> => {
        started.resolve();
        return killed.promise;
      };
      receiver.subscribe((bodies) => handle().then(() => take(bodies)));
      await publisher.publish(messagesFrom(0, 10));
      await started.promise;
      await publisher.publish(messagesFrom(10, 10));
      await server.kill();
      handle = async () => {};
      killed.reject(new Error('The server is gone.'));
      await server.start();
      await publishSurely(publisher, 30, 10, undefined, 20);
      await expect.poll(() => new Set(received).size).toBe(30);
      expect(orderOf(received)).toEqual(expectedOrder(30));
    });

    test('and starts again under load loses no message, and keeps their order', { tags: ['long'] }, async () => {
      const { publisher, receiver, received, take } = await connectBoth();
      receiver.subscribe(take);
      let batches = 0;
      const restarting = (async () => {
        for (const batch of [5, 20, 40]) {
          await expect.poll(() => batches, { interval: 5 }).toBeGreaterThan(batch);
          await server.kill();
          await server.start();
        }
      })();
      await publishSurely(publisher, 3_000, 50, async () => {
        batches += 1;
        await pause(5);
      });
      await restarting;
      await expect.poll(() => new Set(received).size).toBe(3_000);
      if (keepsOrder) expect(orderOf(received)).toEqual(expectedOrder(3_000));
    });
  });
};
