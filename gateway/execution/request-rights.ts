import type { AccessRule } from '../auth/access-rules.ts';

/** The abort signal and the deadline of a request. */
export type RequestDeadline = {
  /** Fires when the request times out or its client disconnects. */
  readonly signal?: AbortSignal | undefined;
  /** In milliseconds of the monotonic clock. */
  readonly deadlineAt?: number | undefined;
};

/** Decides what the sender of a request may read. */
export type GraphAuthorization<Context> = {
  /** Returns those of an operation's rules that a request does not satisfy. Undefined if it may read everything. */
  readonly findUnmet: (
    rules: readonly AccessRule[],
    operationName: string | undefined,
    context: Context,
  ) => readonly AccessRule[] | Promise<readonly AccessRule[]> | undefined;
  /** Whether an operation with unauthorized fields is rejected. Otherwise only these fields are null. */
  readonly rejects: boolean;
};
