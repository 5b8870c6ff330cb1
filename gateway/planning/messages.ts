/** What the planning thread is asked to do with the text of a document. */
export type PlanningJob = {
  readonly kind: 'validate' | 'plan';
  readonly text: string;
  /** The labels of progressive overrides, for a plan. */
  readonly overrideConditions: ReadonlyMap<string, boolean>;
};

/** An error that validation found, in a form that crosses threads. */
export type ValidationProblem = {
  readonly message: string;
  readonly positions: readonly number[] | undefined;
  /** Where it is not that the document is invalid. */
  readonly code: unknown;
};

/** The planning thread's messages: one when it can take jobs, then one for each job. */
export type PlanningMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'validated'; readonly problems: readonly ValidationProblem[] }
  /** A query plan as JSON. */
  | { readonly kind: 'planned'; readonly plan: string }
  | { readonly kind: 'failed'; readonly message: string; readonly isTooDeep: boolean };

/** What the planning thread is started with. */
export type PlanningThreadData = { readonly supergraphSdl: string; readonly introspection: boolean };
