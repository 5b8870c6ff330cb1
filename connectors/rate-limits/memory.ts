import {
  type Client,
  type ClientStanding,
  type ClientUsage,
  createClientUsage,
  reserveOf,
} from '../../runtime/client-usage.ts';
import { monotonicNow } from '../../runtime/clock.ts';
import { MAX_OPERATIONS } from '../../telemetry/max-operations.ts';

/** Number of requests, or units of cost, allowed in any period of `windowMs` milliseconds. */
export type Quota = { readonly calls: number; readonly windowMs: number };

/** Unit of a rate limit: requests, or their cost. */
export type RateLimitUnit = 'request' | 'cost';

/** One of the rate limits that apply to a request. */
export type RateWindow = Quota & {
  /** Identifies the limit by provider, account, and what it counts. The same for everything that shares the limit. */
  readonly key: string;
  /** The operator has set the number, so a provider's response does not raise it. */
  readonly isOperatorSet?: boolean | undefined;
  /** Default: `request`. */
  readonly unit?: RateLimitUnit | undefined;
};

/** Feedback from a provider about one of its rate limits. */
export type RateLimitUpdate = {
  /** Requests, or units of cost, that the window holds. */
  readonly calls?: number | undefined;
  /** Requests, or units of cost, that the provider would still accept now. */
  readonly remaining?: number | undefined;
  /** Time without requests after a rejection, in milliseconds; longer with each further rejection. */
  readonly pauseMs?: number | undefined;
  /**
   * Actual cost of the request under this limit, in place of its expected cost. Only for a limit whose unit is `cost`.
   */
  readonly cost?: number | undefined;
};

/** Maximum pause of a rate window, in milliseconds. Equal to the longest `Retry-After` that is obeyed. */
export const MAX_PAUSE_MS = 3_600_000;

/** Maximum ratio of a reported limit to the documented one. Higher reports are capped. */
export const MAX_RAISE = 10;

/** Maximum external usage recorded by one update, in requests. The next update records the rest. */
export const MAX_EXTERNAL_USAGE = 10_000;

/**
 * Bounds an update to a rate limit, whatever its source. The limit is at least 1 and at most `MAX_RAISE` times the
 * documented number; a pause lasts at most an hour. Omits values that are not numbers.
 */
export const clampUpdate = (window: RateWindow, update: RateLimitUpdate): RateLimitUpdate => {
  const maxUnits = maxUnitsOf(window);
  return {
    calls: bounded(update.calls, 1, maxUnits),
    remaining: bounded(update.remaining, 0, maxUnits),
    pauseMs: bounded(update.pauseMs, 0, MAX_PAUSE_MS),
    cost: update.cost === undefined || Number.isNaN(update.cost) ? undefined : unitsOf(window, update.cost),
  };
};

/** Maximum capacity of a rate window, whatever the provider reports. */
const maxUnitsOf = ({ calls, isOperatorSet }: RateWindow): number => (isOperatorSet ? calls : MAX_RAISE * calls);

/** Units that a request takes from a rate window, as an integer: 1 where the window counts requests. */
export const unitsOf = (window: RateWindow, cost = 1): number =>
  window.unit === 'cost' && !Number.isNaN(cost) ? Math.ceil(Math.min(maxUnitsOf(window), Math.max(0, cost))) : 1;

/**
 * Number of steps in a window's time by which the cost of ended requests is stored. A cost window therefore never has
 * many more entries than that. A unit becomes free up to one step later than it could.
 */
export const COST_STEPS = 1_000;

const bounded = (value: number | undefined, min: number, max: number): number | undefined =>
  value === undefined || Number.isNaN(value) ? undefined : Math.floor(Math.min(max, Math.max(min, value)));

/** A slot in every rate window of a request, held from before the request is sent. */
export type Reservation = {
  readonly id: string;
  readonly windows: readonly RateWindow[];
  /** Units taken from each cost window. Default: 1. A cost above the window's capacity takes all of it. */
  readonly cost?: number | undefined;
  /** The client that it counts for. Undefined for a background request, which counts for none. Set before `acquire`. */
  client?: Client | undefined;
  /** May take the units that heavy clients leave to others. Set before `acquire`. Default: by the client's recent use. */
  mayUseReserve?: boolean | undefined;
};

