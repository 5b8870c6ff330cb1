export type ByteBudget<Holder> = {
  /** Adds bytes to a holder. Evicts holders beyond the budget, oldest first, possibly including this one. */
  readonly add: (holder: Holder, bytes: number) => void;
  /** Exempts a holder from eviction. Its bytes still count. */
  readonly pin: (holder: Holder) => void;
  readonly release: (holder: Holder) => void;
};

/**
 * Creates a budget for the bytes that many peers make the process hold.
 *
 * The oldest unfinished holder is evicted first: peers with an ordinary transfer rate finish long before they are the oldest,
 * slow ones do not. `evict` must stop the holder from growing.
 */
export const createByteBudget = <Holder>(maxBytes: number, evict: (holder: Holder) => void): ByteBudget<Holder> => {
  // Both maps are in order of arrival.
  const evictable = new Map<Holder, number>();
  const pinned = new Map<Holder, number>();
  let total = 0;

  const release = (holder: Holder): void => {
    total -= (evictable.get(holder) ?? 0) + (pinned.get(holder) ?? 0);
    evictable.delete(holder);
    pinned.delete(holder);
  };

  return {
    add: (holder, bytes) => {
      evictable.set(holder, (evictable.get(holder) ?? 0) + bytes);
      total += bytes;
      while (total > maxBytes) {
        const [oldest] = evictable.keys();
        if (oldest === undefined) return;
        release(oldest);
        evict(oldest);
      }
    },
    pin: (holder) => {
      const bytes = evictable.get(holder);
      if (bytes === undefined) return;
      evictable.delete(holder);
      pinned.set(holder, bytes);
    },
    release,
  };
};
