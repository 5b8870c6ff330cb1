import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Log } from '../../runtime/log.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { Delivery, EventMapping, Webhook } from '../webhook.ts';
import { decide, NO_PROVIDER, toNewEvents } from './decide.ts';
import type { Effect, InboxStore, NewEvent } from './store.ts';

export type InboxLimits = {
  /** Maximum number of events that wait to be applied. */
  readonly maxWaiting: number;
  /** Maximum size of the store, in bytes. */
  readonly maxBytes: number;
  /** Time for which events are known after they have arrived, in milliseconds. */
  readonly retentionMs: number;
};

export type InboxOptions = {
  readonly store: InboxStore;
  /** The webhooks by provider. */
  readonly webhooks: ReadonlyMap<string, Webhook<unknown>>;
  /** How to read the changes that pollers find, by provider. */
  readonly polls?: ReadonlyMap<string, EventMapping<unknown>> | undefined;
  /** How to read the domain events of other applications, by provider. */
  readonly reports?: ReadonlyMap<string, EventMapping<unknown>> | undefined;
  readonly limits: InboxLimits;
  readonly telemetry: Telemetry;
  readonly log: Log;
};

/** Why a delivery was not stored: the inbox is full, or the store cannot be written. The provider should send it again later. */
export type InboxProblem = 'full' | 'unavailable';

/** The number of events of a delivery, and of those that were known. */
export type Receipt = { readonly events: number; readonly duplicates: number };

export type Follower = {
  /** The name under which the place in the sequence is kept over restarts. Without it, following begins at the end. */
  readonly consumer?: string | undefined;
  /** Handles effects, in their order. If it rejects, it gets them again. After a crash, it may get them again as well. */
  readonly handle: (effects: readonly Effect[]) => Promise<void>;
};

export type Inbox = {
  /** Stores the events of a verified delivery. When it resolves to a receipt, they are committed. Never rejects. */
  readonly receive: (provider: string, delivery: Delivery) => Promise<Receipt | InboxProblem>;
  /** Stores events that did not arrive in a delivery, in the same way. */
  readonly add: (events: readonly NewEvent[]) => Promise<Receipt | InboxProblem>;
  /**
   * Calls a handler with all effects, of this process and of all others with the same store, within a second. Resolves once the
   * follower has its place in the sequence. Returns a function that ends it.
   */
  readonly follow: (follower: Follower) => Promise<() => void>;
  /** Whether events cannot be added now. */
  readonly isFull: () => boolean;
  /** Applies events soon that were added to the store. */
  readonly wake: () => void;
  /** Waits for what is being written and handled, then closes the store. */
  readonly close: () => Promise<void>;
};

/** Time to collect events before they are applied together, in milliseconds: 100 events become one invalidation. */
const GATHER_MS = 50;

/** Interval at which events and effects of other processes are looked for, in milliseconds. */
const POLL_MS = 250;

/** Interval at which old events are forgotten, in milliseconds. */
const PRUNE_EVERY_MS = 60_000;

/** Interval at which the numbers of events are read, where no event has arrived, in milliseconds. */
const STATE_EVERY_MS = 2_000;

/** Events that are applied in one transaction, and effects that are handled at once. */
const BATCH = 500;

/** Maximum number of events of deliveries that wait to be committed. */
const MAX_COMMITTING = 10_000;

/** Maximum length of their payloads, in characters: they are in memory while the store does not answer. */
const MAX_COMMITTING_CHARS = 64 * 1024 * 1024;

const LOG_EVERY_MS = 60_000;

const charsOf = (events: readonly NewEvent[]): number => events.reduce((sum, { payload }) => sum + payload.length, 0);

type Commit = {
  readonly events: readonly NewEvent[];
  readonly settle: (result: readonly boolean[] | InboxProblem) => void;
};

