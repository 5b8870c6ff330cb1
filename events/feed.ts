import { setImmediate as nextTurn } from 'node:timers/promises';
import { raceAbort } from '../runtime/race-abort.ts';
import type { Effect, EffectRange, InboxStore } from './inbox/store.ts';
import type { ChangeMessage } from './webhook.ts';

/** A message and its place in the feed. */
export type FeedEvent<Message = ChangeMessage> = {
  /** Names the store, the effect and its message, e.g. `9f86d081884c7d65-17-0`. Opaque to everybody else. */
  readonly eventId: string;
  readonly message: Message;
  /** When the provider's event arrived, in milliseconds since 1970. */
  readonly receivedAt: number;
  /** The effect that the message is of. */
  readonly effect: PublishedEffect;
};

/** An effect, and when this process had invalidated what it changes, in milliseconds since 1970, if that is known. */
export type PublishedEffect = Effect & { readonly invalidatedAt?: number };

/** A subscription cannot be continued from a place: the events after it are not known any more, or the place is of another store. */
export class EventsExpired extends Error {}

/** Which messages a feed yields, after which place, and until when. */
export type FeedSelection = {
  readonly provider: string;
  readonly topic: string;
  /** The place after which to begin: an event's id, or what `place` has returned. */
  readonly after: string | undefined;
  /** Ends the feed. */
  readonly signal: AbortSignal;
};

/** The messages of all effects, once this process has invalidated what they change. */
export type Feed = {
  /**
   * Returns the events of a topic, in order, each once. Reads from the store what the process does not have in memory any more, so
   * that a slow reader loses none. Throws EventsExpired, also while it is read.
   */
  readonly subscribe: (selection: FeedSelection) => AsyncGenerator<FeedEvent, void>;
  /** Adds effects, in order, after their invalidation. */
  readonly publish: (effects: readonly Effect[]) => void;
  /** Returns the place after the last event. */
  readonly place: () => string;
};

/** Effects in memory, which readers need not read from the store. */
const MAX_RECENT = 2_000;

/** Effects that are read from the store at once. */
const BATCH = 500;

const ID = /^([0-9a-f]+)-(\d{1,16})-(\d{1,4})$/;

/** The index after all messages of an effect. */
const LAST_INDEX = 9_999;

/** A place in a feed: after some of the messages of an effect. */
type Place = { readonly sequence: number; readonly index: number };

/** Creates the feed over a store, from its present end on. */
export const createFeed = (
  store: Pick<InboxStore, 'effectsAfter' | 'effectRange'>,
  { storeId, last }: EffectRange,
): Feed => {
  let recent: readonly PublishedEffect[] = [];
  /** The sequence after which `recent` has all effects, and up to which effects have been published. */
  let recentAfter = last;
  let published = last;
  let changed = Promise.withResolvers<void>();

  /** Returns effects after a sequence. Only those whose changes have been invalidated here. */
  const effectsAfter = async (sequence: number): Promise<readonly PublishedEffect[]> => {
    if (sequence >= recentAfter) return recent.slice(sequence - recentAfter, sequence - recentAfter + BATCH);
    const effects = await store.effectsAfter(sequence, BATCH);
    // Afterwards: they may be forgotten while they are read.
    const { forgotten } = await store.effectRange();
    if (sequence < forgotten) throw new EventsExpired();
    return effects.filter((effect) => effect.sequence <= published);
  };

  const place = (): string => `${storeId}-${published}-${LAST_INDEX}`;

  const parsePlace = (after: string | undefined): Place => {
    const [, id, sequence, index] = ID.exec(after ?? place()) ?? [];
    if (id !== storeId) throw new EventsExpired();
    return { sequence: Number(sequence), index: Number(index) };
  };

  return {
    subscribe: async function* ({ provider, topic, after, signal }) {
      const from = parsePlace(after);
      // Another process may be further. A place that the store has not reached is of a newer copy of it.
      if (from.sequence > published && from.sequence > (await store.effectRange()).last) throw new EventsExpired();
      // The messages of the effect at the place after the one that was sent last.
      let sequence = from.index === LAST_INDEX ? from.sequence : from.sequence - 1;
      while (!signal.aborted) {
        const next = changed.promise;
        const effects = sequence < published ? await effectsAfter(sequence) : [];
        for (const effect of effects) {
          sequence = effect.sequence;
          if (effect.provider !== provider) continue;
          const messages = messagesOf(effect);
          for (const [index, message] of messages.entries()) {
            if (message.topic !== topic || (sequence === from.sequence && index <= from.index)) continue;
            yield { eventId: `${storeId}-${sequence}-${index}`, message, receivedAt: effect.receivedAt, effect };
            if (signal.aborted) return;
          }
        }
        if (effects.length === 0) await raceAbort(next, signal).catch(() => {});
        else await nextTurn();
      }
    },
    publish: (effects) => {
      // After a restart, some are handled again.
      const invalidatedAt = Date.now();
      const added = effects
        .filter(({ sequence }) => sequence > published)
        .map((effect) => ({ ...effect, invalidatedAt }));
      const [first] = added;
      if (!first) return;
      recent = first.sequence === published + 1 ? [...recent, ...added].slice(-MAX_RECENT) : added;
      published = added.at(-1)?.sequence ?? published;
      recentAfter = published - recent.length;
      changed.resolve();
      changed = Promise.withResolvers();
    },
    place,
  };
};

const parsed = new WeakMap<Effect, readonly ChangeMessage[]>();

/** Returns the messages of an effect, which are parsed once for all readers. */
const messagesOf = (effect: Effect): readonly ChangeMessage[] => {
  const messages = parsed.get(effect) ?? (effect.messages === null ? [] : JSON.parse(effect.messages));
  parsed.set(effect, messages);
  return messages;
};
