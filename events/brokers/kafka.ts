import { once } from 'node:events';
import { Admin, Consumer, type Message, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka';
import { type BrokerSession, CLOUD_EVENT_TYPE, type Driver, RECEIVE_BATCH } from './broker.ts';
import type { BrokerUrl } from './broker-url.ts';
import { BrokerUnavailable } from './create-broker.ts';

/*
 * Kafka. A channel is a topic, and a message's key decides its partition. Topics that are missing are created with the partitions,
 * replicas and retention that the servers have as their defaults.
 */

/** Timeouts of the connection and of requests, in milliseconds. */
const CONNECT_MS = 5_000;
const REQUEST_MS = 10_000;

/** Interval at which the servers are asked whether they are there, in milliseconds. */
const PROBE_MS = 5_000;

/** Time after which a consumer that sends no heartbeat loses its partitions to others, in milliseconds. */
const SESSION_MS = 10_000;

const optionsOf = ({ url, hosts, user, password }: BrokerUrl) => ({
  clientId: 'tributary',
  bootstrapBrokers: [...hosts],
  connectTimeout: CONNECT_MS,
  timeout: REQUEST_MS,
  retries: 1,
  ...(url.protocol === 'kafkas:' && { tls: {} }),
  ...(user !== undefined && {
    sasl: { mechanism: mechanismOf(url), username: user, password: password ?? '' },
  }),
});

/** The mechanisms by which a user signs in. */
const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;

const mechanismOf = (url: URL): (typeof MECHANISMS)[number] => {
  const wanted = url.searchParams.get('mechanism');
  return MECHANISMS.find((one) => one === wanted) ?? 'PLAIN';
};

/** Publishes to, and receives from, topics of a Kafka cluster. */
export const kafka: Driver =
  (at, { publishTo, isReceiveOnly, receiveFrom, group }) =>
  async () => {
    const options = optionsOf(at);
    const ended = Promise.withResolvers<unknown>();
    const admin = new Admin(options);
    const producer = new Producer({ ...options, serializers: stringSerializers, idempotent: true });
    let consumer: Consumer<string, string, string, string> | undefined;
    let probe: NodeJS.Timeout | undefined;
    const close = async (): Promise<void> => {
      clearTimeout(probe);
      ended.resolve(undefined);
      await Promise.allSettled([consumer?.close(true), producer.close(), admin.close()]);
    };
    const ensureTopic = async (name: string): Promise<void> => {
      const topics = await admin.listTopics();
      if (topics.includes(name)) return;
      // Another process may create it at the same time.
      await admin.createTopics({ topics: [name], partitions: -1, replicas: -1 }).catch(async (error: unknown) => {
        if (!(await admin.listTopics()).includes(name)) throw error;
      });
    };
    const scheduleProbe = (): void => {
      probe = setTimeout(() => admin.listTopics().then(scheduleProbe, ended.resolve), PROBE_MS).unref();
    };

    const receive: BrokerSession['receive'] = async (deliver) => {
      await ensureTopic(receiveFrom);
      consumer = new Consumer({
        ...options,
        groupId: group,
        deserializers: stringDeserializers,
        autocommit: false,
        sessionTimeout: SESSION_MS,
        heartbeatInterval: SESSION_MS / 5,
      });
      const stream = await consumer.consume({ topics: [receiveFrom], mode: 'committed', fallbackMode: 'earliest' });
      const failed = Promise.withResolvers<unknown>();
      stream.on('error', failed.resolve);
      stream.on('close', () => failed.resolve(new BrokerUnavailable('The consumer has ended.')));
      let isOver = false;
      void ended.promise.then(() => {
        isOver = true;
        failed.resolve(undefined);
      });
      while (!isOver) {
        const batch: Message<string, string, string, string>[] = [];
        while (batch.length < RECEIVE_BATCH) {
          const message = stream.read() as Message<string, string, string, string> | null;
          if (message === null) break;
          batch.push(message);
        }
        if (batch.length === 0) {
          const waiting = new AbortController();
          const readable = once(stream, 'readable', { signal: waiting.signal }).then(
            () => false as const,
            () => false as const,
          );
          const error = await Promise.race([readable, failed.promise]);
          waiting.abort();
          if (error !== false && !isOver) throw error;
          continue;
        }
        const last = new Map(batch.map((message) => [message.partition, message]));
        await deliver(
          batch.map(({ value }) => value),
          async () => {
            for (const message of last.values()) await message.commit();
          },
        );
      }
    };

    try {
      await (isReceiveOnly ? admin.listTopics() : ensureTopic(publishTo));
    } catch (error) {
      await close();
      throw error;
    }
    scheduleProbe();
    return {
      publish: async (messages) => {
        await producer.send({
          messages: messages.map(({ key, body }) => ({
            topic: publishTo,
            key,
            value: body,
            headers: { 'content-type': CLOUD_EVENT_TYPE },
          })),
        });
      },
      receive,
      ended: ended.promise,
      close,
    };
  };
