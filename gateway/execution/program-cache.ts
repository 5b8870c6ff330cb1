import { LRUCache } from 'lru-cache';

export type ProgramCacheOptions = {
  readonly maxEntries: number;
  /** About how much memory the entries may take, in bytes. */
  readonly maxBytes: number;
};

/** Caches what is compiled of operations. What several requests ask for at once is compiled once. */
export type ProgramCache<Entry> = {
  readonly get: (key: string) => Entry | undefined;
  readonly getOrCompile: (key: string, compile: () => Promise<Entry>) => Entry | Promise<Entry>;
  /** The entries, the one that was asked for last first. */
  readonly entries: () => Iterable<Entry>;
};

export const createProgramCache = <Entry extends { readonly bytes: number }>({
  maxEntries,
  maxBytes,
}: ProgramCacheOptions): ProgramCache<Entry> => {
  const cached = new LRUCache<string, Entry>({
    max: maxEntries,
    maxSize: maxBytes,
    sizeCalculation: ({ bytes }) => bytes,
  });
  const compiling = new Map<string, Promise<Entry>>();
  return {
    get: (key) => cached.get(key),
    getOrCompile: (key, compile) => {
      const known = cached.get(key) ?? compiling.get(key);
      if (known) return known;
      const entry = compile();
      compiling.set(key, entry);
      const done = (): void => void compiling.delete(key);
      entry.then((compiled) => {
        cached.set(key, compiled);
        done();
      }, done);
      return entry;
    },
    entries: () => cached.values(),
  };
};