/** The reason why a reservation was not taken. */
export type Blocked = {
  /** Time until the reservation may succeed, in milliseconds. */
  readonly waitMs: number;
  /**
   * The cost windows that it waits for. Cheaper requests that come later must not take the units that become free
   * there.
   */
  readonly costWindows: readonly RateWindow[];
  /** Whether the client has to leave a reserve, so that a request of another client may succeed. */
  readonly leavesReserve: boolean;
  /** When to try again although that may be earlier, in milliseconds: this repeats a recent answer. */
  readonly recheckMs?: number;
};

/**
 * Keeps requests within sliding rate windows.
 *
 * A slot is held from before the request is sent until a full window after its response. Whenever in between the
 * provider counted the request, it no longer counts it by then. Counting from the send time alone would let a request
 * that travels faster than the one before it arrive within that one's window.
 *
 * The first half of a window's requests is sent immediately. The other half is spread over the time until the first
 * slot becomes free: a burst would otherwise leave nothing for the rest of the window, and ten seconds are longer than
 * clients wait.
 *
 * While more than one client is active under a limit, a client with more than its fair share of recent use leaves a quarter of
 * the window to others, as do background requests. A client with at most half of its fair share is not held back to spread
 * requests over the window.
 *
 * Where a limit counts cost, a request takes its expected cost in units. The actual cost replaces it once it is known,
 * and unused units become free immediately.
 */
export type RateLimiter = {
  /** Takes the reservation. Undefined if it was taken under all limits. */
  readonly acquire: (reservation: Reservation) => Blocked | undefined | Promise<Blocked | undefined>;
  /** Ends the reservation with its request. A request that was never sent frees its slot immediately. */
  readonly settle: (reservation: Reservation, wasSent: boolean) => void;
  /** Applies rate-limit feedback from a response. `reservation` is that of its request, for the cost. */
  readonly update: (window: RateWindow, update: RateLimitUpdate, reservation?: Reservation) => void;
  /**
   * Estimates the time until so many more requests could all have been sent, in milliseconds, by what this process knows of the
   * window's present use. Takes nothing.
   */
  readonly forecast: (window: RateWindow, requests: number) => number;
  /** Returns the window's present use, by what this process knows. */
  readonly useOf: (window: RateWindow) => WindowUse;
};

/** The use of a rate window, in requests or units of cost, and how much longer it is paused, in milliseconds. */
export type WindowUse = { readonly used: number; readonly limit: number; readonly pausedMs: number };

/** Maximum delay of a request while its rate window has room, in milliseconds. Leaves room for later requests. */
export const MAX_SPACING_MS = 250;

