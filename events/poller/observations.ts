import { LRUCache } from 'lru-cache';
import { monotonicNow } from '../../runtime/clock.ts';
import { digestOf } from '../webhook.ts';
import { MISSING, type Observation } from './poll-store.ts';
import type { Content, ValueListener } from './polled-values.ts';

export type ObservationsOptions = {
  /** Interval at which values are polled, in milliseconds. */
  readonly intervalMs: number;
  /** Compares observations with what is known, and stores them. Rejects if that is not possible now. */
  readonly compare: (observations: readonly Observation[], options?: { readonly isPolled: boolean }) => Promise<void>;
  readonly wantAll: () => Promise<void>;
  /** Keys were stored whose values have to be read. */
  readonly onWaiting: () => void;
  readonly onError: (error: unknown) => void;
};

/** Gathers what a process reads, and stores it in batches. */
export type Observations = ValueListener & {
  readonly watch: (keys: readonly string[] | 'all') => void;
  /** Compares values that were polled. Rejects if they cannot be stored. */
  readonly compareNow: (contents: ReadonlyMap<string, Content>) => Promise<void>;
  /** Watches keys of a list. Rejects if they cannot be stored. */
  readonly watchNow: (keys: readonly string[]) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Time to gather observations before they are stored together, in milliseconds. */
const GATHER_MS = 50;

/** Delay before they are stored again after the store has failed, in milliseconds. */
const RETRY_MS = 1_000;

/** Observations that are stored at once. */
const BATCH = 500;

/**
 * Maximum number of observations that wait to be stored. Of more, the latest are dropped: a changed value is found by the next poll,
 * and a key that is read again is watched then.
 */
const MAX_WAITING = 20_000;

/** Maximum number of values that are known to have been stored. */
const MAX_STORED = 100_000;

/** Length of a digest, in characters: 128 bits. */
const DIGEST_CHARS = 22;

const toDigest = (content: Content): string => (content === null ? MISSING : digestOf(content).slice(0, DIGEST_CHARS));

/** Databases cannot store others, and no provider has them. */
const isStorable = (key: string): boolean => key.isWellFormed() && !key.includes('\0');

/** Creates the observations of a process. */
export const createObservations = (options: ObservationsOptions): Observations => {
  const { intervalMs, compare, wantAll, onWaiting, onError } = options;
  const waiting = new Map<string, Observation>();
  let isAllWanted = false;
  let timer: NodeJS.Timeout | undefined;
  let flushing: Promise<void> | undefined;
  // Values that this process has stored lately, which need not be stored again for each client that reads them.
  const stored = new LRUCache<string, string>({
    max: MAX_STORED,
    ttl: intervalMs / 2,
    perf: { now: monotonicNow },
  });

  const add = (observation: Observation): void => {
    const { key } = observation;
    const known = waiting.get(key);
    if (!isStorable(key) || (!known && waiting.size >= MAX_WAITING)) return;
    // Of what was read before a write, nothing is left.
    waiting.set(key, observation.isWritten ? observation : { ...known, ...observation });
    schedule(GATHER_MS);
  };

  const schedule = (delayMs: number): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      flushing ??= flush().finally(() => {
        flushing = undefined;
        if (waiting.size > 0) schedule(RETRY_MS);
      });
    }, delayMs).unref();
  };

  const flush = async (): Promise<void> => {
    let hasUnread = false;
    try {
      if (isAllWanted) {
        await wantAll();
        isAllWanted = false;
        hasUnread = true;
      }
      while (waiting.size > 0) {
        const batch = [...waiting.values()].slice(0, BATCH);
        await compare(batch);
        for (const observation of batch) {
          const { key, digest } = observation;
          // Another may have come meanwhile.
          if (waiting.get(key) === observation) waiting.delete(key);
          if (digest === undefined) hasUnread = true;
          else stored.set(key, digest);
        }
      }
    } catch (error) {
      onError(error);
    }
    if (hasUnread) onWaiting();
  };

  return {
    onRead: (contents) => {
      for (const [key, content] of contents) {
        if (content instanceof Error) continue;
        const digest = toDigest(content);
        if (!waiting.has(key) && stored.get(key) === digest) continue;
        // What the provider does not have is no product that somebody cares about, unless it is watched already.
        add({ key, digest, ...(digest !== MISSING && { isWanted: true }) });
      }
    },
    onWrite: (keys) => {
      for (const key of keys) add({ key, isWritten: true, isWanted: true });
    },
    watch: (keys) => {
      if (keys === 'all') {
        isAllWanted = true;
        schedule(GATHER_MS);
      } else for (const key of keys) if (isStorable(key)) add({ key, isWanted: true });
    },
    compareNow: (contents) =>
      compare(
        [...contents].map(([key, content]) =>
          content instanceof Error ? { key, isFailed: true } : { key, digest: toDigest(content) },
        ),
        { isPolled: true },
      ),
    watchNow: (keys) => compare(keys.filter(isStorable).map((key) => ({ key, isWanted: true }))),
    close: async () => {
      clearTimeout(timer);
      await flushing;
      await flush();
    },
  };
};
