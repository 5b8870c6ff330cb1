import { type ChannelModel, type ConfirmChannel, type ConsumeMessage, connect } from 'amqplib';
import { type BrokerSession, CLOUD_EVENT_TYPE, type Driver, MAX_STORED, RECEIVE_BATCH } from './broker.ts';
import { createMailbox } from './mailbox.ts';
import { toWaves } from './waves.ts';

/*
 * RabbitMQ. Messages are published to a topic exchange with their type as the routing key, and received from a queue. What is missing
 * is created, and what is there stays as it is. A new exchange gets a queue of its own name, so that nothing is lost before others have
 * bound theirs.
 */

/** Timeout of the connection, in milliseconds. */
const CONNECT_MS = 5_000;

/** Interval of heartbeats, in seconds. */
const HEARTBEAT_S = 5;

/** Replicated, and on disk. A sole server has them as well. */
const QUEUE = { durable: true, arguments: { 'x-queue-type': 'quorum', 'x-max-length': MAX_STORED } } as const;

/** AMQP's code for what does not exist. Source: AMQP 0-9-1, section 1.2 */
const NOT_FOUND = 404;

/** Publishes to an exchange, and receives from a queue, of a RabbitMQ server. */
export const rabbitMq: Driver =
  ({ url }, { publishTo, isReceiveOnly, receiveFrom }) =>
  async () => {
    const withHeartbeat = new URL(url);
    if (!withHeartbeat.searchParams.has('heartbeat')) withHeartbeat.searchParams.set('heartbeat', String(HEARTBEAT_S));
    const connection = await connect(withHeartbeat.href, {
      timeout: CONNECT_MS,
      clientProperties: { connection_name: 'tributary' },
    });
    const ended = Promise.withResolvers<unknown>();
    connection.on('error', ended.resolve);
    connection.on('close', ended.resolve);
    const watch = (channel: ConfirmChannel): ConfirmChannel => {
      channel.on('error', ended.resolve);
      channel.on('close', () => ended.resolve(undefined));
      return channel;
    };
    try {
      const isNew = !isReceiveOnly && !(await exists(connection, (channel) => channel.checkExchange(publishTo)));
      const publisher = watch(await connection.createConfirmChannel());
      if (isNew) {
        await publisher.assertExchange(publishTo, 'topic', { durable: true });
        await publisher.assertQueue(publishTo, QUEUE);
        await publisher.bindQueue(publishTo, publishTo, '#');
      }

      const receive: BrokerSession['receive'] = async (deliver) => {
        const hasQueue = await exists(connection, (channel) => channel.checkQueue(receiveFrom));
        const channel = watch(await connection.createConfirmChannel());
        if (!hasQueue) await channel.assertQueue(receiveFrom, QUEUE);
        await channel.prefetch(2 * RECEIVE_BATCH);
        const mailbox = createMailbox<ConsumeMessage>();
        void ended.promise.then(() => mailbox.end());
        await channel.consume(receiveFrom, (message) => {
          if (message) mailbox.add(message);
          else mailbox.end(new Error('The queue was deleted.'));
        });
        for await (const batch of mailbox.batches(RECEIVE_BATCH)) {
          await deliver(
            batch.map(({ content }) => content.toString('utf8')),
            () => {
              for (const message of batch) channel.ack(message);
            },
          );
        }
      };

      return {
        publish: async (messages) => {
          for (const wave of toWaves(messages)) {
            await Promise.all(
              wave.map(
                ({ id, type, body }) =>
                  new Promise<void>((resolve, reject) => {
                    const options = { persistent: true, contentType: CLOUD_EVENT_TYPE, messageId: id, type };
                    publisher.publish(publishTo, type, Buffer.from(body), options, (error) =>
                      error ? reject(error) : resolve(),
                    );
                  }),
              ),
            );
          }
        },
        receive,
        ended: ended.promise,
        close: async () => {
          await connection.close().catch(() => {});
        },
      };
    } catch (error) {
      await connection.close().catch(() => {});
      throw error;
    }
  };

/** Whether something exists. In a channel of its own, as the server closes that if it does not. */
const exists = async (
  connection: ChannelModel,
  check: (channel: ConfirmChannel) => Promise<unknown>,
): Promise<boolean> => {
  const channel = await connection.createConfirmChannel();
  channel.on('error', () => {});
  try {
    await check(channel);
    await channel.close();
    return true;
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === NOT_FOUND) return false;
    throw error;
  }
};
