import type { KeyPage } from '../events/poller/polled-values.ts';
import type { ChangeMessage } from '../events/webhook.ts';
import type { RequestOptions } from './middleware/chain.ts';
import type { Changes, Read, Reads } from './reads/read.ts';

/** Finds changes by comparing the values of one read, by key, and reports them. */
type PollOf<Api, Name, Value, AllChanges, Message extends ChangeMessage> = {
  /** The read whose values are compared. Its keys are its scopes. */
  readonly read: Name;
  /** Returns what is compared of a value, as plain data. A change of anything else is no change. */
  readonly content: (value: Value) => unknown;
  /** Returns the changed object of a key, e.g. `product A-1`. */
  readonly object: (key: string) => string;
  /** Returns what a change of the key's value invalidates. */
  readonly changes: (key: string) => AllChanges;
  /** Returns what subscribers are told of a change of the key's value. */
  readonly messages: (key: string) => readonly Message[];
  /**
   * Reads a page of the list of all keys in one request, `null` for the first, for subscribers to all changes. Optional: without it
   * they get those of the keys that somebody has read.
   */
  readonly list?: (api: Api, page: string | null, options: RequestOptions) => Promise<KeyPage>;
};

/**
 * Finds changes of a provider that does not report them, by comparing the values of one read with those that were read before. Turned
 * on by the variable `<PREFIX>_POLL_S`. `Message` is what the subscriptions of the domain understand.
 */
export type Poll<Api, Definitions extends Reads, Message extends ChangeMessage = ChangeMessage> = {
  readonly [Name in keyof Definitions & string]: Definitions[Name] extends Read<
    string,
    infer Value,
    infer _Scope,
    infer _Policy
  >
    ? PollOf<Api, Name, Value, Changes<Definitions>, Message>
    : never;
}[keyof Definitions & string];
