import type { CallAllowance } from '../../telemetry/call-stats.ts';

/** The name under which requests to an external subgraph are counted. */
export const SUBGRAPH_REQUEST = '(subgraph request)';

/** Provider calls of an operation at one subgraph. */
export type CallRange = { readonly atLeast: number; readonly expected: number; readonly atMost: number };

/** Provider calls of an operation, by subgraph. */
export type CallEstimate = ReadonlyMap<string, CallRange>;

/** The calls of one provider operation. */
export type OperationCalls = CallRange & {
  readonly subgraph: string;
  readonly operation: string;
  /** Expected keys, each an object or a list. */
  readonly keys: number;
  /** Expected calls if nothing were cached. */
  readonly expectedUncached: number;
};

/** The cost of an operation with given variables. */
export type OperationCost = {
  readonly operations: readonly OperationCalls[];
  readonly bySubgraph: CallEstimate;
  /** The maximum number of calls to each provider for the whole operation, and how many of them may be repeats. */
  readonly allowances: ReadonlyMap<string, CallAllowance>;
  /** The same for one subgraph request, by its document. Meaningless for a subgraph without `allowances`. */
  readonly allowanceOf: (document: object) => CallAllowance;
  /** Returns the cost with other expectations. */
  readonly withExpected: (operations: readonly OperationCalls[]) => OperationCost;
};

/** Measurements of earlier requests. */
export type Measurements = {
  /** Mean number of objects that a field returns, by coordinate. Undefined if it was not measured yet. */
  readonly fanOutOf: (coordinate: string) => number | undefined;
  /** Share of the keys that a provider operation did not have to be called for, from 0 to 1. */
  readonly hitRateOf: (subgraph: string, operation: string) => number;
};

/** A budget that an operation exceeds. */
export type ExceededBudget = {
  /** Undefined for the calls at all subgraphs together. */
  readonly subgraph?: string;
  /** Expected calls of the operation. */
  readonly estimate: number;
  /** Most calls that the operation can make. */
  readonly atMost: number;
  readonly budget: number;
  /** Calls left in the budget. */
  readonly left: number;
  /** The field of the file of plans that sets the budget. */
  readonly setting: string;
  /** Time after which the operation fits if the client makes no other calls, in seconds. Undefined if it never fits. */
  readonly retryAfterS?: number;
};

/** Decides whether operations may spend what they cost. */
export type SpendingGuard<Context> = {
  /** Reserves an operation's calls. Called once, after planning and before anything is fetched. */
  readonly spend: (
    estimate: CallEstimate,
    context: Context,
    options: { readonly isMutation: boolean },
  ) => Promise<Spending>;
  /** Returns the budget for which an operation would be refused now. Takes nothing from it. */
  readonly preview: (estimate: CallEstimate, context: Context) => Promise<ExceededBudget | undefined>;
};

/** What was reserved for a running operation. */
export type Spending = {
  /** The calls that it may make, by subgraph. A subgraph that is missing is not limited by a budget. */
  readonly allowed: ReadonlyMap<string, number>;
  /** Ends the operation: `calls` are the provider calls that were made, by subgraph. Returns what was not used. Idempotent. */
  readonly settle: (calls: ReadonlyMap<string, number>) => void;
};
