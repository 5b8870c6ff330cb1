/** Provider calls of an operation at one subgraph. */
export type CallRange = { readonly atLeast: number; readonly expected: number; readonly atMost: number };
/** Provider calls of an operation, by subgraph. */
export type CallEstimate = ReadonlyMap<string, CallRange>;
/** Decides whether an operation may spend what it can cost. Called once, after planning and before anything is fetched. */
export type SpendingGuard<Context> = (estimate: CallEstimate, context: Context) => Promise<Spending>;
/** What was reserved for a running operation. */
export type Spending = {
  /** Ends the operation: `calls` are the provider calls that were made, by subgraph. What was reserved beyond them is returned. Idempotent. */
  readonly settle: (calls: ReadonlyMap<string, number>) => void;
};
