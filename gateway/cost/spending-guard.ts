import { GraphQLError } from 'graphql';
import type { Client } from '../../runtime/client-usage.ts';
import type { CallEstimate, CallRange, ExceededBudget, Spending, SpendingGuard } from './calls.ts';
import { LIMITS_UNAVAILABLE } from './client-limits.ts';
import { addTo, type Counters, leftOf, MAX_COUNT, type Taken, type Usage, waitFor } from './counters/counter.ts';
import { countersOf } from './plan-counters.ts';
import type { Plan } from './plans.ts';
import { toSeconds } from './rate-limit-headers.ts';

export type SpendingGuardOptions<Context> = {
  readonly counters: Counters;
  /** Returns the client of a request, with its plan. */
  readonly clientOf: (context: Context) => { readonly client: Client; readonly plan: Plan | undefined };
  /** Whether an operation over a budget is refused. Otherwise it is only reported, and does not count. */
  readonly isEnforced: boolean;
  readonly onExceeded: (exceeded: ExceededBudget, context: Context) => void;
  /** Receives the counter of calls after an operation has been settled. */
  readonly onCalls: (usage: Usage, context: Context) => void;
};

const NOTHING: Spending = { allowed: new Map(), settle: () => {} };

const sum = (numbers: Iterable<number>): number => {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
};

/** Creates the guard of the budgets in provider calls. Its `spend` throws BUDGET_EXCEEDED or LIMITS_UNAVAILABLE. */
export const createSpendingGuard = <Context>({
  counters,
  clientOf,
  isEnforced,
  onExceeded,
  onCalls,
}: SpendingGuardOptions<Context>): SpendingGuard<Context> => {
  const refuse = (exceeded: ExceededBudget, context: Context): Spending => {
    onExceeded(exceeded, context);
    if (isEnforced) throw budgetExceeded(exceeded);
    return NOTHING;
  };

  const spend: SpendingGuard<Context>['spend'] = async (estimate, context, { isMutation }) => {
    const { client, plan } = clientOf(context);
    if (!plan || estimate.size === 0) return NOTHING;
    const ofOperation = findOverOperation(estimate, plan);
    if (ofOperation) return refuse(ofOperation, context);
    const expected = roundUp(estimate);
    const usual = withReserve(estimate, plan);
    const reserve = async (calls: ReadonlyMap<string, number>) => {
      const parts = partsOf(plan, calls);
      const uses = parts.map(({ counter, units }) => ({ counter, units }));
      const taken = parts.length > 0 ? await counters.take(client.id, uses, { isReservation: true }) : undefined;
      return { calls, parts, taken };
    };
    let reservation = await reserve(usual);
    const isRefused = () => reservation.taken?.isGranted === false;
    // Near the end of a budget, a mutation gets all that is left, so that it does not end half-way while there are calls.
    if (isRefused() && isMutation) reservation = await reserve(withinLeft(usual, expected, reservation));
    // Any other operation gets what it is expected to need, and leaves the rest to others.
    if (isRefused()) reservation = await reserve(expected);
    const { calls: allowed, parts, taken } = reservation;
    if (parts.length === 0) return isEnforced ? { ...NOTHING, allowed: limitedBy(plan, allowed) } : NOTHING;
    if (!taken) {
      if (isEnforced) throw unavailable();
      return NOTHING;
    }
    const exceeded = taken.isGranted ? undefined : findExceeded(parts, taken.usages, estimate);
    if (exceeded) return refuse(exceeded, context);
    const ofCalls = taken.usages.find(({ counter }) => counter.name === 'calls');
    // The header of a response in parts is sent before its end.
    if (ofCalls) onCalls(ofCalls, context);
    let isSettled = false;
    return {
      // Where budgets are only measured, they stop nothing.
      allowed: isEnforced ? limitedBy(plan, allowed) : NOTHING.allowed,
      settle: (calls) => {
        if (isSettled) return;
        isSettled = true;
        const used = parts.map(({ subgraph }) =>
          toUnits(subgraph === undefined ? sum(calls.values()) : (calls.get(subgraph) ?? 0)),
        );
        taken.settle(used);
        const index = parts.findIndex(({ subgraph }) => subgraph === undefined);
        const [part, usage] = [parts[index], taken.usages[index]];
        if (!part || !usage) return;
        const { counts } = usage;
        onCalls({ ...usage, counts: addTo(counts, counts.index, (used[index] ?? 0) - part.units) }, context);
      },
    };
  };

  const preview: SpendingGuard<Context>['preview'] = async (estimate, context) => {
    const { client, plan } = clientOf(context);
    if (!isEnforced || !plan || estimate.size === 0) return undefined;
    const ofOperation = findOverOperation(estimate, plan);
    if (ofOperation) return ofOperation;
    const parts = partsOf(plan, roundUp(estimate));
    if (parts.length === 0) return undefined;
    // Taking nothing tells what is left.
    const nothing = parts.map(({ counter }) => ({ counter, units: 0 }));
    const taken = await counters.take(client.id, nothing);
    return taken && findExceeded(parts, taken.usages, estimate);
  };

  return { spend, preview };
};

