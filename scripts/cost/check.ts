import { isDeepStrictEqual } from 'node:util';
import { type AllCosts, COSTS_FILE, type OperationCosts } from './operation-costs.ts';

/** Differences between committed and current costs, one line each. */
export type CostChanges = {
  /** Operations whose worst case is larger at a subgraph. */
  readonly grown: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Operations whose worst case is only smaller. */
  readonly shrunk: readonly string[];
  /** Operations with other expected calls or variables. */
  readonly changed: readonly string[];
};

type Calls = OperationCosts['atMost'];

/** Compares the committed costs of operations with the current ones. */
export const compareCosts = (committed: AllCosts, current: AllCosts): CostChanges => {
  const changes = { grown: [], added: [], removed: [], shrunk: [], changed: [] } as Record<keyof CostChanges, string[]>;
  for (const [key, costs] of current) {
    const before = committed.get(key);
    if (!before) changes.added.push(`${key}: at most ${formatCalls(costs.atMost)}`);
    else if (!isDeepStrictEqual(costs, before)) {
      const atMost = describeChanges(before.atMost, costs.atMost);
      const isGrown = Object.entries(costs.atMost).some(([name, calls]) => calls > (before.atMost[name] ?? 0));
      if (isGrown) changes.grown.push(`${key}: ${atMost}`);
      else if (atMost) changes.shrunk.push(`${key}: ${atMost}`);
      else changes.changed.push(`${key}: ${describeChanges(before.expected, costs.expected) || 'other variables'}`);
    }
  }
  for (const key of committed.keys()) if (!current.has(key)) changes.removed.push(key);
  return changes;
};

const formatCalls = (calls: Calls): string =>
  Object.entries(calls)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ') || 'no calls';

/** Formats the subgraphs whose calls differ: `crm 120 instead of 100 (+20)`. */
const describeChanges = (before: Calls, after: Calls): string =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .sort()
    .flatMap((name) => {
      const [from, to] = [before[name] ?? 0, after[name] ?? 0];
      const difference = Math.round((to - from) * 100) / 100;
      return from === to ? [] : [`${name} ${to} instead of ${from} (${to > from ? '+' : ''}${difference})`];
    })
    .join(', ');

const TITLES: Readonly<Record<keyof CostChanges, string>> = {
  grown: `More provider calls at most than ${COSTS_FILE} allows:`,
  added: `Not in ${COSTS_FILE}:`,
  removed: `In ${COSTS_FILE}, but no operation of an app any more:`,
  shrunk: `Fewer provider calls at most than ${COSTS_FILE} says:`,
  changed: `Other expected calls or variables than in ${COSTS_FILE}:`,
};

/** Formats the differences. Empty if there are none. */
export const formatChanges = (changes: CostChanges): string =>
  (Object.keys(TITLES) as (keyof CostChanges)[])
    .flatMap((kind) => (changes[kind].length > 0 ? [TITLES[kind], ...changes[kind].map((line) => `  ${line}`)] : []))
    .join('\n');
