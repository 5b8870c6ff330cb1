import { LRUCache } from 'lru-cache';
import { addTo, advance, type Counter, type Counters, type Counts, fits } from './counter.ts';

/** Clients whose counts are kept, about 300 bytes each for each counter. Beyond them, the least recent is forgotten. */
const MAX_CLIENTS = 20_000;

const keyOf = ({ name, periodMs }: Counter): string => `${name}:${periodMs}`;

/** Counts in this process. `now` returns milliseconds since 1970. */
export const createMemoryCounters = (now: () => number): Counters => {
  const clients = new LRUCache<string, Map<string, Counts>>({ max: MAX_CLIENTS });

  const countersOf = (client: string): Map<string, Counts> => {
    const known = clients.get(client) ?? new Map<string, Counts>();
    clients.set(client, known);
    return known;
  };

  return {
    take: async (client, uses) => {
      const time = now();
      const counters = countersOf(client);
      const before = uses.map(({ counter }) => advance(counters.get(keyOf(counter)), time, counter.periodMs));
      const isGranted = uses.every(({ counter, units }, index) =>
        fits({ counter, counts: before[index] as Counts, now: time }, units),
      );
      const usages = uses.map(({ counter, units }, index) => {
        const counts = before[index] as Counts;
        const after = isGranted ? addTo(counts, counts.index, units) : counts;
        counters.set(keyOf(counter), after);
        return { counter, counts: after, now: time };
      });
      return {
        isGranted,
        usages,
        settle: (used) => {
          if (!isGranted) return;
          const current = countersOf(client);
          for (const [index, { counter, units }] of uses.entries()) {
            const counts = advance(current.get(keyOf(counter)), now(), counter.periodMs);
            const taken = (before[index] as Counts).index;
            current.set(keyOf(counter), addTo(counts, taken, (used[index] ?? units) - units));
          }
        },
      };
    },
  };
};
