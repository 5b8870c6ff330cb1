import { randomUUID } from 'node:crypto';
import { monotonicNow } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { PollState } from '../../telemetry/state.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { bounded, COMPARED } from '../inbox/decide.ts';
import type { Inbox } from '../inbox/inbox.ts';
import type { NewEvent } from '../inbox/store.ts';
import { digestOf } from '../webhook.ts';
import { createObservations } from './observations.ts';
import type { PollStore, WatchState } from './poll-store.ts';
import type { PolledValues, ValueListener } from './polled-values.ts';

export type PollerOptions = {
  /** The provider's name. */
  readonly provider: string;
  /** Returns the values of the subgraph that serves now. */
  readonly values: () => PolledValues | undefined;
  /** The account, for which one process polls at a time. */
  readonly account: string;
  /** Returns the object of a key, for events. */
  readonly objectOf: (key: string) => string;
  /** Interval at which each value is compared, in milliseconds. */
  readonly intervalMs: number;
  readonly store: PollStore;
  readonly inbox: Pick<Inbox, 'isFull' | 'wake'>;
  readonly telemetry: Telemetry;
  readonly log: Log;
};

/** Finds the changes of a provider that does not report them. */
export type Poller = ValueListener & {
  /** Watches keys, or all that the provider has. */
  readonly watch: (keys: readonly string[] | 'all') => void;
  /** Returns the state, while this process polls. */
  readonly state: () => PollState | undefined;
  /** Ends polling, so that another process can go on. Values that clients read are still compared. */
  readonly stop: () => Promise<void>;
  /** Stores what was read. */
  readonly close: () => Promise<void>;
};

/** Time for which a key is watched after it was last read or subscribed to, in milliseconds: longer than any subscription lasts. */
const WANTED_MS = 25 * 3_600_000;

/** Maximum number of watched keys. */
const MAX_WATCHED = 100_000;

/** Maximum number of requests in one poll, one after the other. */
const MAX_REQUESTS = 10;

/** Interval at which the list of all keys is read anew, for new ones, in milliseconds. */
const LIST_EVERY_MS = 3_600_000;

/** The longest and the shortest lease, in milliseconds. Another process polls this long after its holder was killed. */
const LEASE_MS = { max: 15_000, min: 3_000 };

/** Delay before keys are compared that have just been subscribed to, in milliseconds. */
const EARLY_MS = 250;

/** Delay between the pages of the list of all keys, in milliseconds. */
const PAGE_MS = 1_000;

const LOG_EVERY_MS = 60_000;

/**
 * Starts to compare the values of watched keys with those that are known. Of all processes with the same store, one polls at a time.
 * All compare what their clients read, so that a change that a client meets is reported before it is polled.
 */
