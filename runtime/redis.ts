import { createClient } from '@keyv/redis';
import { monotonicNow } from './clock.ts';
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
  /**
   * Milliseconds since 1970 by the clock of Redis, so that all who share it agree whatever their own clocks say. Before the
   * first connection by this process's clock. Never steps but where Redis's clock does.
   */
  readonly now: () => number;
  /** Leaves Redis alone until all `onReturn` work has succeeded. */
  readonly suspend: () => void;
  /** Runs `work` each time Redis is there again, before anything else is asked of it. Throwing puts the return off. */
  readonly onReturn: (work: (state: ReturnState) => Promise<void>) => void;
  readonly close: () => void;
};

/** What is known of a Redis that is there again. */
export type ReturnState = {
  /** Its clock has been set back since it was last seen, so that the order of the times kept in it is lost. */
  readonly isClockSetBack: boolean;
};

/** How long one command may take, in milliseconds. A Redis in the same network answers in one. */
const COMMAND_MS = 500;

/** How long a Redis that has failed to answer is left alone, in milliseconds. */
const SUSPENSION_MS = 1_000;

/** How long all work of a return may take, in milliseconds. */
const RETURN_MS = 10_000;

/** How often the clock is compared with that of Redis, in milliseconds. */
const CLOCK_CHECK_MS = 5_000;

/** A difference of clocks that nobody acts on, in milliseconds. Two machines that are kept in time differ by less. */
export const MAX_CLOCK_SKEW_MS = 1_000;

class TooLong extends Error {
  override readonly name = 'TooLong';
}

const inTime = async <T>(work: Promise<T>, limitMs = COMMAND_MS): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TooLong()), limitMs);
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
  const returns: ((state: ReturnState) => Promise<void>)[] = [];
  const clock = createRemoteClock();
  let isUp = false;
  let isClockSetBack = false;
  let attempt: NodeJS.Timeout | undefined;

  const become = (next: boolean, why?: unknown) => {
    if (isUp === next) return;
    isUp = next;
    const details = { redis: next ? 'up' : 'down', why: why instanceof Error ? why.name : undefined };
    log[next ? 'info' : 'warn'](details, 'The connection to Redis changed.');
  };

  const compareClocks = async () => {
    const askedAt = monotonicNow();
    const time: unknown = await inTime(client.sendCommand(['TIME']));
    if (clock.learn(time, askedAt) < -MAX_CLOCK_SKEW_MS) isClockSetBack = true;
  };

  const comeBack = async () => {
    clearTimeout(attempt);
    if (!client.isReady) return;
    try {
      await compareClocks();
      const state = { isClockSetBack };
      for (const work of returns) await inTime(work(state), RETURN_MS);
      if (!client.isReady) return;
      isClockSetBack &&= !state.isClockSetBack;
      become(true);
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

  const clockCheck = setInterval(async () => {
    if (!isUp) return;
    try {
      await compareClocks();
    } catch (error) {
      return goAway(error);
    }
    if (!isClockSetBack) return;
    become(false);
    await comeBack();
  }, CLOCK_CHECK_MS).unref();

  let isClosed = false;
  let reconnect: NodeJS.Timeout | undefined;
  const connect = () => void client.connect().catch(() => {});

  client.on('ready', comeBack);
  client.on('error', (error) => {
    goAway(error);
    // An error of a connection that stays: what was read is no answer. From there on each answer could be taken for
    // that of another command, so the connection is given up.
    if (!client.isReady || isClosed) return;
    client.destroy();
    reconnect = setTimeout(connect, SUSPENSION_MS).unref();
  });
  client.on('end', () => goAway());
  connect();

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
    now: clock.now,
    suspend: () => goAway(),
    onReturn: (work) => {
      returns.push(work);
    },
    close: () => {
      clearTimeout(attempt);
      clearTimeout(reconnect);
      clearInterval(clockCheck);
      isClosed = true;
      if (client.isOpen) client.destroy();
    },
  };
};

/**
 * Another machine's clock, kept by this process's own: a difference to `monotonicNow` that is corrected as little as each
 * reading allows. A reading was true at some moment between question and answer.
 */
const createRemoteClock = () => {
  let offset: number | undefined;
  const untilKnown = Date.now() - monotonicNow();
  return {
    now: () => monotonicNow() + (offset ?? untilKnown),
    /** Takes a reading of Redis's `TIME`; gives by how much the clock was corrected, in milliseconds, 0 for the first. */
    learn: (time: unknown, askedAt: number): number => {
      const [seconds, micros] = Array.isArray(time) ? time.map(Number) : [];
      const at = Number(seconds) * 1_000 + Number(micros) / 1_000;
      if (!Number.isFinite(at)) throw new Error('Redis does not tell its time.');
      const [least, most] = [at - monotonicNow(), at - askedAt];
      const known = offset;
      offset = known === undefined ? (least + most) / 2 : Math.min(most, Math.max(least, known));
      return known === undefined ? 0 : offset - known;
    },
  };
};
