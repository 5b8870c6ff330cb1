/** A provider's contract for the conformance suite: the queries that call it and the operations that they use. */
export type Contract = {
  readonly provider: string;
  /** The subgraph's name in errors and reports. */
  readonly service: string;
  /** Returns a field that reads one key from the provider. */
  readonly read: (key: string) => string;
  /** The operation of `read`. */
  readonly readOperation: string;
  /** Existing keys, at least 60. */
  readonly keys: readonly string[];
  readonly absentKey: string;
  /** Maximum number of keys in one request. */
  readonly maxBatch: number;
  /** Returns a mutation and the key that it changes. `round` makes it unique; a negative one repeats it with other input. */
  readonly write: (round: number) => { readonly mutation: string; readonly key: string };
  readonly writeOperation: string;
  /** Number of `readOperation` requests before the write. Default: none. */
  readonly readsBeforeWrite?: number;
  /** The operation that opens a session. Default: requests carry the credential itself. */
  readonly loginOperation?: string;
  /** Whether the provider supports idempotency keys. */
  readonly supportsIdempotencyKey: boolean;
  /** The variable of the rate limit, and its value for N requests in S seconds. */
  readonly quota: { readonly variable: string; readonly value: string };
  /** The variable of the cache policies, and the type that `read` reads. */
  readonly cache: { readonly variable: string; readonly type: string };
  readonly timeoutVariable: string;
  readonly concurrencyVariable: string;
  readonly failure: FailureCase;
};

/** A root field that one request resolves, and invalid responses to that request. */
export type FailureCase = {
  readonly field: string;
  /** The field with its arguments and selections. */
  readonly ask: string;
  /** The requests to fail, if others precede them. */
  readonly on?: string;
  /** A truncated response. */
  readonly broken: string;
  /** Removes a field from a response. */
  readonly missing: (body: string) => string;
  /** Changes the type of a field in a response. */
  readonly mistyped: (body: string) => string;
};
