import { monotonicNow } from '../../runtime/clock.ts';
import { MAX_OPERATIONS } from '../middleware/chain.ts';

/** So many calls in so many milliseconds, in whichever stretch of that length one looks. */
export type Quota = { readonly calls: number; readonly windowMs: number };

/** One of the limits that a call falls under. */
export type RateWindow = Quota & {
  /** The same for all who share the limit: provider, account, and what it counts. */
  readonly key: string;
  /** The operator has set the number, so the provider's own saying does not raise it. */
  readonly isOperatorSet?: boolean | undefined;
};

/** What a provider has said about one of its limits. */
export type RateLimitUpdate = {
  /** Calls the window holds. */
  readonly calls?: number | undefined;
  /** Calls the provider would still take now. */
  readonly remaining?: number | undefined;
  /** After a refusal it is to be left alone for this long, in milliseconds; longer with every further one. */
  readonly pauseMs?: number | undefined;
};

/** The longest that calls are held back by a pause, in milliseconds. As long as the longest `Retry-After` that is believed. */
export const MAX_PAUSE_MS = 3_600_000;

/** A limit that is said to be more than so many times the documented one is not believed. */
export const MAX_RAISE = 10;

/** Calls by others that one lesson can account for. More of them are accounted for by the next. */
export const MAX_EXTERNAL_USAGE = 10_000;

/**
 * Bounds what a provider has said of a limit, whoever passed it on: at least one call and at most `MAX_RAISE` times the
 * documented number, a pause of at most an hour. Leaves out what is not a number.
 */
export const clampUpdate = ({ calls, isOperatorSet }: RateWindow, update: RateLimitUpdate): RateLimitUpdate => {
  const most = isOperatorSet ? calls : MAX_RAISE * calls;
  return {
    calls: bounded(update.calls, 1, most),
    remaining: bounded(update.remaining, 0, most),
    pauseMs: bounded(update.pauseMs, 0, MAX_PAUSE_MS),
  };
};

const bounded = (value: number | undefined, least: number, most: number): number | undefined =>
  value === undefined || Number.isNaN(value) ? undefined : Math.floor(Math.min(most, Math.max(least, value)));

/** A place under every limit of a call, held from before the call is sent. */
export type Reservation = { readonly id: string; readonly windows: readonly RateWindow[] };

/**
 * Keeps calls within limits that slide with time.
 *
 * A place counts from before the call is sent until a whole window after its answer: whenever in between the provider
 * counted the call, it has forgotten it by then. Counting from the sending alone would let a call that travels faster
 * than the one before it arrive within that one's window.
 *
 * The first half of a window's calls goes at once. The other half is spread over the time until the first place is free
 * again: a burst would otherwise leave nothing for the rest of the window, and ten seconds are longer than clients wait.
 */
export type RateLimiter = {
  /** 0 where the place was taken under all limits; otherwise how long it takes until one may be free, in milliseconds. */
  readonly acquire: (reservation: Reservation) => number | Promise<number>;
  /** The call has ended. One that was never sent gives its place back at once. */
  readonly settle: (reservation: Reservation, wasSent: boolean) => void;
  readonly update: (window: RateWindow, update: RateLimitUpdate) => void;
};

/** The longest that a call waits although there is room, so that later ones find some. In milliseconds. */
export const MAX_SPACING_MS = 250;

type WindowState = {
  /** When each place is free again; Infinity while its call runs. */
  readonly reservations: Map<string, number>;
  lastTakenAt: number;
  calls: number;
  pausedUntil: number;
};

/** Keeps limits for this process alone. */
export const createMemoryRateLimiter = ({ now = monotonicNow }: { now?: () => number } = {}): RateLimiter => {
  const appliesTo = new Map<string, WindowState>();
  let externalUses = 0;

  const dropIdle = () => {
    for (const [key, state] of appliesTo) {
      prune(state);
      if (state.reservations.size === 0 && state.pausedUntil <= now()) appliesTo.delete(key);
    }
  };

  const stateOf = ({ key, calls }: RateWindow): WindowState => {
    let state = appliesTo.get(key);
    if (!state) {
      if (appliesTo.size >= MAX_OPERATIONS) dropIdle();
      state = { reservations: new Map(), lastTakenAt: Number.NEGATIVE_INFINITY, calls, pausedUntil: 0 };
      appliesTo.set(key, state);
    }
    return state;
  };

  const prune = ({ reservations }: WindowState): void => {
    const at = now();
    for (const [id, freeAt] of reservations) if (freeAt <= at) reservations.delete(id);
  };

  const waitFor = (window: RateWindow): number => {
    const state = stateOf(window);
    const at = now();
    if (state.pausedUntil > at) return state.pausedUntil - at;
    if (state.reservations.size < state.calls / 2) return 0;
    prune(state);
    const left = state.calls - state.reservations.size;
    if (left > state.calls / 2) return 0;
    let reliefMs = window.windowMs;
    for (const freeAt of state.reservations.values()) reliefMs = Math.min(reliefMs, freeAt - at);
    if (left <= 0) return Math.max(1, reliefMs);
    return Math.max(0, Math.ceil(state.lastTakenAt + Math.min(MAX_SPACING_MS, reliefMs / (left + 1)) - at));
  };

  return {
    acquire: ({ id, windows }) => {
      let waitMs = 0;
      for (const window of windows) waitMs = Math.max(waitMs, waitFor(window));
      if (waitMs > 0) return waitMs;
      for (const window of windows) {
        const state = stateOf(window);
        state.reservations.set(id, Number.POSITIVE_INFINITY);
        state.lastTakenAt = now();
      }
      return 0;
    },
    settle: ({ id, windows }, wasSent) => {
      for (const window of windows) {
        // The clock may be up to a millisecond behind the answer.
        if (wasSent) stateOf(window).reservations.set(id, now() + window.windowMs + 1);
        else stateOf(window).reservations.delete(id);
      }
    },
    update: (window, update) => {
      const { calls, remaining, pauseMs } = clampUpdate(window, update);
      const state = stateOf(window);
      if (calls !== undefined) state.calls = calls;
      if (pauseMs !== undefined) state.pausedUntil = Math.max(state.pausedUntil, now() + pauseMs);
      if (remaining === undefined) return;
      prune(state);
      // Who else uses the account is not known here, only that somebody does.
      const missing = Math.min(MAX_EXTERNAL_USAGE, state.calls - state.reservations.size - remaining);
      for (let index = 0; index < missing; index += 1) {
        externalUses += 1;
        state.reservations.set(`outsider ${externalUses}`, now() + window.windowMs);
      }
    },
  };
};
