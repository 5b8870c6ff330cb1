import { isIP } from 'node:net';
import { createClient } from '@keyv/redis';
import { monotonicNow } from './clock.ts';
import type { Log } from './log.ts';

/** Where Redis is, and whom to trust there. */
export type RedisTarget = {
  readonly url: string;
  /** Certificates of the authorities to trust with `rediss`, in PEM form, instead of the system's. */
  readonly ca?: string | undefined;
};

/** Creates a client that is not connected yet. `reconnectStrategy`: the delay before each try in milliseconds, or false for none. */
export const createRedisClient = ({ url, ca }: RedisTarget, reconnectStrategy: false | ((tries: number) => number)) => {
  const { protocol, hostname } = URL.parse(url) ?? {};
  return createClient({
    url,
    // Commands fail immediately without a connection, instead of waiting for one.
    disableOfflineQueue: true,
    // Another command that a restricted user would need.
    disableClientInfo: true,
    socket: {
      connectTimeout: 2_000,
      reconnectStrategy,
      ...(protocol === 'rediss:' && {
        tls: true as const,
        ...(ca && { ca }),
        // The client does not name the server, which some need to choose their certificate.
        ...(hostname && !isIP(hostname.replace(/^\[|\]$/g, '')) && { servername: hostname }),
      }),
    },
  });
};

export type RedisClient = ReturnType<typeof createRedisClient>;

const createReconnectingClient = (target: RedisTarget): RedisClient =>
  createRedisClient(target, (tries) => Math.min(50 * 2 ** tries, 2_000));

/** A connection to Redis, for state that replicas share. */
export type Redis = {
  /** Returns whether Redis is available, as far as is known. */
  readonly isUp: () => boolean;
  /** Returns whether Redis refuses writes because its memory is full. It may still be read. */
  readonly isFull: () => boolean;
  /**
   * Runs a command. Returns undefined if Redis is unavailable, fails or exceeds the timeout: the shared state is optional, so
   * callers never wait for it or fail because of it.
   */
  readonly attempt: <T>(work: (client: RedisClient) => Promise<T>) => Promise<T | undefined>;
  /**
   * Returns the time of the Redis server's clock, in milliseconds since 1970, so that all replicas agree. Before the first
   * connection, uses this process's clock. Steps only if the server's clock does.
   */
  readonly now: () => number;
  /** Marks Redis as unavailable until all `onReconnect` listeners have succeeded. */
  readonly suspend: () => void;
  /** Registers a listener that runs after each reconnection, before any other command. If it throws, reconnecting is retried. */
  readonly onReconnect: (work: ReconnectListener) => void;
  /** Replaces the connection by one to another target. Returns whether it is another. */
  readonly connectTo: (target: RedisTarget) => boolean;
  readonly close: () => void;
};

/** The state of Redis after a reconnection. */
export type ReconnectState = {
  readonly client: RedisClient;
  /** Whether its clock has been set back since the last contact, so that stored times are out of order. */
  readonly isClockSetBack: boolean;
};

type ReconnectListener = (state: ReconnectState) => Promise<void>;

/** Delay before an unresponsive Redis is tried again, in milliseconds. */
const SUSPENSION_MS = 1_000;

/** Number of consecutive failed checks after which the connection is replaced. */
const MAX_FAILED_CHECKS = 3;

/** Timeout of the handshake of a new connection, in milliseconds. */
const HANDSHAKE_MS = 5_000;

/** Timeout of each reconnect listener, in milliseconds. */
const RECONNECT_WORK_MS = 10_000;

/** Interval at which the clock is compared with the Redis server's, in milliseconds. */
const CLOCK_CHECK_MS = 5_000;

/** Interval between log entries about a full Redis, in milliseconds. */
const LOG_FULL_EVERY_MS = 60_000;

/** The key of the write that shows whether a full Redis takes writes again. */
const TRIAL_KEY = 'tributary:trial';

/** Tolerated clock difference, in milliseconds. Synchronized machines differ by less. */
export const MAX_CLOCK_SKEW_MS = 1_000;

class RedisTimeout extends Error {
  override readonly name = 'RedisTimeout';
}

