import { LRUCache } from 'lru-cache';
import type { PlanCacheState } from '../../telemetry/state.ts';

export type ProgramCacheOptions = {
  readonly maxEntries: number;
  /** Approximate maximum size of all entries, in bytes. */
  readonly maxBytes: number;
};

/** An LRU cache of compiled operations. Concurrent requests for the same operation share one compilation. */
export type ProgramCache<Entry> = {
  readonly get: (key: string) => Entry | undefined;
  readonly getOrCompile: (key: string, compile: () => Promise<Entry>) => Entry | Promise<Entry>;
  /** Returns the entries, most recently used first. */
  readonly entries: () => Iterable<Entry>;
  readonly state: () => PlanCacheState;
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
      const entry = cached.get(key) ?? compiling.get(key);
      if (entry) return entry;
      const pending = compile();
      compiling.set(key, pending);
      const done = (): void => void compiling.delete(key);
      pending.then((compiled) => {
        cached.set(key, compiled);
        done();
      }, done);
      return pending;
    },
    entries: () => cached.values(),
    state: () => ({ entries: cached.size, bytes: cached.calculatedSize }),
  };
};
