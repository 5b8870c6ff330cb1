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

/** Whether a client can be made for this URL: a password's special characters, for one, have to be percent-encoded. */
export const isRedisUrl = (url: string): boolean => {
  try {
    createReconnectingClient(url);
    return true;
  } catch {
    return false;
  }
};

export type RedisClient = ReturnType<typeof createReconnectingClient>;

/** One connection to a Redis, for everything that replicas share. */
export type Redis = {
  /** Whether it answers, as far as is known. */
  readonly isUp: () => boolean;
  /**
   * Runs `work`, and gives undefined where Redis is away, fails or takes too long: nothing that is kept in it is worth
   * waiting or failing for.
   */
  readonly attempt: <T>(work: (client: RedisClient) => Promise<T>) => Promise<T | undefined>;
  /**
   * Milliseconds since 1970 by the clock of Redis, so that all who share it agree whatever their own clocks say. Before the
   * first connection by this process's clock. Never steps but where Redis's clock does.
   */
  readonly now: () => number;
  /** Leaves Redis alone until all `onReconnect` work has succeeded. */
  readonly suspend: () => void;
  /** Runs `work` each time Redis is there again, before anything else is asked of it. Throwing puts the return off. */
  readonly onReconnect: (work: ReconnectListener) => void;
  readonly close: () => void;
};

/** What is known of a Redis that is there again. */
export type ReconnectState = {
  readonly client: RedisClient;
  /** Its clock has been set back since it was last seen, so that the order of the times kept in it is lost. */
  readonly isClockSetBack: boolean;
};

type ReconnectListener = (state: ReconnectState) => Promise<void>;

/** How long a Redis that has failed to answer is left alone, in milliseconds. */
const SUSPENSION_MS = 1_000;

/** How often in a row a connection may fail to answer before another one is made. */
const MAX_SILENCES = 3;

/** How long a new connection may take to be of use, in milliseconds. */
const HANDSHAKE_MS = 5_000;

/** How long all work of a return may take, in milliseconds. */
const RECONNECT_WORK_MS = 10_000;

/** How often the clock is compared with that of Redis, in milliseconds. */
const CLOCK_CHECK_MS = 5_000;

/** A difference of clocks that nobody acts on, in milliseconds. Two machines that are kept in time differ by less. */
export const MAX_CLOCK_SKEW_MS = 1_000;

class TooLong extends Error {
  override readonly name = 'TooLong';
}

const inTime = async <T>(work: Promise<T>, limitMs: number): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    // Where this process itself was kept from running, the answer may have come and not been read.
    timer = setTimeout(() => setImmediate(reject, new TooLong()), limitMs);
  });
  try {
    return await Promise.race([work, tooLong]);
  } finally {
    clearTimeout(timer);
  }
};

export type RedisOptions = {
  readonly url: string;
  /** How long one command may take, in milliseconds. A Redis in the same network answers in one. */
  readonly timeoutMs: number;
  readonly log: Log;
};

