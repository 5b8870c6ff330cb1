export type ByteBudget<Holder> = {
  /** Counts more bytes for a holder. Beyond the budget it evicts holders, oldest first; that can be this one too. */
  readonly add: (holder: Holder, bytes: number) => void;
  /** Keeps counting the holder's bytes, but evicts it no more. */
  readonly pin: (holder: Holder) => void;
  readonly release: (holder: Holder) => void;
};

/**
 * Bounds the bytes that many peers make the process hold.
 *
 * The holder that is evicted first is the one that came first and is still not done: a peer that sends or reads at an
 * ordinary pace is done long before its turn, one that dawdles is not. `evict` must stop the holder from growing.
 */
export const createByteBudget = <Holder>(maxBytes: number, evict: (holder: Holder) => void): ByteBudget<Holder> => {
  // Both in order of arrival.
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
