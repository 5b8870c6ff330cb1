/*
 * Counts what clients use in a period.
 *
 * A sliding period is approximated by two fixed ones: the use in the last `periodMs` is the count of the current period, and that
 * of the previous one weighted by the part of it that is still within the last `periodMs`. A fixed period starts at a multiple of
 * `periodMs` since 1970, e.g. a day of UTC.
 */

/** A limit on what a client uses in a period. */
export type Counter = {
  /** Unique among the counters of a client with the same period. */
  readonly name: string;
  /** Unique among all counters of a client. */
  readonly key: string;
  readonly periodMs: number;
  readonly isSliding: boolean;
  /** Most units in a period. */
  readonly limit: number;
};

/** The stored counts of a counter. */
export type Counts = {
  /** Number of the current period since 1970. */
  readonly index: number;
  readonly current: number;
  readonly previous: number;
};

/** A counter and the units to take from it. */
export type Use = { readonly counter: Counter; readonly units: number };

/** The counts of a counter at a time, in milliseconds since 1970. */
export type Usage = { readonly counter: Counter; readonly counts: Counts; readonly now: number };

/** The result of an attempt to take units. */
export type Taken = {
  /** Whether the units were taken, from all counters. Otherwise none were. */
  readonly isGranted: boolean;
  /** The counters afterwards, in the order of the uses. */
  readonly usages: readonly Usage[];
  /** Replaces the units that were taken by those that were used, in the order of the uses. To be called at most once. */
  readonly settle: (used: readonly number[]) => void;
};

/** The counters of all clients. */
export type Counters = {
  /**
   * Takes units from several counters of a client, or from none if one of them has too few left. `isReservation`: the units are
   * settled later, and are returned if they are not, because the process has died. Resolves to undefined if the counters are
   * unavailable.
   */
  readonly take: (
    client: string,
    uses: readonly Use[],
    options?: { readonly isReservation?: boolean },
  ) => Promise<Taken | undefined>;
};

/** Greatest count that is stored. Sums of counts stay exact. */
export const MAX_COUNT = 1e15;

/** Time since the start of the current period. Another process may have started it by a clock that is ahead. */
const elapsedOf = ({ counter: { periodMs }, counts: { index }, now }: Usage): number =>
  Math.max(0, now - index * periodMs);

/** Returns the unused units, each of which counts `periodMs`: a sum of products of integers is exact, weights would not be. */
const unusedOf = (usage: Usage): number => {
  const { counter, counts } = usage;
  const weight = counter.isSliding ? counter.periodMs - elapsedOf(usage) : 0;
  return (counter.limit - counts.current) * counter.periodMs - counts.previous * weight;
};

/** Returns the units that count against the limit. */
export const usedOf = (usage: Usage): number => usage.counter.limit - unusedOf(usage) / usage.counter.periodMs;

/** Returns whether so many units may be taken now. */
export const fits = (usage: Usage, units: number): boolean =>
  units === 0 || units * usage.counter.periodMs <= unusedOf(usage);

/** Returns how many units may be taken now. */
export const leftOf = (usage: Usage): number => Math.max(0, Math.floor(unusedOf(usage) / usage.counter.periodMs));

/** Returns the time until so many units may be taken if no others are, in milliseconds. Infinity if they never may. */
export const waitFor = (usage: Usage, units: number): number => {
  const { counter, counts } = usage;
  const { periodMs, limit, isSliding } = counter;
  const most = limit - units;
  if (most < 0) return Number.POSITIVE_INFINITY;
  if (fits(usage, units)) return 0;
  const elapsed = elapsedOf(usage);
  if (!isSliding) return periodMs - elapsed;
  // The previous count loses weight until the period ends; after that, the current one does.
  if (counts.current <= most)
    return Math.ceil((periodMs * (counts.previous + counts.current - most)) / counts.previous) - elapsed;
  return periodMs - elapsed + Math.ceil((periodMs * (counts.current - most)) / counts.current);
};

/** Brings counts to the period of `now`. Counts that are too old are 0, and so are those of a clock that was far ahead. */
export const advance = (counts: Counts | undefined, now: number, periodMs: number): Counts => {
  const index = Math.floor(now / periodMs);
  if (counts?.index === index || counts?.index === index + 1) return counts;
  return { index, current: 0, previous: counts?.index === index - 1 ? counts.current : 0 };
};

/** Adds units to the period with this number, if it still counts. Counts never become negative. */
export const addTo = (counts: Counts, index: number, units: number): Counts => {
  const add = (count: number): number => Math.min(MAX_COUNT, Math.max(0, count + units));
  if (index === counts.index) return { ...counts, current: add(counts.current) };
  return index === counts.index - 1 ? { ...counts, previous: add(counts.previous) } : counts;
};
