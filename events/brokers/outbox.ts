import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Log } from '../../runtime/log.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { AnyDomainEvents } from '../domain-events.ts';
import type { Inbox } from '../inbox/inbox.ts';
import type { Effect, InboxStore } from '../inbox/store.ts';
import type { Broker } from './broker.ts';
import { toCloudEvents } from './cloud-event.ts';

/*
 * Publishes the effects of the inbox to a broker. The inbox is the outbox: effects stay in it, and the place of the last one that the
 * broker has taken is stored. While the broker is down, they wait there and nowhere else.
 */

/** The name of the place in the sequence of effects, and of the right to publish. */
const PUBLISHER = 'broker';

/** Time for which the right to publish lasts, in milliseconds. It is renewed three times as often. */
const LEASE_MS = 15_000;
const RENEW_MS = 5_000;

/** Interval at which effects and the right to publish are looked for, in milliseconds. */
const POLL_MS = 1_000;

/** Effects that are published at once. */
const BATCH = 500;

const LOG_EVERY_MS = 60_000;

export type OutboxOptions = {
  readonly store: Pick<InboxStore, 'effectsAfter' | 'effectRange' | 'readCursor' | 'writeCursor' | 'lease' | 'release'>;
  readonly inbox: Pick<Inbox, 'follow'>;
  readonly broker: Pick<Broker, 'publish' | 'status'>;
  readonly events: AnyDomainEvents;
  readonly telemetry: Telemetry;
  readonly log: Log;
};

export type Outbox = {
  /** Returns the number of effects that the broker has not taken yet, as far as this process knows. */
  readonly waiting: () => number;
  /** Waits for what is being published, and lets another process go on. */
  readonly close: () => Promise<void>;
};

/**
 * Starts to publish. Of several processes with one store, one does, and another takes over within seconds if it ends. The first time,
 * publishing begins with what happens from now on.
 */
export const startOutbox = async ({ store, inbox, broker, events, telemetry, log }: OutboxOptions): Promise<Outbox> => {
  const holder = randomUUID();
  const closing = new AbortController();
  const { storeId, last: end } = await store.effectRange();
  let last = end;
  let cursor = (await store.readCursor(PUBLISHER)) ?? end;
  await store.writeCursor(PUBLISHER, cursor);
  let loggedAt = Number.NEGATIVE_INFINITY;

  let wake = Promise.withResolvers<void>();
  const unfollow = await inbox.follow({
    // Publishing takes as long as the broker does, and nothing else may wait for it.
    handle: async (effects) => {
      last = effects.at(-1)?.sequence ?? last;
      wake.resolve();
    },
  });

  const report = (error: unknown): void => {
    telemetry.emit({ type: 'broker.failure', direction: 'out' });
    if (performance.now() - loggedAt < LOG_EVERY_MS) return;
    loggedAt = performance.now();
    log.error({ err: error }, 'Events cannot be published to the message broker, and wait in the inbox.');
  };

  /** Waits for new effects, for some time. */
  const rest = async (): Promise<void> => {
    const timer = new AbortController();
    await Promise.race([wake.promise, pause(POLL_MS, undefined, { signal: timer.signal, ref: false }).catch(() => {})]);
    timer.abort();
    wake = Promise.withResolvers();
  };

  const noteForgotten = (effects: readonly Effect[]): void => {
    // Effects are numbered without gaps.
    const forgotten = (effects[0]?.sequence ?? cursor + 1) - cursor - 1;
    if (forgotten <= 0) return;
    telemetry.emit({ type: 'broker.lost', events: forgotten });
    log.error(
      { events: forgotten },
      'Events were forgotten (EVENTS_RETENTION_HOURS) before the message broker has taken them.',
    );
  };

  /** Publishes what waits, until `mayPublish` says no. */
  const publishAll = async (mayPublish: () => boolean): Promise<void> => {
    while (mayPublish()) {
      const effects = await store.effectsAfter(cursor, BATCH);
      const next = effects.at(-1)?.sequence;
      if (next === undefined) {
        await rest();
        continue;
      }
      noteForgotten(effects);
      const messages = effects.flatMap((effect) => toCloudEvents(effect, { storeId, events }));
      // Again, as reading may have taken long.
      if (!mayPublish()) return;
      if (messages.length > 0) await broker.publish(messages);
      cursor = next;
      last = Math.max(last, cursor);
      const now = Date.now();
      telemetry.emit({
        type: 'broker.published',
        messages: messages.length,
        lagsMs: effects.flatMap(({ messages, receivedAt }) =>
          messages === null ? [] : [Math.max(0, now - receivedAt)],
        ),
      });
      await store.writeCursor(PUBLISHER, cursor);
    }
  };

  /** Publishes while this process has the right to. */
  const holdLease = async (): Promise<void> => {
    const take = async (): Promise<number> => {
      const before = performance.now();
      return (await store.lease(PUBLISHER, holder, LEASE_MS)) ? before + LEASE_MS : 0;
    };
    // Without a broker, another process may have one.
    let leasedUntil = broker.status() === 'up' ? await take() : 0;
    cursor = Math.max(cursor, (await store.readCursor(PUBLISHER)) ?? 0);
    if (leasedUntil === 0) return;
    const renewal = setInterval(() => {
      take().then(
        (until) => {
          leasedUntil = until;
        },
        () => {},
      );
    }, RENEW_MS).unref();
    try {
      await publishAll(() => !closing.signal.aborted && broker.status() === 'up' && performance.now() < leasedUntil);
    } finally {
      clearInterval(renewal);
      await store.release(PUBLISHER, holder);
    }
  };

  const run = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      try {
        await holdLease();
      } catch (error) {
        report(error);
      }
      if (!closing.signal.aborted) {
        await pause(POLL_MS, undefined, { signal: closing.signal, ref: false }).catch(() => {});
      }
    }
  };
  const running = run();

  return {
    waiting: () => Math.max(0, last - cursor),
    close: async () => {
      closing.abort();
      unfollow();
      wake.resolve();
      await running;
    },
  };
};