/** Counters have whole units. What a subgraph reports may be anything. */
const toUnits = (calls: number): number => Math.max(0, Math.min(MAX_COUNT, Math.ceil(calls)));

/** How much more than expected is reserved for an operation: as often as many, or so many. */
const RESERVE_FACTOR = 3;
const RESERVE_CALLS = 20;

/** Returns the expected calls of each subgraph as whole numbers. */
const roundUp = (estimate: CallEstimate): ReadonlyMap<string, number> =>
  new Map(
    [...estimate].map(([subgraph, { expected, atMost }]) => [
      subgraph,
      Math.min(toUnits(atMost), toUnits(expected - ROUNDING)),
    ]),
  );

/** Expected calls that are this little above a whole number are that number. */
const ROUNDING = 0.01;

/** Returns the calls to reserve: more than expected, but never more than the operation can make or may make. */
const withReserve = (estimate: CallEstimate, { callsPerOperation }: Plan): ReadonlyMap<string, number> =>
  new Map(
    [...estimate].map(([subgraph, { expected, atMost }]) => [
      subgraph,
      Math.min(
        MAX_COUNT,
        atMost,
        callsPerOperation.get(subgraph) ?? Number.POSITIVE_INFINITY,
        Math.ceil(Math.max(expected * RESERVE_FACTOR, expected + RESERVE_CALLS)),
      ),
    ]),
  );

