import type { Counter } from './counters/counter.ts';
import type { Plan, RateLimit } from './plans.ts';

/** The counters of a plan. Those that it does not limit are missing. */
export type PlanCounters = {
  /** Requests. */
  readonly requests: Counter | undefined;
  /** Provider calls at all subgraphs. */
  readonly calls: Counter | undefined;
  /** Provider calls in a day of UTC, by subgraph. */
  readonly days: ReadonlyMap<string, Counter>;
};

const DAY_MS = 86_400_000;

const countersOfPlans = new WeakMap<Plan, PlanCounters>();

const createCounter = (counter: Omit<Counter, 'key'>): Counter => ({
  ...counter,
  key: `${counter.name}:${counter.periodMs}`,
});

const slidingCounter = (name: string, { limit, seconds }: RateLimit): Counter =>
  createCounter({ name, periodMs: seconds * 1_000, isSliding: true, limit });

/** Returns the counters of a plan: for one plan, always the same objects. */
export const countersOf = (plan: Plan): PlanCounters => {
  const known = countersOfPlans.get(plan);
  if (known) return known;
  const { requests, calls, callsPerDay } = plan;
  const counters: PlanCounters = {
    requests: requests && slidingCounter('requests', requests),
    calls: calls && slidingCounter('calls', calls),
    days: new Map(
      [...callsPerDay].map(([subgraph, limit]) => [
        subgraph,
        createCounter({ name: `day.${subgraph}`, periodMs: DAY_MS, isSliding: false, limit }),
      ]),
    ),
  };
  countersOfPlans.set(plan, counters);
  return counters;
};