export const startPoller = (options: PollerOptions): Poller => {
  const { provider, values, objectOf, intervalMs, store, inbox, telemetry, log } = options;
  const name = `${provider} ${options.account}`;
  const holder = randomUUID();
  const leaseMs = Math.min(LEASE_MS.max, Math.max(LEASE_MS.min, 3 * intervalMs));
  const stopped = new AbortController();
  let isHolder = false;
  let timer: NodeJS.Timeout | undefined;
  let pollAt = 0;
  let beating: Promise<void> | undefined;
  let polling: Promise<void> | undefined;
  let loggedAt = Number.NEGATIVE_INFINITY;
  let state: (WatchState & { readonly readAt: number }) | undefined;

  const report = (error: unknown, message: string): void => {
    if (monotonicNow() - loggedAt < LOG_EVERY_MS) return;
    loggedAt = monotonicNow();
    log.warn({ err: error, provider }, message);
  };

  const toEvent = (key: string, revision: number): NewEvent => {
    const id = `${name} ${revision}`;
    return {
      provider,
      id,
      digest: digestOf({ id }),
      type: COMPARED,
      object: bounded(objectOf(key)),
      version: revision,
      receivedAt: Date.now(),
      payload: JSON.stringify({ key }),
    };
  };

  const observations = createObservations({
    intervalMs,
    wantAll: () => store.wantAll(name, WANTED_MS),
    compare: async (observed, { isPolled } = { isPolled: false }) => {
      if (inbox.isFull()) throw new Error('The inbox of events is full.');
      const changes = await store.compare(name, observed, {
        wantedMs: WANTED_MS,
        maxWatched: MAX_WATCHED,
        holder: isPolled ? holder : undefined,
        toEvent,
      });
      if (changes > 0) inbox.wake();
      telemetry.emit({ type: 'poll.changes', provider, changes });
    },
    onWaiting: () => {
      pollAt = Math.min(pollAt, monotonicNow() + EARLY_MS);
      schedule();
    },
    onError: (error) => {
      telemetry.emit({ type: 'inbox.failure' });
      report(error, 'Values that were read cannot be compared, which is tried again.');
    },
  });

  /** Compares the keys that are due. Rejects if the provider or the store fails; the rest is due at the next poll. */
  const compareDue = async (source: PolledValues): Promise<void> => {
    const { batchSize } = source;
    // Reads of clients count, and a value is compared at every poll although the last one took some time.
    const keys = await store.due(name, { ageMs: intervalMs / 2, limit: MAX_REQUESTS * batchSize });
    for (let start = 0; start < keys.length && isHolder && !stopped.signal.aborted; start += batchSize) {
      const batch = keys.slice(start, start + batchSize);
      const contents = await source.fetch(batch, stopped.signal);
      await observations.compareNow(new Map(batch.map((key) => [key, contents.has(key) ? contents.get(key) : null])));
    }
  };

  /** Reads the next page of the list of all keys, if that is wanted. */
  const readPage = async ({ list }: PolledValues): Promise<void> => {
    const page = list && (await store.nextPage(name, LIST_EVERY_MS));
    if (!list || page === undefined) return;
    const { keys, next } = await list(page, stopped.signal);
    await observations.watchNow(keys);
    await store.turnPage(name, next);
    // The values of these keys and the next page soon, as there is a subscriber.
    if (keys.length > 0 || next !== null) pollAt = Math.min(pollAt, monotonicNow() + PAGE_MS);
  };

  const poll = async (): Promise<void> => {
    const source = values();
    if (!source) return;
    try {
      if (inbox.isFull()) throw new Error('The inbox of events is full.');
      await store.forget(name);
      await compareDue(source);
      await readPage(source);
      state = { ...(await store.watchState(name)), readAt: monotonicNow() };
      telemetry.emit({ type: 'poll', provider, isFailed: false });
    } catch (error) {
      if (stopped.signal.aborted) return;
      telemetry.emit({ type: 'poll', provider, isFailed: true });
      report(error, 'The provider could not be polled for changes, which is tried again.');
    }
  };

  /** Renews the lease, and polls if it is time. */
  const beat = async (): Promise<void> => {
    try {
      isHolder = await store.lease(name, holder, leaseMs);
    } catch (error) {
      isHolder = false;
      telemetry.emit({ type: 'inbox.failure' });
      report(error, 'The store of events cannot be used, so that the provider is not polled.');
    }
    if (!isHolder) state = undefined;
    if (!isHolder || polling || stopped.signal.aborted || monotonicNow() < pollAt) return;
    pollAt = monotonicNow() + intervalMs;
    // Not awaited: the lease is renewed while a slow provider is polled.
    polling = poll().finally(() => {
      polling = undefined;
      schedule();
    });
  };

  const startBeat = (): void => {
    beating = beat().finally(() => {
      beating = undefined;
      schedule();
    });
  };

  const schedule = (): void => {
    clearTimeout(timer);
    if (stopped.signal.aborted || beating) return;
    const untilPollMs = isHolder && !polling ? Math.max(0, pollAt - monotonicNow()) : leaseMs;
    timer = setTimeout(startBeat, Math.min(untilPollMs, leaseMs / 3)).unref();
  };
  startBeat();

  return {
    onRead: observations.onRead,
    onWrite: observations.onWrite,
    watch: observations.watch,
    state: () => {
      if (!state) return undefined;
      const { watched, oldestAt, now, readAt } = state;
      return {
        provider,
        watched,
        oldestMs: oldestAt === null ? 0 : Math.max(0, now - oldestAt) + monotonicNow() - readAt,
      };
    },
    stop: async () => {
      stopped.abort();
      clearTimeout(timer);
      await beating;
      await polling;
      if (isHolder) await store.release(name, holder).catch(() => {});
      isHolder = false;
      state = undefined;
    },
    close: observations.close,
  };
};
