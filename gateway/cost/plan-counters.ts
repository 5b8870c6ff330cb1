import type { Counter } from './counters/counter.ts';
import type { Plan, RateLimit } from './plans.ts';

/* The counters of a plan. */

const DAY_MS = 86_400_000;

const slidingCounter = (name: string, { limit, seconds }: RateLimit): Counter => ({
  name,
  periodMs: seconds * 1_000,
  isSliding: true,
  limit,
});

/** Returns the counter of requests. */
export const requestCounterOf = ({ requests }: Plan): Counter | undefined =>
  requests && slidingCounter('requests', requests);

/** Returns the counter of provider calls at all subgraphs. */
export const callCounterOf = ({ calls }: Plan): Counter | undefined => calls && slidingCounter('calls', calls);

/** Returns the counters of provider calls in a day of UTC, by subgraph. */
export const dayCountersOf = ({ callsPerDay }: Plan): ReadonlyMap<string, Counter> =>
  new Map(
    [...callsPerDay].map(([subgraph, limit]) => [
      subgraph,
      { name: `day.${subgraph}`, periodMs: DAY_MS, isSliding: false, limit },
    ]),
  );