/** Connects to a Redis, and goes on trying for as long as the process lives. */
export const createRedis = ({ url, timeoutMs, log }: RedisOptions): Redis => {
  const reconnectListeners: ReconnectListener[] = [];
  const clock = createRemoteClock();
  let client = createReconnectingClient(url);
  /** Undefined until it is known, so that one that is not there from the start is said too. */
  let isUp: boolean | undefined;
  let isClockSetBack = false;
  let isClosed = false;
  let silences = 0;
  let attempt: NodeJS.Timeout | undefined;
  let handshake: NodeJS.Timeout | undefined;

  // Each reason of an outage is logged once: the first may be a slow start, and the next a wrong password.
  const reasons = new Set<unknown>();

  const setStatus = (next: boolean, cause?: unknown) => {
    const why = reasonOf(cause);
    if (isUp === next && (next || why === undefined || reasons.has(why))) return;
    // The end of an outage is logged as loudly as its beginning.
    const level = isUp === false ? 'warn' : 'info';
    isUp = next;
    if (next) {
      reasons.clear();
      return log[level]({ redis: 'up' }, 'Redis (REDIS_URL) answers.');
    }
    reasons.add(why);
    log.warn(
      { redis: 'down', why },
      'Redis (REDIS_URL) does not answer. This process goes on alone, and goes on trying.',
    );
  };

  const compareClocks = async () => {
    const fetchedAt = monotonicNow();
    const time: unknown = await inTime(client.sendCommand(['TIME']), timeoutMs);
    if (clock.learn(time, fetchedAt) < -MAX_CLOCK_SKEW_MS) isClockSetBack = true;
  };

  const reconnect = async () => {
    clearTimeout(attempt);
    const own = client;
    if (!own.isReady) return;
    try {
      await compareClocks();
      const state = { client: own, isClockSetBack };
      for (const work of reconnectListeners) await inTime(work(state), RECONNECT_WORK_MS);
      if (own !== client || !own.isReady) return;
      isClockSetBack &&= !state.isClockSetBack;
      silences = 0;
      setStatus(true);
    } catch (error) {
      if (own !== client || !own.isReady) return;
      silences += 1;
      if (silences >= MAX_SILENCES) replaceClient(error);
      else attempt = setTimeout(reconnect, SUSPENSION_MS).unref();
    }
  };

  const markDown = (why?: unknown) => {
    setStatus(false, why);
    // Where the connection itself is lost, `ready` says when it is back.
    clearTimeout(attempt);
    if (client.isReady) attempt = setTimeout(reconnect, SUSPENSION_MS).unref();
  };

  const connect = () => {
    const own = client;
    const ifOwn = (work: () => void) => () => {
      if (own === client && !isClosed) work();
    };
    own.on(
      'connect',
      ifOwn(() => {
        clearTimeout(handshake);
        handshake = setTimeout(() => replaceClient(new TooLong()), HANDSHAKE_MS).unref();
      }),
    );
    own.on(
      'ready',
      ifOwn(() => {
        clearTimeout(handshake);
        void reconnect();
      }),
    );
    own.on('error', (error: unknown) =>
      ifOwn(() => {
        // The handshake's time goes on: garbage is an error that leaves the connection open, and its answers will not come.
        markDown(error);
        // An error of a connection that stays: what came is no answer, and nobody knows where the next one begins.
        if (own.isReady) replaceClient();
      })(),
    );
    own.on(
      'end',
      ifOwn(() => markDown()),
    );
    own.connect().catch(() => {});
  };

  /** Gives a connection up that cannot be trusted to give each command its own answer. */
  const replaceClient = (why?: unknown) => {
    if (client.isOpen) client.destroy();
    setStatus(false, why);
    silences = 0;
    client = createReconnectingClient(url);
    clearTimeout(handshake);
    clearTimeout(attempt);
    attempt = setTimeout(connect, SUSPENSION_MS).unref();
  };

  const clockCheck = setInterval(async () => {
    if (!isUp) return;
    try {
      await compareClocks();
    } catch (error) {
      return markDown(error);
    }
    if (!isClockSetBack) return;
    setStatus(false);
    await reconnect();
  }, CLOCK_CHECK_MS).unref();

  connect();

  return {
    isUp: () => isUp === true && client.isReady,
    attempt: async (work) => {
      if (!isUp || !client.isReady) return undefined;
      try {
        return await inTime(work(client), timeoutMs);
      } catch (error) {
        if (error instanceof TooLong) markDown(error);
        return undefined;
      }
    },
    now: clock.now,
    suspend: () => markDown(),
    onReconnect: (work) => {
      reconnectListeners.push(work);
    },
    close: () => {
      isClosed = true;
      clearTimeout(attempt);
      clearTimeout(handshake);
      clearInterval(clockCheck);
      if (client.isOpen) client.destroy();
    },
  };
};

/** The error's code or kind, and nothing else of its text: that can hold the URL. */
const reasonOf = (error: unknown): unknown => {
  if (!(error instanceof Error)) return undefined;
  // Redis's own errors begin with their kind, e.g. WRONGPASS or NOAUTH.
  return ('code' in error && error.code) || /^[A-Z]{3,}(?= )/.exec(error.message)?.[0] || error.name;
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
    learn: (time: unknown, fetchedAt: number): number => {
      const [seconds, micros] = Array.isArray(time) ? time.map(Number) : [];
      const at = Number(seconds) * 1_000 + Number(micros) / 1_000;
      if (!Number.isFinite(at)) throw new Error('Redis does not tell its time.');
      const [least, most] = [at - monotonicNow(), at - fetchedAt];
      const known = offset;
      offset = known === undefined ? (least + most) / 2 : Math.min(most, Math.max(least, known));
      return known === undefined ? 0 : offset - known;
    },
  };
};
