/** What is compared of a value. Plain data; null if the provider does not have the key, an Error if it could not be read alone. */
export type Content = unknown;

/** Hears of the values that anybody reads, and of writes. */
export type ValueListener = {
  readonly onRead: (contents: ReadonlyMap<string, Content>) => void;
  /** A write may have changed the values of these keys. */
  readonly onWrite: (keys: readonly string[]) => void;
};

/** The values of a provider that a poller compares. */
export type PolledValues = {
  /** Identifies the account at the provider, whichever of its secrets is used. */
  readonly account: string;
  /** Maximum number of keys in one request. */
  readonly batchSize: number;
  /** Reads values in one request for which no client waits. Throws if the provider fails. */
  readonly fetch: (keys: readonly string[], signal: AbortSignal) => Promise<ReadonlyMap<string, Content>>;
  /** Reads a page of the list of all keys, `null` for the first. Undefined if the provider has no such list. */
  readonly list: ((page: string | null, signal: AbortSignal) => Promise<KeyPage>) | undefined;
  /** Adds a listener. Returns a function that removes it. */
  readonly listen: (listener: ValueListener) => () => void;
};

/** A page of a list of keys. `next` is null after the last one. */
export type KeyPage = { readonly keys: readonly string[]; readonly next: string | null };
