import { createClient } from '@keyv/redis';
import type { Log } from './log.ts';

const createReconnectingClient = (url: string) =>
  createClient({
    url,
    // Fails at once while there is no connection, instead of keeping requests waiting for one.
    disableOfflineQueue: true,
    socket: { connectTimeout: 2_000, reconnectStrategy: (tries) => Math.min(50 * 2 ** tries, 2_000) },
  });

type Client = ReturnType<typeof createReconnectingClient>;

/** One connection to a Redis, for everything that replicas share. */
export type Redis = {
  readonly client: Client;
  /** Whether it answers, as far as is known. */
  readonly isUp: () => boolean;
  /**
   * Runs `work`, and gives undefined where Redis is away, fails or takes too long: nothing that is kept in it is worth
   * waiting or failing for.
   */
  readonly attempt: <T>(work: (client: Client) => Promise<T>) => Promise<T | undefined>;
  /** Calls `work` each time Redis is there again, before anything else is asked of it. Throwing puts it off. */
  readonly onReturn: (work: () => Promise<void>) => void;
  readonly close: () => void;
};

/** How long one command may take, in milliseconds. A Redis in the same network answers in one. */
const COMMAND_MS = 500;

/** How long a Redis that has failed to answer is left alone, in milliseconds. */
const SUSPENSION_MS = 1_000;

class TooLong extends Error {
  override readonly name = 'TooLong';
}

const inTime = async <T>(work: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TooLong()), COMMAND_MS);
  });
  try {
    return await Promise.race([work, tooLong]);
  } finally {
    clearTimeout(timer);
  }
};

/** Connects to a Redis, and goes on trying for as long as the process lives. */
export const createRedis = (url: string, log: Log): Redis => {
  const client = createReconnectingClient(url);
  const returns: (() => Promise<void>)[] = [];
  let isUp = false;
  let attempt: NodeJS.Timeout | undefined;

  const become = (next: boolean, why?: unknown) => {
    if (isUp === next) return;
    isUp = next;
    const details = { redis: next ? 'up' : 'down', why: why instanceof Error ? why.name : undefined };
    log[next ? 'info' : 'warn'](details, 'The connection to Redis changed.');
  };

  const comeBack = async () => {
    clearTimeout(attempt);
    if (!client.isReady) return;
    try {
      await inTime(client.ping());
      for (const work of returns) await inTime(work());
      if (client.isReady) become(true);
    } catch {
      attempt = setTimeout(comeBack, SUSPENSION_MS).unref();
    }
  };

  const goAway = (why?: unknown) => {
    become(false, why);
    // Where the connection itself is lost, `ready` says when it is back.
    clearTimeout(attempt);
    if (client.isReady) attempt = setTimeout(comeBack, SUSPENSION_MS).unref();
  };

  client.on('ready', comeBack);
  client.on('error', goAway);
  client.on('end', () => goAway());
  client.connect().catch(() => {});

  return {
    client,
    isUp: () => isUp && client.isReady,
    attempt: async (work) => {
      if (!isUp || !client.isReady) return undefined;
      try {
        return await inTime(work(client));
      } catch (error) {
        if (error instanceof TooLong) goAway(error);
        return undefined;
      }
    },
    onReturn: (work) => {
      returns.push(work);
    },
    close: () => {
      clearTimeout(attempt);
      client.destroy();
    },
  };
};
