import { LRUCache } from 'lru-cache';
import { addTo, advance, type Counters, type Counts, fits } from './counter.ts';

/** Clients whose counts are kept, about 300 bytes each for each counter. Beyond them, the least recent is forgotten. */
const MAX_CLIENTS = 20_000;

/** Counts in this process. `now` returns milliseconds since 1970. */
export const createMemoryCounters = (now: () => number): Counters => {
  const clients = new LRUCache<string, Map<string, Counts>>({ max: MAX_CLIENTS });

  const countersOf = (client: string): Map<string, Counts> => {
    const known = clients.get(client);
    if (known) return known;
    const counters = new Map<string, Counts>();
    clients.set(client, counters);
    return counters;
  };

  return {
    take: async (client, uses) => {
      const time = now();
      const counters = countersOf(client);
      const before = uses.map(({ counter }) => advance(counters.get(counter.key), time, counter.periodMs));
      const isGranted = uses.every(({ counter, units }, index) =>
        fits({ counter, counts: before[index] as Counts, now: time }, units),
      );
      const usages = uses.map(({ counter, units }, index) => {
        const counts = before[index] as Counts;
        const after = isGranted ? addTo(counts, counts.index, units) : counts;
        counters.set(counter.key, after);
        return { counter, counts: after, now: time };
      });
      return {
        isGranted,
        usages,
        settle: (used) => {
          if (!isGranted) return;
          const current = countersOf(client);
          for (const [index, { counter, units }] of uses.entries()) {
            const more = (used[index] ?? units) - units;
            if (more === 0) continue;
            const counts = advance(current.get(counter.key), now(), counter.periodMs);
            current.set(counter.key, addTo(counts, (before[index] as Counts).index, more));
          }
        },
      };
    },
  };
};