const withTimeout = async <T>(work: Promise<T>, limitMs: number): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    // If this process itself was stalled, the reply may have arrived but not been read yet.
    timer = setTimeout(() => setImmediate(reject, new RedisTimeout()), limitMs);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
};

export type RedisOptions = RedisTarget & {
  /** Timeout of one command, in milliseconds. Redis in the same network replies within one. */
  readonly timeoutMs: number;
  readonly log: Log;
};

/** Connects to Redis, and keeps reconnecting for the lifetime of the process. */
export const createRedis = ({ timeoutMs, log, ...first }: RedisOptions): Redis => {
  let target: RedisTarget = first;
  const reconnectListeners: ReconnectListener[] = [];
  const clock = createRemoteClock();
  let client = createReconnectingClient(target);
  /** Undefined until known, so that Redis being unavailable at startup is logged too. */
  let isUp: boolean | undefined;
  let isFull = false;
  /** Work that Redis refused for a lack of rights. Redis counts as unavailable until it takes that. */
  let denied: ((client: RedisClient) => Promise<unknown>) | undefined;
  let fullLoggedAt = Number.NEGATIVE_INFINITY;
  let isClockSetBack = false;
  let isClosed = false;
  let failedChecks = 0;
  let retryTimer: NodeJS.Timeout | undefined;
  let handshakeTimer: NodeJS.Timeout | undefined;
  // Of its own: `markDown` must not cancel the connection of a client that replaces another.
  let connectTimer: NodeJS.Timeout | undefined;

  // Each reason of an outage is logged once: the first may be a slow start, and the next a wrong password.
  const reasons = new Set<unknown>();

  const setStatus = (next: boolean, cause?: unknown) => {
    const why = reasonOf(cause);
    if (isUp === next && (next || why === undefined || reasons.has(why))) return;
    // A recovery is logged at the same level as the outage.
    const level = isUp === false ? 'warn' : 'info';
    isUp = next;
    if (next) {
      reasons.clear();
      return log[level]({ redis: 'up' }, 'Redis (REDIS_URL) is available.');
    }
    reasons.add(why);
    log.warn({ redis: 'down', why }, 'Redis (REDIS_URL) is unavailable. Continuing without it and reconnecting.');
  };

  const markFull = () => {
    isFull = true;
    if (monotonicNow() - fullLoggedAt < LOG_FULL_EVERY_MS) return;
    fullLoggedAt = monotonicNow();
    log.warn({ redis: 'full', why: 'OOM' }, 'Redis (REDIS_URL) is full and refuses writes. Raise maxmemory or evict.');
  };

  /** Writes to a full Redis until it takes that. */
  const tryWrite = async () => {
    try {
      await withTimeout(client.set(TRIAL_KEY, '', { PX: 1 }), timeoutMs);
      isFull = false;
    } catch (error) {
      if (reasonOf(error) !== 'OOM') throw error;
    }
  };

  const compareClocks = async () => {
    const sentAt = monotonicNow();
    const time: unknown = await withTimeout(client.sendCommand(['TIME']), timeoutMs);
    if (clock.update(time, sentAt) < -MAX_CLOCK_SKEW_MS) isClockSetBack = true;
  };

  const reconnect = async () => {
    clearTimeout(retryTimer);
    const current = client;
    if (!current.isReady) return;
    try {
      await compareClocks();
      if (denied) await withTimeout(denied(current), timeoutMs);
      denied = undefined;
      const state = { client: current, isClockSetBack };
      for (const work of reconnectListeners) await withTimeout(work(state), RECONNECT_WORK_MS);
      if (current !== client || !current.isReady) return;
      isClockSetBack &&= !state.isClockSetBack;
      failedChecks = 0;
      setStatus(true);
    } catch (error) {
      if (current !== client || !current.isReady) return;
      failedChecks += 1;
      if (failedChecks >= MAX_FAILED_CHECKS) replaceClient(error);
      else retryTimer = setTimeout(reconnect, SUSPENSION_MS).unref();
    }
  };

  const markDown = (cause?: unknown) => {
    setStatus(false, cause);
    // If the connection itself is lost, the `ready` event follows when it is back.
    clearTimeout(retryTimer);
    if (client.isReady) retryTimer = setTimeout(reconnect, SUSPENSION_MS).unref();
  };

  const connect = () => {
    const current = client;
    const ifCurrent = (work: () => void) => () => {
      if (current === client && !isClosed) work();
    };
    current.on(
      'connect',
      ifCurrent(() => {
        clearTimeout(handshakeTimer);
        handshakeTimer = setTimeout(() => replaceClient(new RedisTimeout()), HANDSHAKE_MS).unref();
      }),
    );
    current.on(
      'ready',
      ifCurrent(() => {
        clearTimeout(handshakeTimer);
        void reconnect();
      }),
    );
    current.on('error', (error: unknown) =>
      ifCurrent(() => {
        // The handshake timeout keeps running: invalid data raises an error but leaves the connection open without replies.
        markDown(error);
        // An error on an open connection means invalid data: replies can no longer be matched to commands.
        if (current.isReady) replaceClient();
      })(),
    );
    current.on(
      'end',
      ifCurrent(() => markDown()),
    );
    current.connect().catch(() => {});
  };

  /** Replaces a connection that can no longer be trusted to match replies to commands. */
  const replaceClient = (cause?: unknown) => {
    if (client.isOpen) client.destroy();
    setStatus(false, cause);
    failedChecks = 0;
    client = createReconnectingClient(target);
    clearTimeout(handshakeTimer);
    clearTimeout(retryTimer);
    clearTimeout(connectTimer);
    connectTimer = setTimeout(connect, SUSPENSION_MS).unref();
  };

  const clockCheck = setInterval(async () => {
    if (!isUp) return;
    try {
      await compareClocks();
      if (isFull) await tryWrite();
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
    isFull: () => isFull,
    attempt: async (work) => {
      if (!isUp || !client.isReady) return undefined;
      try {
        return await withTimeout(work(client), timeoutMs);
      } catch (error) {
        if (error instanceof RedisTimeout) markDown(error);
        const why = reasonOf(error);
        if (why === 'OOM') markFull();
        if (why === 'NOPERM') {
          denied = work;
          markDown(error);
        }
        return undefined;
      }
    },
    now: clock.now,
    suspend: () => markDown(),
    onReconnect: (work) => {
      reconnectListeners.push(work);
    },
    connectTo: (next) => {
      if (next.url === target.url && next.ca === target.ca) return false;
      target = next;
      replaceClient();
      return true;
    },
    close: () => {
      isClosed = true;
      clearTimeout(retryTimer);
      clearTimeout(connectTimer);
      clearTimeout(handshakeTimer);
      clearInterval(clockCheck);
      if (client.isOpen) client.destroy();
    },
  };
};

/** A lack of rights in a script, as Redis 7.0 and later versions report it. */
const DENIED_IN_SCRIPT = /^ERR (The user executing the script can't|ACL failure in script)/;

/** Returns the code or kind of an error. The rest of its message may contain the URL. */
const reasonOf = (error: unknown): unknown => {
  if (!(error instanceof Error)) return undefined;
  if (DENIED_IN_SCRIPT.test(error.message)) return 'NOPERM';
  // Redis errors start with their kind, e.g. WRONGPASS or NOAUTH.
  return ('code' in error && error.code) || /^[A-Z]{3,}(?= )/.exec(error.message)?.[0] || error.name;
};

/**
 * Creates a clock that follows another machine's: an offset to `monotonicNow` that each reading corrects as little as possible.
 * A reading was correct at some moment between sending the command and receiving the reply.
 */
const createRemoteClock = () => {
  let offset: number | undefined;
  const localOffset = Date.now() - monotonicNow();
  return {
    now: () => monotonicNow() + (offset ?? localOffset),
    /** Applies a reading of `TIME`. Returns the correction in milliseconds, 0 for the first reading. */
    update: (time: unknown, sentAt: number): number => {
      const [seconds, micros] = Array.isArray(time) ? time.map(Number) : [];
      const at = Number(seconds) * 1_000 + Number(micros) / 1_000;
      if (!Number.isFinite(at)) throw new Error('Redis returned an invalid TIME.');
      const [least, most] = [at - monotonicNow(), at - sentAt];
      const known = offset;
      offset = known === undefined ? (least + most) / 2 : Math.min(most, Math.max(least, known));
      return known === undefined ? 0 : offset - known;
    },
  };
};