type WindowState = {
  /** When each slot becomes free; Infinity while its request runs. */
  readonly reservations: Map<string, number>;
  /** The units of reservations that hold a number of units other than one. */
  readonly costs: Map<string, number>;
  /** The sum of these units, less one for each reservation. */
  extraUnits: number;
  lastTakenAt: number;
  calls: number;
  pausedUntil: number;
  readonly clients: ClientUsage;
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
 * Time until `missing` more units may be free, in milliseconds; undefined if that is unknown. A running request may
 * turn out to have cost nothing at any time, so units held by running requests are checked again soon.
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

/** Keeps rate limits for this process alone. */
export const createMemoryRateLimiter = ({ now = monotonicNow }: { now?: () => number } = {}): RateLimiter => {
  const states = new Map<string, WindowState>();
  let externalUses = 0;

  const dropIdle = () => {
    for (const [key, state] of states) {
      prune(state);
      if (state.reservations.size === 0 && state.pausedUntil <= now()) states.delete(key);
    }
  };

  const stateOf = ({ key, calls }: RateWindow): WindowState => {
    let state = states.get(key);
    if (!state) {
      if (states.size >= MAX_OPERATIONS) dropIdle();
      state = {
        reservations: new Map(),
        costs: new Map(),
        extraUnits: 0,
        lastTakenAt: Number.NEGATIVE_INFINITY,
        calls,
        pausedUntil: 0,
        clients: createClientUsage({ now }),
      };
      states.set(key, state);
    }
    return state;
  };

  const prune = (state: WindowState): void => {
    const at = now();
    for (const [id, freeAt] of state.reservations) if (freeAt <= at) free(state, id);
  };

  /** Adds the cost of an ended request, or external usage, to the entry of its step. */
  const addEnded = (state: WindowState, { windowMs }: RateWindow, units: number): void => {
    const stepMs = windowMs / COST_STEPS;
    const freeAt = Math.ceil((now() + windowMs + 1) / stepMs) * stepMs;
    const id = `until ${freeAt}`;
    put(state, id, freeAt, unitsAt(state, id) + units);
  };

  const standingOf = ({ clients }: WindowState, { client, mayUseReserve }: Reservation): ClientStanding => {
    if (mayUseReserve) return 'even';
    if (client) return clients.standingOf(client);
    return clients.isShared() ? 'heavy' : 'even';
  };

  const waitFor = (window: RateWindow, reservation: Reservation): number => {
    const state = stateOf(window);
    const at = now();
    if (state.pausedUntil > at) return state.pausedUntil - at;
    const units = Math.min(state.calls, unitsOf(window, reservation.cost));
    if (units === 0) return 0;
    const most = state.calls - reserveOf(state.calls);
    const used = usedUnits(state);
    if (used < state.calls / 2 && used + units <= most) return 0;
    prune(state);
    const standing = standingOf(state, reservation);
    // A request that needs more than the rest of the window may take all of it.
    const reserved = standing === 'heavy' ? Math.min(state.calls - most, state.calls - units) : 0;
    const left = state.calls - reserved - usedUnits(state);
    if (units <= left && (standing === 'light' || left + reserved > state.calls / 2)) return 0;
    if (window.unit === 'cost' && units > left) return untilFree(state, units - left, at) ?? window.windowMs;
    let untilFreeMs = window.windowMs;
    for (const freeAt of state.reservations.values()) untilFreeMs = Math.min(untilFreeMs, freeAt - at);
    if (left <= 0) return Math.max(1, untilFreeMs);
    const spacingMs = Math.min(MAX_SPACING_MS, untilFreeMs / (left / units + 1));
    return Math.max(0, Math.ceil(state.lastTakenAt + spacingMs - at));
  };

  return {
    acquire: (reservation) => {
      const { id, windows, cost, client } = reservation;
      let waitMs = 0;
      let costWindows: RateWindow[] | undefined;
      let leavesReserve = false;
      for (const window of windows) {
        const ownMs = waitFor(window, reservation);
        leavesReserve ||= ownMs > 0 && standingOf(stateOf(window), reservation) === 'heavy';
        if (ownMs > 0 && window.unit === 'cost') costWindows = [...(costWindows ?? []), window];
        waitMs = Math.max(waitMs, ownMs);
      }
      if (waitMs > 0) {
        // From now on, heavier clients leave it the reserve.
        if (client) for (const window of windows) stateOf(window).clients.add(client, 0);
        return { waitMs, costWindows: costWindows ?? [], leavesReserve };
      }
      for (const window of windows) {
        const state = stateOf(window);
        const units = Math.min(state.calls, unitsOf(window, cost));
        put(state, id, Number.POSITIVE_INFINITY, units);
        if (client) state.clients.add(client, units);
        state.lastTakenAt = now();
      }
      return undefined;
    },
    settle: ({ id, windows, client }, wasSent) => {
      for (const window of windows) {
        const state = stateOf(window);
        if (!wasSent && client) state.clients.add(client, -unitsAt(state, id));
        // The clock may lag the response by up to a millisecond.
        if (wasSent && window.unit !== 'cost') state.reservations.set(id, now() + window.windowMs + 1);
        else {
          const units = unitsAt(state, id);
          free(state, id);
          if (wasSent && units > 0) addEnded(state, window, units);
        }
      }
    },
    forecast: (window, requests) => {
      const state = stateOf(window);
      prune(state);
      const pauseMs = Math.max(0, state.pausedUntil - now());
      const left = Math.max(0, state.calls - usedUnits(state));
      const immediate = Math.max(0, left - state.calls / 2);
      if (requests <= immediate) return requests > 0 ? pauseMs : 0;
      const spaced = Math.min(requests, left) - immediate;
      const spacingMs = Math.min(MAX_SPACING_MS, window.windowMs / (state.calls / 2 + 1));
      const later = Math.max(0, requests - left);
      return Math.ceil(pauseMs + spaced * spacingMs + (later / state.calls) * window.windowMs);
    },
    useOf: ({ key, calls }) => {
      const state = states.get(key);
      if (!state) return { used: 0, limit: calls, pausedMs: 0 };
      prune(state);
      return {
        used: usedUnits(state),
        limit: state.calls,
        pausedMs: Math.max(0, state.pausedUntil - now()),
      };
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
      // Only the amount of external usage is known, not its source.
      const missing = Math.min(MAX_EXTERNAL_USAGE, state.calls - state.reservations.size - remaining);
      for (let index = 0; index < missing; index += 1) {
        externalUses += 1;
        state.reservations.set(`external ${externalUses}`, now() + window.windowMs);
      }
    },
  };
};
