/*
 * The durable inbox, as a store keeps it. An event is stored once, whatever number of deliveries it arrives in, and waits. It is then
 * either applied, which gives it a place in the sequence of effects, or parked with the reason why it cannot be.
 */

/** An event to store. */
export type NewEvent = {
  readonly provider: string;
  /** The provider's id. */
  readonly id: string;
  /** A digest of the event's content, which is known under one id only. */
  readonly digest: string;
  readonly type: string;
  readonly object: string | null;
  /** The provider's time of the change in milliseconds since 1970, or the object's version. */
  readonly version: number | null;
  /** Wall clock time in milliseconds since 1970. */
  readonly receivedAt: number;
  /** JSON. Removed when the event is applied. */
  readonly payload: string;
};

/** A stored event. `position` identifies it, in the order of arrival. */
export type StoredEvent = NewEvent & { readonly position: number };

/** The age of an effect among those of its object: the newest, older than an earlier one, or unknown. Unless newest, read again. */
export type EffectOrder = 'newest' | 'older' | 'unknown';

/** An applied event. */
export type Effect = Pick<
  StoredEvent,
  'provider' | 'id' | 'type' | 'object' | 'version' | 'receivedAt' | 'position'
> & {
  /** Its place among all effects, from 1. Increases in the order in which they are committed, and is never used twice. */
  readonly sequence: number;
  readonly order: EffectOrder;
  /** The invalidated reads, by the provider's definition. JSON. */
  readonly changes: string;
  /** The messages for subscribers. JSON. Null if there are none. */
  readonly messages: string | null;
};

/** The outcome of an event: its changes and messages as JSON, or why it is parked. */
export type Decision = Pick<Effect, 'changes' | 'messages'> | { readonly problem: string };

/** The effects that a store has. */
export type EffectRange = {
  /** Identifies the store. A new one counts from 1 again. */
  readonly storeId: string;
  /** The place of the last effect; 0 if there was none yet. */
  readonly last: number;
  /** The place of the last effect that has been forgotten; 0 if all are known. Earlier ones may be known. */
  readonly forgotten: number;
};

export type ListedEvent = Pick<StoredEvent, 'position' | 'provider' | 'id' | 'type' | 'object' | 'receivedAt'> & {
  readonly state: EventState;
  readonly problem: string | null;
};

export const EVENT_STATES = ['waiting', 'parked', 'applied'] as const;
export type EventState = (typeof EVENT_STATES)[number];

export type InboxState = {
  readonly waiting: number;
  readonly parked: number;
  /** Arrival of the oldest waiting event, in milliseconds since 1970. */
  readonly oldestWaitingAt: number | null;
  /** Approximate size of the stored events. */
  readonly bytes: number;
};

/** A store of events, which several processes may share. Every function throws if the store cannot be reached or written. */
export type InboxStore = {
  /** Stores events durably. Returns for each whether it is new. */
  readonly insert: (events: readonly NewEvent[]) => Promise<readonly boolean[]>;
  /**
   * Decides on up to `limit` waiting events of these providers, those of an object from the oldest to the newest, and commits all
   * decisions at once. Processes take turns, so that an event is decided once. Returns the number of events, and those that were
   * parked.
   */
  readonly apply: (
    options: { readonly providers: readonly string[]; readonly limit: number },
    decide: (event: StoredEvent) => Decision,
  ) => Promise<{ readonly events: number; readonly parked: readonly StoredEvent[] }>;
  /** Returns the effects after a place in their sequence, in order. */
  readonly effectsAfter: (sequence: number, limit: number) => Promise<readonly Effect[]>;
  readonly effectRange: () => Promise<EffectRange>;
  /** Returns the place up to which a consumer has read; undefined for one that has stored none. */
  readonly readCursor: (consumer: string) => Promise<number | undefined>;
  /** Stores the place up to which a consumer has read. A lower one than before is ignored. */
  readonly writeCursor: (consumer: string, sequence: number) => Promise<void>;
  /** Takes or renews a right that only one process has, for a time in milliseconds. Returns false while another holder has it. */
  readonly lease: (name: string, holder: string, ttlMs: number) => Promise<boolean>;
  /** Gives up a right, if this holder has it. */
  readonly release: (name: string, holder: string) => Promise<void>;
  readonly list: (filter: {
    readonly states: readonly EventState[];
    readonly limit: number;
  }) => Promise<readonly ListedEvent[]>;
  /** Makes parked events wait again: these, or all. Returns their number. */
  readonly replay: (positions: readonly number[] | 'all') => Promise<number>;
  /** Forgets some of the applied and parked events that arrived before a time. Returns their number; 0 if there are no more. */
  readonly prune: (before: number) => Promise<number>;
  readonly state: () => Promise<InboxState>;
  readonly close: () => Promise<void>;
};

/** Orders events so that those of one object are in the order of their changes; of equal ones, as they arrived. */
export const byVersion = (one: StoredEvent, other: StoredEvent): number =>
  (one.version ?? one.receivedAt) - (other.version ?? other.receivedAt) || one.position - other.position;

/** Compares an event with the newest version that is known of its object. */
export const orderOf = (version: number | null, newest: number | undefined): EffectOrder => {
  // Providers' times have a resolution of up to a second.
  if (version === null || version === newest) return 'unknown';
  return newest === undefined || version > newest ? 'newest' : 'older';
};
