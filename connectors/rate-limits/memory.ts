import { monotonicNow } from '../../runtime/clock.ts';
import { MAX_OPERATIONS } from '../middleware/chain.ts';

/** So many calls in so many milliseconds, in whichever stretch of that length one looks. */
export type Quota = { readonly calls: number; readonly windowMs: number };

/** One of the limits that a call falls under. */
export type Bucket = Quota & {
  /** The same for all who share the limit: provider, account, and what it counts. */
  readonly key: string;
  /** The operator has set the number, so the provider's own saying does not raise it. */
  readonly isFixed?: boolean | undefined;
};

/** What a provider has said about one of its limits. */
export type Lesson = {
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
export const MAX_OUTSIDERS = 10_000;

/**
 * Bounds what a provider has said of a limit, whoever passed it on: at least one call and at most `MAX_RAISE` times the
 * documented number, a pause of at most an hour. Leaves out what is not a number.
 */
export const toBelievable = ({ calls, isFixed }: Bucket, lesson: Lesson): Lesson => {
  const most = isFixed ? calls : MAX_RAISE * calls;
  return {
    calls: bounded(lesson.calls, 1, most),
    remaining: bounded(lesson.remaining, 0, most),
    pauseMs: bounded(lesson.pauseMs, 0, MAX_PAUSE_MS),
  };
};

const bounded = (value: number | undefined, least: number, most: number): number | undefined =>
  value === undefined || Number.isNaN(value) ? undefined : Math.floor(Math.min(most, Math.max(least, value)));

/** A place under every limit of a call, held from before the call is sent. */
export type Place = { readonly id: string; readonly buckets: readonly Bucket[] };

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
export type Limiter = {
  /** 0 where the place was taken under all limits; otherwise how long it takes until one may be free, in milliseconds. */
  readonly take: (place: Place) => number | Promise<number>;
  /** The call has ended. One that was never sent gives its place back at once. */
  readonly settle: (place: Place, wasSent: boolean) => void;
  readonly learn: (bucket: Bucket, lesson: Lesson) => void;
};

/** The longest that a call waits although there is room, so that later ones find some. In milliseconds. */
export const MAX_SPACING_MS = 250;

type Count = {
  /** When each place is free again; Infinity while its call runs. */
  readonly places: Map<string, number>;
  lastTakenAt: number;
  calls: number;
  pausedUntil: number;
};

/** Keeps limits for this process alone. */
export const createMemoryLimiter = ({ now = monotonicNow }: { now?: () => number } = {}): Limiter => {
  const counts = new Map<string, Count>();
  let outsiders = 0;

  const dropIdle = () => {
    for (const [key, count] of counts) {
      prune(count);
      if (count.places.size === 0 && count.pausedUntil <= now()) counts.delete(key);
    }
  };

  const countOf = ({ key, calls }: Bucket): Count => {
    let count = counts.get(key);
    if (!count) {
      if (counts.size >= MAX_OPERATIONS) dropIdle();
      count = { places: new Map(), lastTakenAt: Number.NEGATIVE_INFINITY, calls, pausedUntil: 0 };
      counts.set(key, count);
    }
    return count;
  };

  const prune = ({ places }: Count): void => {
    const at = now();
    for (const [id, freeAt] of places) if (freeAt <= at) places.delete(id);
  };

  const waitFor = (bucket: Bucket): number => {
    const count = countOf(bucket);
    const at = now();
    if (count.pausedUntil > at) return count.pausedUntil - at;
    if (count.places.size < count.calls / 2) return 0;
    prune(count);
    const left = count.calls - count.places.size;
    if (left > count.calls / 2) return 0;
    let reliefMs = bucket.windowMs;
    for (const freeAt of count.places.values()) reliefMs = Math.min(reliefMs, freeAt - at);
    if (left <= 0) return Math.max(1, reliefMs);
    return Math.max(0, Math.ceil(count.lastTakenAt + Math.min(MAX_SPACING_MS, reliefMs / (left + 1)) - at));
  };

  return {
    take: ({ id, buckets }) => {
      let waitMs = 0;
      for (const bucket of buckets) waitMs = Math.max(waitMs, waitFor(bucket));
      if (waitMs > 0) return waitMs;
      for (const bucket of buckets) {
        const count = countOf(bucket);
        count.places.set(id, Number.POSITIVE_INFINITY);
        count.lastTakenAt = now();
      }
      return 0;
    },
    settle: ({ id, buckets }, wasSent) => {
      for (const bucket of buckets) {
        // The clock may be up to a millisecond behind the answer.
        if (wasSent) countOf(bucket).places.set(id, now() + bucket.windowMs + 1);
        else countOf(bucket).places.delete(id);
      }
    },
    learn: (bucket, lesson) => {
      const { calls, remaining, pauseMs } = toBelievable(bucket, lesson);
      const count = countOf(bucket);
      if (calls !== undefined) count.calls = calls;
      if (pauseMs !== undefined) count.pausedUntil = Math.max(count.pausedUntil, now() + pauseMs);
      if (remaining === undefined) return;
      prune(count);
      // Who else uses the account is not known here, only that somebody does.
      const missing = Math.min(MAX_OUTSIDERS, count.calls - count.places.size - remaining);
      for (let index = 0; index < missing; index += 1) {
        outsiders += 1;
        count.places.set(`outsider ${outsiders}`, now() + bucket.windowMs);
      }
    },
  };
};
