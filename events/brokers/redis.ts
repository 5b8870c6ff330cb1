import { randomUUID } from 'node:crypto';
import { createRedisClient, type RedisClient } from '../../runtime/redis.ts';
import { type BrokerSession, type Driver, MAX_STORED, RECEIVE_BATCH } from './broker.ts';
import { BrokerUnavailable } from './create-broker.ts';

/*
 * Redis Streams. An entry has one field, `event`. Received entries are deleted when they are acknowledged, so that the stream is as
 * short as what waits in it.
 */

const FIELD = 'event';

/** Time that one read waits for entries, in milliseconds. */
const BLOCK_MS = 2_000;

/** Time for which an entry may be handled, in milliseconds. Then another consumer takes it: the one that had it may be gone. */
const CLAIM_AFTER_MS = 60_000;

/** Timeout of a read, in milliseconds. */
const READ_MS = 10_000;

type Entry = { readonly id: string; readonly message: Readonly<Record<string, string>> };

/** Publishes to, and receives from, streams of a Redis server. */
export const redisStreams: Driver = ({ url }, { publishTo, receiveFrom, group }) => {
  // The same in all sessions, so that the next one gets what was on its way when the connection was lost.
  const consumer = randomUUID();
  return async () => {
    const ended = Promise.withResolvers<unknown>();
    const clients: RedisClient[] = [];
    const connect = async (): Promise<RedisClient> => {
      const client = createRedisClient({ url: url.href }, false);
      clients.push(client);
      client.on('error', ended.resolve);
      client.on('end', () => ended.resolve(undefined));
      await client.connect();
      return client;
    };
    const close = async (): Promise<void> => {
      ended.resolve(undefined);
      for (const client of clients) if (client.isOpen) client.destroy();
    };

    let client: RedisClient;
    try {
      client = await connect();
    } catch (error) {
      await close();
      throw error;
    }

    const receive: BrokerSession['receive'] = async (deliver) => {
      await client.xGroupCreate(receiveFrom, group, '0', { MKSTREAM: true }).catch((error: unknown) => {
        if (!(error instanceof Error && error.message.startsWith('BUSYGROUP'))) throw error;
      });
      // A read that waits holds up all other commands of its connection.
      const reader = await connect();
      let isOver = false;
      void ended.promise.then(() => {
        isOver = true;
      });
      const handle = async (entries: readonly Entry[]): Promise<void> => {
        if (entries.length === 0) return;
        const ids = entries.map(({ id }) => id);
        await deliver(
          entries.map(({ message }) => message[FIELD] ?? JSON.stringify(message)),
          async () => void (await client.multi().xAck(receiveFrom, group, ids).xDel(receiveFrom, ids).exec()),
        );
      };
      /** Handles entries that this consumer got over a connection that was lost. Returns whether there were any. */
      const handleLost = async (): Promise<boolean> => {
        const lost = await client.xPendingRange(receiveFrom, group, '-', '+', RECEIVE_BATCH, { consumer });
        if (lost.length === 0) return false;
        const ids = lost.map(({ id }) => id);
        const entries = await client.xClaim(receiveFrom, group, consumer, 0, ids);
        await handle(entries.filter((one) => one !== null));
        // Also those that the server has dropped.
        await client.xAck(receiveFrom, group, ids);
        return true;
      };

      // New entries would overtake them.
      while (!isOver && (await handleLost()));
      for (let claimedAt = Number.NEGATIVE_INFINITY; !isOver; ) {
        if (performance.now() - claimedAt > CLAIM_AFTER_MS) {
          const { messages, nextId } = await client.xAutoClaim(receiveFrom, group, consumer, CLAIM_AFTER_MS, '0-0', {
            COUNT: RECEIVE_BATCH,
          });
          await handle(messages.filter((one) => one !== null));
          if (nextId === '0-0') {
            claimedAt = performance.now();
            await forgetConsumers(client, receiveFrom, group);
          }
        }
        const read = reader.xReadGroup(
          group,
          consumer,
          { key: receiveFrom, id: '>' },
          { COUNT: RECEIVE_BATCH, BLOCK: BLOCK_MS },
        );
        // Where the connection leads nowhere, nothing else ends it.
        const timer = setTimeout(() => ended.resolve(new BrokerUnavailable('Redis does not answer.')), READ_MS).unref();
        const streams = (await read.finally(() => clearTimeout(timer))) as
          | readonly { readonly messages: readonly Entry[] }[]
          | null;
        await handle(streams?.flatMap(({ messages }) => messages) ?? []);
      }
    };

    return {
      // At once or not at all: of two entries, the second is never stored alone.
      publish: async (messages) => {
        const all = client.multi();
        for (const { body } of messages) {
          all.xAdd(
            publishTo,
            '*',
            { [FIELD]: body },
            {
              TRIM: { strategy: 'MAXLEN', strategyModifier: '~', threshold: MAX_STORED },
            },
          );
        }
        await all.exec();
      },
      receive,
      ended: ended.promise,
      close,
    };
  };
};

/** Removes the consumers of earlier processes that have nothing left to handle. */
const forgetConsumers = async (client: RedisClient, stream: string, group: string): Promise<void> => {
  for (const { name, pending, idle } of await client.xInfoConsumers(stream, group)) {
    if (pending === 0 && idle > 10 * CLAIM_AFTER_MS) await client.xGroupDelConsumer(stream, group, name);
  }
};
