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

/** How long a Redis that let a command time out is left alone, in milliseconds. */
const SUSPENSION_MS = 1_000;

/** Connects to a Redis, and goes on trying for as long as the process lives. */
export const createRedis = (url: string, log: Log): Redis => {
  const client = createReconnectingClient(url);
  const returns: (() => Promise<void>)[] = [];
  let state: 'away' | 'returning' | 'up' = 'away';
  let suspendedUntil = 0;

  const become = (next: typeof state, why?: unknown) => {
    if (state === next) return;
    if (state === 'up' || next === 'up') {
      log[next === 'up' ? 'info' : 'warn'](
        { redis: next === 'up' ? 'up' : 'down', why: (why as { code?: unknown } | undefined)?.code },
        'The connection to Redis changed.',
      );
    }
    state = next;
  };

  const comeBack = async () => {
    become('returning');
    try {
      for (const work of returns) await work();
      if (client.isReady) become('up');
    } catch (error) {
      become('away', error);
      if (client.isReady) setTimeout(comeBack, SUSPENSION_MS).unref();
    }
  };

  client.on('ready', comeBack);
  client.on('error', (error) => become('away', error));
  client.on('end', () => become('away'));
  client.connect().catch(() => {});

  return {
    client,
    isUp: () => state === 'up' && client.isReady && performance.now() >= suspendedUntil,
    attempt: async (work) => {
      if (state !== 'up' || performance.now() < suspendedUntil) return undefined;
      let timer: NodeJS.Timeout | undefined;
      const tooLong = new Promise<undefined>((resolve) => {
        timer = setTimeout(() => {
          suspendedUntil = performance.now() + SUSPENSION_MS;
          log.warn({ redis: 'slow' }, 'Redis did not answer in time.');
          resolve(undefined);
        }, COMMAND_MS);
      });
      try {
        return await Promise.race([work(client), tooLong]);
      } catch {
        return undefined;
      } finally {
        clearTimeout(timer);
      }
    },
    onReturn: (work) => {
      returns.push(work);
    },
    close: () => client.destroy(),
  };
};
