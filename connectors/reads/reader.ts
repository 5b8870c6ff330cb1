import { setTimeout as pause } from 'node:timers/promises';
import { monotonicNow } from '../../runtime/clock.ts';
import { enter, type Ledger } from '../call-stats.ts';
import { OUTAGE_CODES, outageCodeOf } from '../errors.ts';
import type { CallOptions } from '../middleware/chain.ts';
import type { Turns } from '../rate-limits/scheduler.ts';
import { type BatchAnswer, createGatherer, type Told } from './batcher.ts';
import type { Cache, Known, Lifetime } from './cache.ts';
import type { Tag } from './tag.ts';

/**
 * How one type of object, or one list, is read from a provider by key. `Operation` and `LifetimeName` are the names of the
 * provider's operations and lifetimes.
 */
export type ReaderDefinition<Value, Operation extends string = string, LifetimeName extends string = string> = {
  /** Unique among this provider's readers, e.g. `contacts`. */
  readonly type: string;
  /** The name that its lifetime is configured by. */
  readonly lifetime: LifetimeName;
  /** The operation that `ask` calls: for its place under the limits, and for the ledger. */
  readonly operation: Operation;
  /** Keys that one call may carry. Say where the limit comes from. */
  readonly maxBatch: number;
  /** One call. Leaves out what the provider knows nothing of; one key's failure is an Error. Values are plain data. */
  readonly ask: (keys: readonly string[], call: CallOptions) => Promise<BatchAnswer<Value>>;
  /** The tags of a key: a write that invalidates one of them makes the cached value unusable. Default: none. */
  readonly tagsOf?: ((key: string) => readonly Tag[]) | undefined;
  /** Further tags, which depend on the value. They cost a second read of the cache. */
  readonly tagsOfValue?: (value: Value) => readonly Tag[];
};

/**
 * Why a value is stale: it is being refreshed in the background, or the provider could not be asked; then it is the code
 * that the error would have had. A provider that takes longer than a caller waits for is UPSTREAM_TIMEOUT.
 */
export const STALE_REASONS = ['REFRESHING', ...OUTAGE_CODES] as const;
export type StaleReason = (typeof STALE_REASONS)[number];

/** The age of a stale value, in milliseconds, and why it was served. */
export type Staleness = { readonly ageMs: number; readonly reason: StaleReason };

/** What is known of a key: `null` where the provider has nothing. */
export type Found<Value> = { readonly value: Value | null; readonly stale?: Staleness };

/** Reads by key, from the cache or from the provider, on behalf of all running requests. */
export type Reader<Value> = {
  readonly upstream: string;
  /**
   * In the keys' order; an Error where a key failed. Throws UPSTREAM_TIMEOUT or UPSTREAM_CANCELLED when the caller's
   * signal ends first.
   */
  readonly load: (keys: readonly string[], call: CallOptions) => Promise<(Found<Value> | Error)[]>;
  /** Something with these tags has changed: no call that is under way is joined by who asks from now on. */
  readonly forget: (tags: ReadonlySet<Tag>) => void;
};

export type ReaderOptions = {
  readonly upstream: string;
  readonly ledger: Ledger;
  readonly turns: Turns;
  /** Undefined: nothing is kept. */
  readonly cache: Cache | undefined;
  readonly lifetime: Lifetime;
  /** How long a caller waits for the provider where there is something older to answer with, in milliseconds. Default 1,000. */
  readonly patienceMs?: number;
  /** The clock by which the times in the cache are, and the same as moments that all differ. */
  readonly now: () => number;
  readonly stamp: () => number;
};

/** How long a refresh may stand in line, in milliseconds. Who joins it has to know soon whether it will have its turn. */
const REFRESH_MS = 5_000;