/** Opens the inbox over a store, and begins to apply what waits in it. */
export const openInbox = async ({
  store,
  webhooks,
  polls = new Map(),
  reports = new Map(),
  limits,
  telemetry,
  log,
}: InboxOptions): Promise<Inbox> => {
  let state = await store.state();
  let committing: Commit[] = [];
  let committingEvents = 0;
  let committingChars = 0;
  let commits: Promise<void> | undefined;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let prunedAt = 0;
  let stateAt = 0;
  let loggedAt = 0;
  // Others with the same store may have more.
  const providers = [...new Set([...webhooks.keys(), ...polls.keys(), ...reports.keys(), NO_PROVIDER])];
  const followers = new Map<Follower, number>();

  const report = (error: unknown): void => {
    telemetry.emit({ type: 'inbox.failure' });
    if (Date.now() - loggedAt < LOG_EVERY_MS) return;
    loggedAt = Date.now();
    log.error(
      { err: error },
      'The inbox of events has failed, and tries again. Deliveries that it cannot store are refused.',
    );
  };

  const isFull = (): boolean => state.waiting + committingEvents >= limits.maxWaiting || state.bytes >= limits.maxBytes;

  /** Commits all that has arrived meanwhile at once: a flush of the disk takes as long for one event as for many. */
  const commitAll = async (): Promise<void> => {
    while (committing.length > 0) {
      const batch = committing;
      committing = [];
      const events = batch.flatMap((one) => one.events);
      let results: readonly boolean[] | InboxProblem;
      try {
        results = await store.insert(events);
        const added = results.filter(Boolean).length;
        state = { ...state, waiting: state.waiting + added, oldestWaitingAt: state.oldestWaitingAt ?? Date.now() };
      } catch (error) {
        report(error);
        results = 'unavailable';
      }
      committingEvents -= events.length;
      committingChars -= charsOf(events);
      let start = 0;
      for (const { events: own, settle } of batch) {
        settle(typeof results === 'string' ? results : results.slice(start, start + own.length));
        start += own.length;
      }
    }
    schedule(GATHER_MS);
  };

  /** Commits what has arrived, unless that is being done. */
  const startCommit = (): void => {
    if (committing.length === 0) return;
    commits ??= commitAll().finally(() => {
      commits = undefined;
      startCommit();
    });
  };

  /** Applies all that waits. Returns whether there was anything. */
  const applyWaiting = async (): Promise<boolean> => {
    for (let didWork = false; ; didWork = true) {
      const { events, parked } = await store.apply({ providers, limit: BATCH }, (event) =>
        decide(event, {
          webhook: webhooks.get(event.provider),
          poll: polls.get(event.provider),
          reports: reports.get(event.provider),
        }),
      );
      for (const { provider, type, position } of parked) {
        telemetry.emit({ type: 'event.parked', provider });
        log.error({ provider, event: type, position }, 'An event cannot be applied and is parked. See npm run events.');
      }
      if (events < BATCH || isClosed) return didWork || events > 0;
      // Requests first: a store in this process never lets go of it.
      await nextTurn();
    }
  };

  const handleEffects = async (follower: Follower): Promise<void> => {
    for (;;) {
      const position = followers.get(follower);
      if (position === undefined) return;
      const effects = await store.effectsAfter(position, BATCH);
      const last = effects.at(-1)?.sequence;
      if (last === undefined) return;
      await follower.handle(effects);
      if (followers.has(follower)) followers.set(follower, last);
      if (follower.consumer !== undefined) await store.writeCursor(follower.consumer, last);
      if (isClosed) return;
      await nextTurn();
    }
  };

  const work = async (): Promise<void> => {
    try {
      const didWork = await applyWaiting();
      const handled = await Promise.allSettled([...followers.keys()].map(handleEffects));
      // Old events are forgotten all the same: a follower that fails must not fill the inbox.
      for (const result of handled) if (result.status === 'rejected') report(result.reason);
      const now = Date.now();
      if (Math.abs(now - prunedAt) > PRUNE_EVERY_MS) {
        // In parts, so that nothing else waits for long.
        if ((await store.prune(now - limits.retentionMs)) === 0) prunedAt = now;
      }
      if (didWork || Math.abs(now - stateAt) > STATE_EVERY_MS) {
        state = await store.state();
        stateAt = now;
      }
    } catch (error) {
      report(error);
    }
  };

  /** Works after a delay, unless it does so sooner already. */
  let dueAt = Number.POSITIVE_INFINITY;
  const schedule = (delayMs: number): void => {
    const at = performance.now() + delayMs;
    if (isClosed || running || at >= dueAt) return;
    clearTimeout(timer);
    dueAt = at;
    timer = setTimeout(() => {
      dueAt = Number.POSITIVE_INFINITY;
      running = work().finally(() => {
        running = undefined;
        // Events committed meanwhile are waiting.
        schedule(state.waiting > 0 ? GATHER_MS : POLL_MS);
      });
    }, delayMs).unref();
  };

  const stopDescribing = telemetry.describe('inbox', () => ({
    waiting: state.waiting,
    parked: state.parked,
    bytes: state.bytes,
    oldestWaitingMs: state.oldestWaitingAt === null ? 0 : Math.max(0, Date.now() - state.oldestWaitingAt),
  }));
  schedule(0);

  const add: Inbox['add'] = async (events) => {
    if (isClosed) return 'unavailable';
    const chars = charsOf(events);
    if (isFull() || committingEvents + events.length > MAX_COMMITTING) return 'full';
    if (committingChars + chars > MAX_COMMITTING_CHARS) return 'full';
    if (events.length === 0) return { events: 0, duplicates: 0 };
    const { promise, resolve } = Promise.withResolvers<readonly boolean[] | InboxProblem>();
    committing.push({ events, settle: resolve });
    committingEvents += events.length;
    committingChars += chars;
    setImmediate(startCommit);
    const results = await promise;
    if (typeof results === 'string') return results;
    return { events: events.length, duplicates: results.filter((isNew) => !isNew).length };
  };

  return {
    receive: async (provider, delivery) => {
      const webhook = webhooks.get(provider);
      return webhook ? add(toNewEvents(provider, webhook, delivery, Date.now())) : 'unavailable';
    },
    add,
    follow: async (follower) => {
      const { consumer } = follower;
      const stored = consumer === undefined ? undefined : await store.readCursor(consumer);
      const position = stored ?? (await store.effectRange()).last;
      // Now, so that a new consumer also gets those effects again that were committed before a crash, but not handled.
      if (consumer !== undefined && stored === undefined) await store.writeCursor(consumer, position);
      followers.set(follower, position);
      schedule(0);
      return () => void followers.delete(follower);
    },
    isFull,
    wake: () => schedule(GATHER_MS),
    close: async () => {
      isClosed = true;
      clearTimeout(timer);
      stopDescribing();
      startCommit();
      await commits;
      await running;
      await store.close();
    },
  };
};
