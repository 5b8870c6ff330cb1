import DataLoader from 'dataloader';
import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import type { Reader, ReadResult } from '../../connectors/reads/reader.ts';
import { currentField, noteStale } from './field.ts';

/** Loads by key for one client request: asks once for each key, and keeps the answer as long as the request lives. */
export type Loader<Key, Value> = {
  /** `null` where the provider has nothing. Throws UpstreamError. */
  readonly load: (key: Key) => Promise<Value | null>;
  /** In the keys' order, an Error where one failed. */
  readonly loadMany: (keys: readonly Key[]) => Promise<(Value | null | Error)[]>;
  readonly clearAll: () => void;
};

/**
 * A loader over a reader. `keyOf` gives the reader's key; default: the key itself. What is past its time is noted at the
 * field that it is loaded for.
 */
export const createLoader = <Value, Key = string>(
  reader: Pick<Reader<Value>, 'upstream' | 'load'>,
  call: RequestOptions,
  keyOf: (key: Key) => string = String,
): Loader<Key, Value> => {
  const loader = new DataLoader<string, ReadResult<Value>>((keys) => reader.load(keys, call));
  const load = async (key: Key): Promise<Value | null> => {
    const field = currentField();
    const { value, stale } = await loader.load(keyOf(key));
    if (stale) noteStale(field, { provider: reader.upstream, ...stale });
    return value;
  };
  return {
    load,
    loadMany: async (keys) => {
      const results = await Promise.allSettled(keys.map(load));
      return results.map((result) => (result.status === 'fulfilled' ? result.value : (result.reason as Error)));
    },
    clearAll: () => {
      loader.clearAll();
    },
  };
};

/** Adds to a request's loaders the way to forget what they have loaded, for after a write that has changed it. */
export const withClearAll = <Loaders extends Readonly<Record<string, { clearAll: () => unknown }>>>(
  loaders: Loaders,
) => ({
  ...loaders,
  clearAll: (): void => {
    for (const loader of Object.values(loaders)) loader.clearAll();
  },
});