export const createReader = <Value>(
  { type, operation, maxBatch, ask, tagsOf = () => [], tagsOfValue }: Omit<ReaderDefinition<Value>, 'lifetime'>,
  { upstream, ledger, turns, cache, lifetime, patienceMs = 1_000, stamp, now }: ReaderOptions,
): Reader<Value> => {
  const { freshMs, refreshMs, keepMs, absentMs } = lifetime;
  const nameOf = (key: string) => `${type} ${key}`;

  const keep = async (told: ReadonlyMap<string, Told<Value>>): Promise<void> => {
    await cache?.set([...told].map(([key, one]) => ({ key: nameOf(key), told: one, keepMs })));
  };

  const gatherer = createGatherer<Value>({
    upstream,
    operation,
    maxBatch,
    stamp,
    takeTurn: (call) => turns.take({ ...call, operation }),
    whyInLine: () => turns.whyFull(operation),
    ...(cache && keepMs > 0 && { onAnswer: keep }),
    ask: (keys, call) => {
      enter({ operation, ledgers: call.ledgers }, ledger, upstream, { keys: keys.length });
      return ask(keys, call);
    },
  });

  const refresh = (keys: readonly string[]) => {
    const standing = { deadlineAt: monotonicNow() + REFRESH_MS, isBackground: true, flow: {} };
    void gatherer.load(keys, { standing }).catch(() => {});
  };

  /** What may be answered with where the provider cannot be asked. */
  const isKept = (told: Told<Value>): boolean => ageOf(told) <= keepMs;

  // Moments of other processes can be ahead of this one's clock by a little.
  const ageOf = ({ askedAt }: Told<Value>): number => Math.max(0, now() - askedAt);

  const asStale = (told: Told<Value>, reason: StaleReason): Found<Value> => ({
    value: told.value,
    stale: { ageMs: Math.round(ageOf(told)), reason },
  });

  /** For how much longer it is as good as asking: not at all where nothing is kept, or where it is past its time. */
  const leftOf = (answer: Told<Value> | Found<Value> | Error | undefined): number => {
    if (!cache || !answer || answer instanceof Error || !('askedAt' in answer)) return 0;
    return Math.max(0, (answer.value === null ? absentMs : freshMs) - ageOf(answer));
  };

  /** The request's earliest moment in the times that the answers have. */
  const withNotBefore = (call: CallOptions): CallOptions =>
    call.notBefore === undefined ? call : { ...call, notBefore: now() - (monotonicNow() - call.notBefore) };

  const loadKept = async (
    keys: readonly string[],
    kept: readonly Told<Value>[],
    call: CallOptions,
  ): Promise<(Found<Value> | Error)[]> => {
    const timer = new AbortController();
    const asked = gatherer.load(keys, call);
    try {
      const answers = await Promise.race([
        asked,
        pause(patienceMs, undefined, { signal: timer.signal }).catch(() => undefined),
      ]);
      if (answers) {
        return answers.map((answer, index) => {
          const old = kept[index];
          const outage = outageCodeOf(answer);
          return outage && old ? asStale(old, outage) : answer;
        }) as (Found<Value> | Error)[];
      }
      // The call goes on for the cache's sake, and for whoever has more patience.
      asked.catch(() => {});
      return kept.map((old) => asStale(old, 'UPSTREAM_TIMEOUT'));
    } catch (error) {
      // The caller's own time is up.
      const outage = outageCodeOf(error);
      if (outage) return kept.map((old) => asStale(old, outage));
      throw error;
    } finally {
      timer.abort();
    }
  };

  return {
    upstream,
    // What a value is changed by is not known before it is there, so then none of those under way will do.
    forget: (tags) => gatherer.forget((key) => Boolean(tagsOfValue) || tagsOf(key).some((tag) => tags.has(tag))),
    load: async (keys, given) => {
      const call = withNotBefore(given);
      const found = new Map<string, Found<Value> | Error>();
      const note = (answer: Told<Value> | Found<Value> | Error | undefined): void => {
        if (call.freshness) call.freshness.leftMs = Math.min(call.freshness.leftMs, leftOf(answer));
      };
      const missing: string[] = [];
      const stale: string[] = [];
      const kept = new Map<string, Told<Value>>();
      const { told: known, changedAt } = cache
        ? await cache.get<Value>(keys.map(nameOf), (name) => tagsOf(name.slice(type.length + 1)), tagsOfValue)
        : NOTHING_KNOWN;
      // A call that was sent before a write, of this process or another, is not joined.
      const anew = changedAt < (call.notBefore ?? 0) ? call : { ...call, notBefore: changedAt };
      for (const [index, key] of keys.entries()) {
        const told = known[index];
        if (!told || told.askedAt < (call.notBefore ?? 0)) {
          missing.push(key);
          continue;
        }
        const ageMs = ageOf(told);
        if (ageMs <= (told.value === null ? absentMs : freshMs)) {
          note(told);
          found.set(key, { value: told.value });
        } else if (told.value !== null && ageMs <= refreshMs) {
          note(undefined);
          found.set(key, asStale(told, 'REFRESHING'));
          stale.push(key);
        } else if (isKept(told)) {
          kept.set(key, told);
        } else {
          missing.push(key);
        }
      }
      if (stale.length > 0) refresh(stale);
      const keptKeys = [...kept.keys()];
      const [answers, keptAnswers] = await Promise.all([
        missing.length > 0 ? gatherer.load(missing, anew) : [],
        keptKeys.length > 0 ? loadKept(keptKeys, [...kept.values()], anew) : [],
      ]);
      for (const [index, key] of missing.entries()) {
        note(answers[index]);
        found.set(key, toFound(answers[index]));
      }
      for (const [index, key] of keptKeys.entries()) {
        note(keptAnswers[index]);
        found.set(key, toFound(keptAnswers[index]));
      }
      if (cache) {
        const used = [...found.values()].filter((one) => !(one instanceof Error) && one.stale !== undefined).length;
        enter({ operation, ledgers: call.ledgers }, ledger, upstream, {
          hits: keys.length - missing.length - keptKeys.length - stale.length,
          stale: used,
          misses: missing.length + keptKeys.length,
        });
      }
      return keys.map((key) => found.get(key) ?? { value: null });
    },
  };
};

const NOTHING_KNOWN: Known<never> = { told: [], changedAt: 0 };

const toFound = <Value>(answer: Told<Value> | Found<Value> | Error | undefined): Found<Value> | Error => {
  if (answer === undefined || answer instanceof Error) return answer ?? { value: null };
  return 'askedAt' in answer ? { value: answer.value } : answer;
};
