/** Tells who has read a value that it was invalidated. Tags are those of readers, after the name of their subgraph. */
export type Invalidations = {
  readonly announce: (subgraph: string, tags: readonly string[]) => void;
  /** Returns a function that ends listening. */
  readonly listen: (listener: (tags: readonly string[]) => void) => () => void;
};

/** Returns a tag as listeners know it. */
export const toReadTag = (subgraph: string, tag: string): string => `${subgraph} ${tag}`;

export const createInvalidations = (): Invalidations => {
  const listeners = new Set<(tags: readonly string[]) => void>();
  return {
    announce: (subgraph, tags) => {
      if (listeners.size === 0) return;
      const all = tags.map((tag) => toReadTag(subgraph, tag));
      for (const listener of listeners) listener(all);
    },
    listen: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
};
