import DataLoader from 'dataloader';
import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import type { Reader, ReadResult } from '../../connectors/reads/reader.ts';
import { currentField, noteStale } from './field.ts';

/** Loads values by key for one client request, memoized until the request ends. */
export type Loader<Key, Value> = {
  /** Returns the value; `null` if the provider has none. Throws UpstreamError. */
  readonly load: (key: Key) => Promise<Value | null>;
  /** Returns the values in the keys' order; an Error for a key that failed. */
  readonly loadMany: (keys: readonly Key[]) => Promise<(Value | null | Error)[]>;
  /** Drops all memoized values, after a write. */
  readonly clearAll: () => void;
};

/** Creates a loader over a reader. Stale values are recorded at the field that they are loaded for. */
export const createLoader = <Key, Value>(reader: Reader<Key, Value>, options: RequestOptions): Loader<Key, Value> => {
  const loader = new DataLoader<Key, ReadResult<Value>, string>((keys) => reader.load(keys, options), {
    cacheKeyFn: reader.idOf,
  });
  const load = async (key: Key): Promise<Value | null> => {
    const field = currentField();
    const { value, stale } = await loader.load(key);
    if (stale) noteStale(field, { subgraph: reader.subgraph, ...stale });
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

/** The loaders of a client request, by the names of the readers. */
export type LoadersOf<Readers> = {
  readonly [Name in keyof Readers]: Readers[Name] extends Reader<infer Key, infer Value> ? Loader<Key, Value> : never;
};

/** Creates a loader for each reader. */
export const createLoaders = <Readers extends object>(readers: Readers, options: RequestOptions): LoadersOf<Readers> =>
  Object.fromEntries(
    Object.entries(readers).map(([name, reader]) => [name, createLoader(reader, options)]),
  ) as LoadersOf<Readers>;
