import type { InboxStore, NewEvent } from '../inbox/store.ts';

/*
 * The values that a provider without webhooks is known to have, as digests. Whoever reads a value compares it with the known one: a
 * difference becomes an event, in the transaction that stores the new value. So a value that was read but not stored before a crash
 * is compared again, and of two processes that see the same change only one reports it.
 */

/** The value that a write may have changed: every digest differs from it. */
export const WRITTEN = '';

/** The digest of a key that the provider does not have, or not any more. */
export const MISSING = '-';

/** The value of a key that the provider has never had. */
const INVENTED = '?';

/** A value that was read from the provider, or interest in a key. */
export type Observation = {
  readonly key: string;
  /** A digest of the value. Undefined if it was not read. */
  readonly digest?: string | undefined;
  /** A write may have changed the value: whatever is read next is a change. */
  readonly isWritten?: boolean | undefined;
  /** Watches the key from now on. Otherwise a key that is not watched is ignored. */
  readonly isWanted?: boolean | undefined;
  /** The provider could not be asked for this key alone. It is not due again at once. */
  readonly isFailed?: boolean | undefined;
};

/** A watched key. Times are in milliseconds since 1970, by the clock of the store. */
export type WatchedKey = {
  /** The digest of the known value. Null if none was read yet. */
  readonly value: string | null;
  /** When the value was last read; 0 if it is to be read next. */
  readonly comparedAt: number;
  readonly wantedUntil: number;
};

/** Creates the event of a changed key. The revision is unique among the events of a poller, and increases. */
export type ToEvent = (key: string, revision: number) => NewEvent;

export type CompareOptions = {
  /** Time for which wanted keys are watched, in milliseconds. */
  readonly wantedMs: number;
  /** Maximum number of watched keys. */
  readonly maxWatched: number;
  /** Ignores the observations unless this holder has the lease: another may have polled later values meanwhile. Default: anybody's. */
  readonly holder?: string | undefined;
  readonly toEvent: ToEvent;
};

/** The watched keys of a poller: their number, and when the least recently read one was read. */
export type WatchState = { readonly watched: number; readonly oldestAt: number | null; readonly now: number };

/** The part of the inbox's store for pollers, which are known by name. Every function throws as those of the inbox do. */
export type PollStore = {
  /** Takes or renews the right to poll, for a time in milliseconds. Returns false while another holder has it. */
  readonly lease: (poller: string, holder: string, ttlMs: number) => Promise<boolean>;
  readonly release: (poller: string, holder: string) => Promise<void>;
  /** Compares observations with what is known, and stores the new values and the events of changes at once. Returns their number. */
  readonly compare: (poller: string, observations: readonly Observation[], options: CompareOptions) => Promise<number>;
  /**
   * Returns watched keys that were not read for this time, in milliseconds; the least recently read ones first. A tenth of them, or
   * what the others leave, are keys that were never read.
   */
  readonly due: (poller: string, options: { readonly ageMs: number; readonly limit: number }) => Promise<string[]>;
  /** Ends watching keys that nobody has wanted for long. */
  readonly forget: (poller: string) => Promise<void>;
  readonly watchState: (poller: string) => Promise<WatchState>;
  /** Makes the poller list all keys of the provider for a time, in milliseconds. */
  readonly wantAll: (poller: string, wantedMs: number) => Promise<void>;
  /**
   * Returns the page of the list to read next, `null` for the first. Undefined if the list is not wanted, or was read to its end less
   * than this time ago.
   */
  readonly nextPage: (poller: string, everyMs: number) => Promise<string | null | undefined>;
  /** Stores the page to read next; null after the last one. */
  readonly turnPage: (poller: string, page: string | null) => Promise<void>;
};

/** A store of events, with what pollers keep in it. */
export type EventStore = InboxStore & { readonly polls: PollStore };

/** The name of the lease that says which process polls. */
export const leaseOf = (poller: string): string => `poller ${poller}`;

/** Chooses from the keys that are due: of those that were never read, a tenth, or what the others leave. */
export const shareDue = (known: readonly string[], unread: readonly string[], limit: number): string[] => {
  const reserved = Math.min(unread.length, Math.ceil(limit / 10));
  const first = known.slice(0, limit - reserved);
  return [...first, ...unread.slice(0, limit - first.length)];
};

/** Returns a watched key after an observation, and whether its value has changed. Undefined if it is not watched. */
export const observe = (
  known: WatchedKey | undefined,
  { digest, isWritten, isWanted, isFailed }: Observation,
  { now, wantedMs }: { readonly now: number; readonly wantedMs: number },
): (WatchedKey & { readonly isChanged: boolean }) | undefined => {
  if (!known && !isWanted) return undefined;
  const before = isWritten ? WRITTEN : (known?.value ?? null);
  if (digest === MISSING && (before === null || before === INVENTED)) {
    // Forgotten soon, because clients can subscribe to keys that they invent.
    return { value: INVENTED, comparedAt: now, wantedUntil: now, isChanged: false };
  }
  const wantedUntil = isWanted ? now + wantedMs : (known?.wantedUntil ?? 0);
  if (digest !== undefined) {
    return { value: digest, comparedAt: now, wantedUntil, isChanged: before !== null && before !== digest };
  }
  const comparedAt = isFailed ? now : isWritten ? 0 : (known?.comparedAt ?? 0);
  return { value: before, comparedAt, wantedUntil, isChanged: false };
};
