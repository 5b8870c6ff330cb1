/** A provider as tests try it: what a client asks so that it is called, and how that shows. */
export type Contract = {
  readonly provider: string;
  /** The subgraph, as errors and reports call it. */
  readonly service: string;
  /** A field that asks the provider for one key. */
  readonly read: (key: string) => string;
  /** The operation that this calls. */
  readonly readOperation: string;
  /** Keys that the provider has, at least 60. */
  readonly keys: readonly string[];
  readonly absentKey: string;
  /** Keys that one call may carry. */
  readonly maxBatch: number;
  /** A mutation and the key that it changes. `round` makes it another one; below zero, the same with other input. */
  readonly write: (round: number) => { readonly mutation: string; readonly key: string };
  readonly writeOperation: string;
  /** Calls of `readOperation` that come before the write is sent. Default: none. */
  readonly readsBeforeWrite?: number;
  /** Whether the provider takes an idempotency key. */
  readonly supportsIdempotencyKey: boolean;
  /** The variable for its quota, and its value for N calls in S seconds. */
  readonly quota: { readonly variable: string; readonly value: string };
  /** The variable for how long things are kept, and the type that `read` asks for. */
  readonly cache: { readonly variable: string; readonly type: string };
  readonly timeoutVariable: string;
  readonly concurrencyVariable: string;
  readonly failure: FailureCase;
};

/** A root field that one call answers, and answers to that call that are wrong. */
export type FailureCase = {
  readonly field: string;
  /** The field with its arguments and what it selects. */
  readonly ask: string;
  /** Which calls are to fail, where others come before. */
  readonly on?: string;
  /** Half an answer. */
  readonly broken: string;
  /** Takes a field away from an answer. */
  readonly missing: (body: string) => string;
  /** Gives a field of an answer another type. */
  readonly mistyped: (body: string) => string;
};
