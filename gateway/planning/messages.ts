/** A job of a planning thread. */
export type PlanningJob =
  /** Returns the public schema. */
  | { readonly kind: 'describe' }
  /** Creates the planner. */
  | { readonly kind: 'prepare' }
  | { readonly kind: 'validate'; readonly text: string }
  /** Plans a document, with the decided labels of progressive overrides. */
  | { readonly kind: 'plan'; readonly text: string; readonly overrideConditions: ReadonlyMap<string, boolean> };

/** Data passed to a planning thread at start. */
export type PlanningThreadData = {
  /** Whether it evaluates only the first possible plans of an operation, so that no job takes long. */
  readonly isQuick: boolean;
};

/** The graph that jobs are for. */
export type PlanningGraph = { readonly supergraphSdl: string; readonly introspection: boolean };

/** Messages to a planning thread. Jobs are for the graph that was added under their number. */
export type PlanningRequest =
  | { readonly kind: 'add'; readonly graph: number; readonly options: PlanningGraph }
  | { readonly kind: 'remove'; readonly graph: number }
  | { readonly kind: 'run'; readonly graph: number; readonly job: PlanningJob };

/** A validation error in a form that can be sent between threads. */
export type ValidationProblem = {
  readonly message: string;
  readonly positions: readonly number[] | undefined;
  /** The error code, if it is not that of an invalid document. */
  readonly code: unknown;
};

/** Messages of a planning thread: one for each graph that was added, and one for each job. */
export type PlanningMessage =
  | { readonly kind: 'added' }
  | { readonly kind: 'prepared' }
  /** The public schema, without `@live`. */
  | { readonly kind: 'described'; readonly publicSchema: string }
  | { readonly kind: 'validated'; readonly problems: readonly ValidationProblem[] }
  /** A query plan as JSON. */
  | { readonly kind: 'planned'; readonly plan: string }
  /** There are more possible plans than a quick thread evaluates. */
  | { readonly kind: 'undecided' }
  | { readonly kind: 'failed'; readonly message: string; readonly isTooDeep: boolean };
