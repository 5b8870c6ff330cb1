import { monotonicNow } from './clock.ts';

/** Paces new work so that the event loop finishes running work first, without ever being idle while new work waits. */
export type LoopPacer = {
  /**
   * Whether new work may start now: the event loop had nothing else to do, and this iteration's budget is not spent. It also
   * may if none has started for twice as long as the last iteration took, so that other work slows it down and never stops it.
   */
  readonly mayStart: () => boolean;
  /** Records that new work starts. */
  readonly start: () => void;
  /** Calls back once when new work may be able to start. Replaces an earlier callback that is still to be called. */
  readonly retry: (callback: () => void) => void;
};

/** Starts work immediately. */
export const UNPACED: LoopPacer = { mayStart: () => true, start: () => {}, retry: () => {} };

/**
 * An iteration of the event loop that took less had nothing substantial to do, in milliseconds. An empty one takes a fiftieth.
 * Also the time for new work in one iteration: only short work needs to start together.
 */
const IDLE_MS = 1;

/**
 * Maximum time without new work while some waits, in iterations of the last one's length. The longer iterations become, the
 * fewer of them start new work, so that running work is finished; but work that the pacer does not know of, such as large
 * responses that take turns, keeps half of the iterations at most.
 */
const MAX_PAUSE = 2;

/** Maximum time without new work while some waits, in milliseconds. */
const MAX_PAUSE_MS = 50;

export type LoopPacerOptions = {
  readonly now?: () => number;
  /** Calls back in the next iteration of the event loop. */
  readonly nextIteration?: (callback: () => void) => unknown;
  /** Calls back when the work that was started gives up the event loop. */
  readonly afterStart?: (callback: () => void) => unknown;
};

/**
 * Creates the pacer of one thread.
 *
 * While new work waits, the event loop does not block but goes round, and each iteration is timed. Work that is ready, because
 * the network has answered for example, runs first. Work that waits for the network takes no time and holds up nothing.
 */
export const createLoopPacer = ({
  now = monotonicNow,
  nextIteration = setImmediate,
  afterStart = afterMicrotasks,
}: LoopPacerOptions = {}): LoopPacer => {
  /** When this iteration began. Undefined if none is timed: nothing has started lately. */
  let beganAt: number | undefined;
  /** How long the last iteration took. */
  let iterationMs = 0;
  let startedAt = Number.NEGATIVE_INFINITY;
  // What was started runs only after the function that starts it: otherwise hundreds would be started within a millisecond.
  let isStarting = false;
  let pending: (() => void) | undefined;

  const mayStart = (): boolean => {
    if (isStarting) return false;
    if (beganAt === undefined) return true;
    const at = now();
    const longestMs = Math.max(iterationMs, at - beganAt);
    return longestMs < IDLE_MS || at - startedAt >= Math.min(MAX_PAUSE_MS, MAX_PAUSE * longestMs);
  };

  const runPending = (): void => {
    const callback = pending;
    pending = undefined;
    callback?.();
  };

  const iterate = (began: number): void => {
    beganAt = began;
    nextIteration(() => {
      const at = now();
      iterationMs = at - began;
      if (!pending) {
        beganAt = undefined;
        return;
      }
      iterate(at);
      runPending();
    });
  };

  return {
    mayStart,
    start: () => {
      startedAt = now();
      isStarting = true;
      afterStart(() => {
        isStarting = false;
        if (mayStart()) runPending();
      });
      if (beganAt !== undefined) return;
      iterationMs = 0;
      iterate(startedAt);
    },
    retry: (callback) => {
      pending = callback;
      if (beganAt === undefined) iterate(now());
    },
  };
};

/** Calls a function after work that was resumed gives up the event loop, which may span several microtasks. */
const afterMicrotasks = (callback: () => void): void => queueMicrotask(() => process.nextTick(callback));
