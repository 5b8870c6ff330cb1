import { setTimeout as pause } from 'node:timers/promises';
import type { Log } from '../../runtime/log.ts';
import type { Broker, BrokerSession, Deliver, OpenSession } from './broker.ts';

/** The broker is not connected, has lost the connection, or does not answer. */
export class BrokerUnavailable extends Error {
  override readonly name = 'BrokerUnavailable';
}

/** Timeout of opening a connection, in milliseconds. */
const OPEN_MS = 15_000;

/** Timeout of publishing one batch, in milliseconds. */
const PUBLISH_MS = 15_000;

/** Timeout of closing a connection, in milliseconds. */
const CLOSE_MS = 2_000;

/** Delay before the broker is tried again, in milliseconds: doubled with each failure. */
const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 5_000;

/**
 * Creates a broker from a driver's sessions: connects, replaces connections that are lost or do not answer, and repeats what a handler
 * of received messages has rejected. Returns at once, whether or not the broker can be reached.
 */
export const createBroker = (openSession: OpenSession, log: Log): Broker => {
  const closing = new AbortController();
  let session: BrokerSession | undefined;
  let breakSession = (_reason: unknown): void => {};
  let handle: ((bodies: readonly string[]) => Promise<void>) | undefined;
  let startReceiving = (): void => {};
  /** Undefined until known. */
  let isUp: boolean | undefined;
  /** Whether the broker has refused messages. It counts as down until it takes some, also while it can be reached. */
  let hasRefused = false;
  // Each reason of an outage is logged once.
  const reasons = new Set<string>();

  const setUp = (): void => {
    if (isUp === false) log.warn({ broker: 'up' }, 'The message broker (BROKER_URL) is available.');
    isUp = true;
    reasons.clear();
  };
  const setDown = (error: unknown): void => {
    isUp = false;
    const why = reasonOf(error);
    if (reasons.has(why)) return;
    reasons.add(why);
    log.warn({ broker: 'down', why }, 'The message broker (BROKER_URL) is unavailable. Events wait in the inbox.');
  };

  /** Hands messages to the handler until it has taken them. Rejects if the session ends before. */
  const handleSurely = async (bodies: readonly string[], signal: AbortSignal): Promise<void> => {
    for (let delayMs = MIN_RETRY_MS; ; delayMs = Math.min(2 * delayMs, MAX_RETRY_MS)) {
      if (signal.aborted) throw new BrokerUnavailable('The connection has ended.');
      try {
        return await handle?.(bodies);
      } catch {
        // The handler reports its failures. It gets the same messages first, so that they stay in their order.
        await pause(delayMs, undefined, { signal, ref: false }).catch(() => {});
      }
    }
  };

  /** Uses one connection until it ends. Resolves with the reason. */
  const runSession = async (opened: BrokerSession): Promise<unknown> => {
    const over = new AbortController();
    const broken = Promise.withResolvers<unknown>();
    breakSession = broken.resolve;
    closing.signal.addEventListener('abort', () => broken.resolve(undefined), { signal: over.signal });
    let isReceiving = false;
    let delivering: Promise<void> | undefined;
    startReceiving = () => {
      if (!handle || isReceiving) return;
      isReceiving = true;
      const deliver: Deliver = (bodies, acknowledge) => {
        delivering = handleSurely(bodies, over.signal).then(acknowledge);
        return delivering;
      };
      opened.receive(deliver).catch((error: unknown) => broken.resolve(error));
    };
    session = opened;
    if (!hasRefused) setUp();
    startReceiving();
    const reason = await Promise.race([opened.ended, broken.promise]);
    session = undefined;
    startReceiving = () => {};
    over.abort();
    // Lets the handler finish, so that its messages are still acknowledged if the connection is alive.
    if (delivering) await within(CLOSE_MS, delivering).catch(() => {});
    await within(CLOSE_MS, opened.close()).catch(() => {});
    return reason;
  };

  const run = async (): Promise<void> => {
    for (let delayMs = MIN_RETRY_MS; !closing.signal.aborted; ) {
      const opening = openSession();
      try {
        const opened = await within(OPEN_MS, opening);
        const openedAt = performance.now();
        const reason = await runSession(opened);
        if (closing.signal.aborted) return;
        setDown(reason);
        if (performance.now() - openedAt > MAX_RETRY_MS) delayMs = MIN_RETRY_MS;
      } catch (error) {
        // One that opens too late.
        opening.then(
          (late) => late.close().catch(() => {}),
          () => {},
        );
        setDown(error);
      }
      await pause(delayMs, undefined, { signal: closing.signal, ref: false }).catch(() => {});
      delayMs = Math.min(2 * delayMs, MAX_RETRY_MS);
    }
  };
  const running = run();

  return {
    publish: async (messages) => {
      const current = session;
      if (!current) throw new BrokerUnavailable('The message broker is not connected.');
      try {
        await within(PUBLISH_MS, current.publish(messages));
        hasRefused = false;
        if (current === session) setUp();
      } catch (error) {
        hasRefused = true;
        // The connection may be out of step, or lead nowhere.
        if (current === session) breakSession(error);
        throw error;
      }
    },
    subscribe: (handler) => {
      handle = handler;
      startReceiving();
    },
    status: () => (isUp === true ? 'up' : 'down'),
    close: async () => {
      closing.abort();
      await running;
    },
  };
};

const within = async <Result>(limitMs: number, work: Promise<Result>): Promise<Result> => {
  const timer = new AbortController();
  try {
    return await Promise.race([
      work,
      pause(limitMs, undefined, { signal: timer.signal, ref: false }).then((): never => {
        throw new BrokerUnavailable('The message broker does not answer.');
      }),
    ]);
  } finally {
    timer.abort();
  }
};

/** Returns the code or the kind of an error. Messages may have addresses and names of users in them. */
const reasonOf = (error: unknown): string => {
  if (error instanceof BrokerUnavailable) return error.message;
  if (!(error instanceof Error)) return 'The connection has ended.';
  if ('code' in error && (typeof error.code === 'string' || typeof error.code === 'number')) return String(error.code);
  // Redis's errors start with their kind, e.g. WRONGPASS.
  return /^[A-Z]{3,}(?= )/.exec(error.message)?.[0] ?? error.name;
};