/** Returns the calls of the subgraphs that a plan limits. */
const limitedBy = (
  { calls, callsPerOperation, callsPerDay }: Plan,
  allowed: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> =>
  calls
    ? allowed
    : new Map([...allowed].filter(([subgraph]) => callsPerOperation.has(subgraph) || callsPerDay.has(subgraph)));

const findOverOperation = (estimate: CallEstimate, { name, callsPerOperation }: Plan): ExceededBudget | undefined => {
  for (const [subgraph, budget] of callsPerOperation) {
    const range = estimate.get(subgraph);
    if (range && Math.ceil(range.expected - ROUNDING) > budget)
      return {
        subgraph,
        ...toEstimate([range]),
        budget,
        left: budget,
        setting: `plans.${name}.callsPerOperation.${subgraph}`,
      };
  }
  return undefined;
};

/** The counters of a plan with the units that an operation can use. Those that it does not use are settled, too. */
const partsOf = (plan: Plan, reserved: ReadonlyMap<string, number>) => {
  const { calls, days } = countersOf(plan);
  const total = toUnits(sum(reserved.values()));
  return [
    ...(calls ? [{ counter: calls, units: total, subgraph: undefined, setting: `plans.${plan.name}.calls` }] : []),
    ...[...days].map(([subgraph, counter]) => ({
      counter,
      units: reserved.get(subgraph) ?? 0,
      subgraph,
      setting: `plans.${plan.name}.callsPerDay.${subgraph}`,
    })),
  ];
};

/** Returns the calls to reserve that the counters have left: at least those that are expected, at most the usual ones. */
const withinLeft = (
  usual: ReadonlyMap<string, number>,
  expected: ReadonlyMap<string, number>,
  { parts, taken }: { readonly parts: ReturnType<typeof partsOf>; readonly taken: Taken | undefined },
): ReadonlyMap<string, number> => {
  const lefts = new Map(parts.map(({ subgraph }, index) => [subgraph, leftOf(taken?.usages[index] as Usage)]));
  const leftTo = (subgraph: string | undefined): number => lefts.get(subgraph) ?? Number.POSITIVE_INFINITY;
  let more = Math.max(0, leftTo(undefined) - sum(expected.values()));
  return new Map(
    [...usual].map(([subgraph, most]) => {
      const least = expected.get(subgraph) ?? 0;
      const calls = Math.max(least, Math.min(most, leftTo(subgraph), least + more));
      more -= calls - least;
      return [subgraph, calls];
    }),
  );
};

/** Returns the exceeded budget that takes longest to have room for the operation. */
const findExceeded = (
  parts: ReturnType<typeof partsOf>,
  usages: readonly Usage[],
  estimate: CallEstimate,
): ExceededBudget | undefined => {
  const waits = parts.map(({ units }, index) => (units > 0 ? waitFor(usages[index] as Usage, units) : 0));
  const longest = Math.max(...waits);
  const index = waits.indexOf(longest);
  const [part, usage] = [parts[index], usages[index]];
  if (longest === 0 || !part || !usage) return undefined;
  const { counter, subgraph, setting } = part;
  return {
    ...(subgraph !== undefined && { subgraph }),
    ...toEstimate(
      [...estimate].flatMap(([name, range]) => (subgraph === undefined || name === subgraph ? [range] : [])),
    ),
    budget: counter.limit,
    left: leftOf(usage),
    setting,
    ...(Number.isFinite(longest) && { retryAfterS: toSeconds(longest) }),
  };
};

/** Sums the calls of an operation for an error or a report. */
const toEstimate = (ranges: readonly CallRange[]): Pick<ExceededBudget, 'estimate' | 'atMost'> => ({
  estimate: Math.ceil(sum(ranges.map(({ expected }) => expected)) - ROUNDING),
  atMost: sum(ranges.map(({ atMost }) => atMost)),
});

const format = (number: number): string => number.toLocaleString('en-US');

/** Says by how much an operation exceeds a budget, and what its client can do. */
export const describeExceeded = ({
  subgraph,
  estimate,
  atMost,
  budget,
  left,
  setting,
  retryAfterS,
}: ExceededBudget): string => {
  const to = subgraph === undefined ? '' : ` to ${subgraph}`;
  const calls = `The operation is expected to make ${format(estimate)} provider calls${to}, at most ${format(atMost)}`;
  const rest = left === budget ? '' : `, of which ${format(left)} ${left === 1 ? 'is' : 'are'} left`;
  const limit = `the budget is ${format(budget)}${rest} (${setting} in PLANS)`;
  const advice =
    retryAfterS === undefined ? 'Request less at once.' : 'Retry the operation after the time in Retry-After.';
  return `${calls}; ${limit}. ${advice}`;
};

const budgetExceeded = (exceeded: ExceededBudget): GraphQLError => {
  const { retryAfterS, ...rest } = exceeded;
  return new GraphQLError(describeExceeded(exceeded), {
    extensions: {
      code: 'BUDGET_EXCEEDED',
      ...rest,
      http:
        retryAfterS === undefined
          ? { status: 400 }
          : { status: 429, headers: new Map([['retry-after', String(retryAfterS)]]) },
    },
  });
};

const unavailable = (): GraphQLError =>
  new GraphQLError(LIMITS_UNAVAILABLE.message, {
    extensions: {
      code: LIMITS_UNAVAILABLE.code,
      http: { status: LIMITS_UNAVAILABLE.status, headers: new Map([['retry-after', '1']]) },
    },
  });
