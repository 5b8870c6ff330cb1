import {
  AckPolicy,
  JetStreamApiError,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
} from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { type BrokerSession, type Driver, MAX_STORED, MAX_STORED_MS, RECEIVE_BATCH } from './broker.ts';
import { createMailbox } from './mailbox.ts';
import { toWaves } from './waves.ts';

/*
 * NATS JetStream. Messages are published to `<channel>.<type>`, and received from `<channel>` and everything below it. A stream that is
 * missing is created, with the channel's name in which dots are underscores. One that is there stays as it is.
 */

/** Timeouts of the connection, of requests, and the interval of pings, in milliseconds. */
const CONNECT_MS = 5_000;
const REQUEST_MS = 10_000;
const PING_MS = 5_000;

/**
 * Time after which a message is delivered again unless it is acknowledged or reported as in progress, in milliseconds. After a lost
 * connection, later messages are delivered before it: the server does not know that nobody handles it.
 */
const ACK_WAIT_MS = 10_000;

/** NATS has nanoseconds. */
const toNanos = (ms: number): number => ms * 1_000_000;

/** The codes of NATS for what does not exist. Source: https://github.com/nats-io/nats-server/blob/main/server/errors.json */
const STREAM_NOT_FOUND = 10_059;

/** Publishes to, and receives from, streams of a NATS server. */
export const natsJetStream: Driver =
  ({ url, hosts, user, password }, { publishTo, isReceiveOnly, receiveFrom, group }) =>
  async () => {
    const connection = await connect({
      servers: [...hosts],
      name: 'tributary',
      timeout: CONNECT_MS,
      pingInterval: PING_MS,
      maxPingOut: 2,
      reconnect: false,
      // A name alone is a token.
      ...(user !== undefined && (password === undefined ? { token: user } : { user, pass: password })),
      ...(url.protocol === 'tls:' && { tls: {} }),
    });
    try {
      const manager = await jetstreamManager(connection, { timeout: REQUEST_MS });
      if (!isReceiveOnly) await ensureStream(manager, publishTo, [`${publishTo}.>`]);
      const client = jetstream(connection, { timeout: REQUEST_MS });

      const receive: BrokerSession['receive'] = async (deliver) => {
        const stream = await ensureStream(manager, receiveFrom, [receiveFrom, `${receiveFrom}.>`], {
          retention: RetentionPolicy.Workqueue,
        });
        await manager.consumers.add(stream, {
          durable_name: group,
          ack_policy: AckPolicy.Explicit,
          ack_wait: toNanos(ACK_WAIT_MS),
          max_ack_pending: 2 * RECEIVE_BATCH,
        });
        const consumer = await client.consumers.get(stream, group);
        const mailbox = createMailbox<JsMsg>();
        let handled: readonly JsMsg[] = [];
        const messages = await consumer.consume({
          max_messages: RECEIVE_BATCH,
          abort_on_missing_resource: true,
          callback: mailbox.add,
        });
        void messages.closed().then((error) => mailbox.end(error ?? new Error('The consumer has ended.')));
        void connection.closed().then(() => mailbox.end());
        const stillWorking = setInterval(() => {
          for (const message of [...handled, ...mailbox.waiting()]) message.working();
        }, ACK_WAIT_MS / 3).unref();
        try {
          for await (const batch of mailbox.batches(RECEIVE_BATCH)) {
            handled = batch;
            await deliver(
              batch.map((message) => message.string()),
              () => {
                for (const message of batch) message.ack();
              },
            );
            handled = [];
          }
        } finally {
          clearInterval(stillWorking);
          messages.stop();
        }
      };

      return {
        publish: async (messages) => {
          for (const wave of toWaves(messages)) {
            await Promise.all(
              // The server knows the ids of the last two minutes, and stores each once.
              wave.map(({ id, type, body }) => client.publish(`${publishTo}.${type}`, body, { msgID: id })),
            );
          }
        },
        receive,
        ended: connection.closed(),
        // Acknowledgements that are on their way are sent.
        close: async () => {
          if (connection.isClosed()) return;
          await connection.flush();
          await connection.close();
        },
      };
    } catch (error) {
      await connection.close();
      throw error;
    }
  };

/** Creates the stream of a channel if it is missing. Returns its name. */
const ensureStream = async (
  manager: JetStreamManager,
  channel: string,
  subjects: string[],
  options: { readonly retention?: RetentionPolicy } = {},
): Promise<string> => {
  const name = channel.replaceAll('.', '_');
  try {
    await manager.streams.info(name);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== STREAM_NOT_FOUND) throw error;
    await manager.streams.add({ name, subjects, max_msgs: MAX_STORED, max_age: toNanos(MAX_STORED_MS), ...options });
  }
  return name;
};
