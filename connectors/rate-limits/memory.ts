import { monotonicNow } from '../../runtime/clock.ts';
import { MAX_OPERATIONS } from '../middleware/chain.ts';

/** So many calls, or units of cost, in so many milliseconds, in whichever stretch of that length one looks. */
export type Quota = { readonly calls: number; readonly windowMs: number };

/** What a limit counts: requests, or what requests cost. */
export type RateLimitUnit = 'request' | 'cost';

/** One of the limits that a call falls under. */
export type RateWindow = Quota & {
  /** The same for all who share the limit: provider, account, and what it counts. */
  readonly key: string;
  /** The operator has set the number, so the provider's own saying does not raise it. */
  readonly isOperatorSet?: boolean | undefined;
  /** Default: `request`. */
  readonly unit?: RateLimitUnit | undefined;
};

/** What a provider has said about one of its limits. */
export type RateLimitUpdate = {
  /** Calls the window holds. */
  readonly calls?: number | undefined;
  /** Calls the provider would still take now. */
  readonly remaining?: number | undefined;
  /** After a refusal it is to be left alone for this long, in milliseconds; longer with every further one. */
  readonly pauseMs?: number | undefined;
  /** What the request cost under this limit, in place of its expected cost. Only for a limit whose unit is `cost`. */
  readonly cost?: number | undefined;
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
export const clampUpdate = (window: RateWindow, update: RateLimitUpdate): RateLimitUpdate => {
  const most = mostOf(window);
  return {
    calls: bounded(update.calls, 1, most),
    remaining: bounded(update.remaining, 0, most),
    pauseMs: bounded(update.pauseMs, 0, MAX_PAUSE_MS),
    cost: update.cost === undefined || Number.isNaN(update.cost) ? undefined : unitsOf(window, update.cost),
  };
};

/** The most that a limit can hold, whatever the provider says. */
const mostOf = ({ calls, isOperatorSet }: RateWindow): number => (isOperatorSet ? calls : MAX_RAISE * calls);

/** What a request takes of a window, in whole units: a request counts as one where requests are counted. */
export const unitsOf = (window: RateWindow, cost = 1): number =>
  window.unit === 'cost' && !Number.isNaN(cost) ? Math.ceil(Math.min(mostOf(window), Math.max(0, cost))) : 1;

/**
 * What ended requests cost is kept in this many steps of a window's time, so that a window of costs never has many more entries than
 * that. A unit is free again up to one step later than it could be.
 */
export const COST_STEPS = 1_000;

const bounded = (value: number | undefined, least: number, most: number): number | undefined =>
  value === undefined || Number.isNaN(value) ? undefined : Math.floor(Math.min(most, Math.max(least, value)));

/** A place under every limit of a call, held from before the call is sent. */
export type Reservation = {
  readonly id: string;
  readonly windows: readonly RateWindow[];
  /** Units taken of each window of costs. Default: 1. More than a window holds counts as the whole of it. */
  readonly cost?: number | undefined;
};

/** Why a reservation was not taken. */
export type Blocked = {
  /** How long it takes until it may be taken, in milliseconds. */
  readonly waitMs: number;
  /** The windows of costs that it waits for. Cheaper requests that come later must not take what becomes free there. */
  readonly costWindows: readonly RateWindow[];
};

/**
 * Keeps calls within limits that slide with time.
 *
 * A place counts from before the call is sent until a whole window after its answer: whenever in between the provider
 * counted the call, it has forgotten it by then. Counting from the sending alone would let a call that travels faster
 * than the one before it arrive within that one's window.
 *
 * The first half of a window's calls goes at once. The other half is spread over the time until the first place is free
 * again: a burst would otherwise leave nothing for the rest of the window, and ten seconds are longer than clients wait.
 *
 * Where a limit counts costs, a call takes as many units as it is expected to cost, and its actual cost replaces them once it is
 * known: what it did not need is free at once.
 */
export type RateLimiter = {
  /** Undefined where the place was taken under all limits. */
  readonly acquire: (reservation: Reservation) => Blocked | undefined | Promise<Blocked | undefined>;
  /** The call has ended. One that was never sent gives its place back at once. */
  readonly settle: (reservation: Reservation, wasSent: boolean) => void;
  /** Takes over what an answer says. `reservation` is that of its call, for the cost. */
  readonly update: (window: RateWindow, update: RateLimitUpdate, reservation?: Reservation) => void;
};

/** The longest that a call waits although there is room, so that later ones find some. In milliseconds. */
export const MAX_SPACING_MS = 250;

type WindowState = {
  /** When each place is free again; Infinity while its call runs. */
  readonly reservations: Map<string, number>;
  /** The units of the places that have another number of them than one. */
  readonly costs: Map<string, number>;
  /** The sum of these units, less one for each. */
  extraUnits: number;
  lastTakenAt: number;
  calls: number;
  pausedUntil: number;
};

const usedUnits = ({ reservations, extraUnits }: WindowState): number => reservations.size + extraUnits;

const unitsAt = ({ reservations, costs }: WindowState, id: string): number =>
  reservations.has(id) ? (costs.get(id) ?? 1) : 0;

const free = (state: WindowState, id: string): void => {
  const units = state.costs.get(id);
  if (units !== undefined) {
    state.costs.delete(id);
    state.extraUnits -= units - 1;
  }
  state.reservations.delete(id);
};

const put = (state: WindowState, id: string, freeAt: number, units: number): void => {
  free(state, id);
  state.reservations.set(id, freeAt);
  if (units === 1) return;
  state.costs.set(id, units);
  state.extraUnits += units - 1;
};

/**
 * How long it takes until this many more units may be free, in milliseconds; undefined where that is not known. A running call may
 * turn out to have cost nothing at any time, so what running calls hold is looked for again soon.
 */
const untilFree = (state: WindowState, missing: number, at: number): number | undefined => {
  let left = missing;
  const ended: [freeAt: number, units: number][] = [];
  for (const [id, freeAt] of state.reservations) {
    if (freeAt === Number.POSITIVE_INFINITY) left -= unitsAt(state, id);
    else ended.push([freeAt, unitsAt(state, id)]);
  }
  if (left <= 0) return MAX_SPACING_MS;
  for (const [freeAt, units] of ended.sort(([one], [other]) => one - other)) {
    left -= units;
    if (left <= 0) return Math.max(1, Math.ceil(freeAt - at));
  }
  return undefined;
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
      state = {
        reservations: new Map(),
        costs: new Map(),
        extraUnits: 0,
        lastTakenAt: Number.NEGATIVE_INFINITY,
        calls,
        pausedUntil: 0,
      };
      appliesTo.set(key, state);
    }
    return state;
  };

  const prune = (state: WindowState): void => {
    const at = now();
    for (const [id, freeAt] of state.reservations) if (freeAt <= at) free(state, id);
  };

  /** Adds what an ended call cost, or others used, to the entry of its step. */
  const addEnded = (state: WindowState, { windowMs }: RateWindow, units: number): void => {
    const stepMs = windowMs / COST_STEPS;
    const freeAt = Math.ceil((now() + windowMs + 1) / stepMs) * stepMs;
    const id = `until ${freeAt}`;
    put(state, id, freeAt, unitsAt(state, id) + units);
  };

  const waitFor = (window: RateWindow, cost: number | undefined): number => {
    const state = stateOf(window);
    const at = now();
    if (state.pausedUntil > at) return state.pausedUntil - at;
    const units = Math.min(state.calls, unitsOf(window, cost));
    if (units === 0) return 0;
    const used = usedUnits(state);
    if (used < state.calls / 2 && used + units <= state.calls) return 0;
    prune(state);
    const left = state.calls - usedUnits(state);
    if (left > state.calls / 2 && units <= left) return 0;
    if (window.unit === 'cost' && units > left) return untilFree(state, units - left, at) ?? window.windowMs;
    let reliefMs = window.windowMs;
    for (const freeAt of state.reservations.values()) reliefMs = Math.min(reliefMs, freeAt - at);
    if (left <= 0) return Math.max(1, reliefMs);
    const spacingMs = Math.min(MAX_SPACING_MS, reliefMs / (left / units + 1));
    return Math.max(0, Math.ceil(state.lastTakenAt + spacingMs - at));
  };

  return {
    acquire: ({ id, windows, cost }) => {
      let waitMs = 0;
      let costWindows: RateWindow[] | undefined;
      for (const window of windows) {
        const ownMs = waitFor(window, cost);
        if (ownMs > 0 && window.unit === 'cost') costWindows = [...(costWindows ?? []), window];
        waitMs = Math.max(waitMs, ownMs);
      }
      if (waitMs > 0) return { waitMs, costWindows: costWindows ?? [] };
      for (const window of windows) {
        const state = stateOf(window);
        put(state, id, Number.POSITIVE_INFINITY, Math.min(state.calls, unitsOf(window, cost)));
        state.lastTakenAt = now();
      }
      return undefined;
    },
    settle: ({ id, windows }, wasSent) => {
      for (const window of windows) {
        const state = stateOf(window);
        // The clock may be up to a millisecond behind the answer.
        if (wasSent && window.unit !== 'cost') state.reservations.set(id, now() + window.windowMs + 1);
        else {
          const units = unitsAt(state, id);
          free(state, id);
          if (wasSent && units > 0) addEnded(state, window, units);
        }
      }
    },
    update: (window, update, reservation) => {
      const { calls, remaining, pauseMs, cost } = clampUpdate(window, update);
      const state = stateOf(window);
      if (calls !== undefined) state.calls = calls;
      if (pauseMs !== undefined) state.pausedUntil = Math.max(state.pausedUntil, now() + pauseMs);
      if (window.unit === 'cost' && reservation && cost !== undefined) {
        const freeAt = state.reservations.get(reservation.id);
        if (freeAt !== undefined) put(state, reservation.id, freeAt, Math.min(state.calls, cost));
      }
      if (remaining === undefined) return;
      prune(state);
      if (window.unit === 'cost') {
        const units = state.calls - usedUnits(state) - remaining;
        if (units > 0) addEnded(state, window, units);
        return;
      }
      // Who else uses the account is not known here, only that somebody does.
      const missing = Math.min(MAX_EXTERNAL_USAGE, state.calls - state.reservations.size - remaining);
      for (let index = 0; index < missing; index += 1) {
        externalUses += 1;
        state.reservations.set(`outsider ${externalUses}`, now() + window.windowMs);
      }
    },
  };
};
