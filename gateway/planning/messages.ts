/** A job for the planning thread: a document to validate or to plan. */
export type PlanningJob = {
  readonly kind: 'validate' | 'plan';
  readonly text: string;
  /** The decided labels of progressive overrides. Used for planning only. */
  readonly overrideConditions: ReadonlyMap<string, boolean>;
};

/** A validation error in a form that can be sent between threads. */
export type ValidationProblem = {
  readonly message: string;
  readonly positions: readonly number[] | undefined;
  /** The error code, if it is not that of an invalid document. */
  readonly code: unknown;
};

/** Messages of the planning thread: one when it is ready, then one per job. */
export type PlanningMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'validated'; readonly problems: readonly ValidationProblem[] }
  /** A query plan as JSON. */
  | { readonly kind: 'planned'; readonly plan: string }
  | { readonly kind: 'failed'; readonly message: string; readonly isTooDeep: boolean };

/** Data passed to the planning thread at start. */
export type PlanningThreadData = { readonly supergraphSdl: string; readonly introspection: boolean };
