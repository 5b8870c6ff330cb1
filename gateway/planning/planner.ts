import type { DocumentNode, GraphQLError } from 'graphql';
import type { Step } from '../execution/steps.ts';

/** Plans operations for one version of the graph. */
export type Planner = {
  /**
   * Plans a document with one operation. `overrideConditions` has the decided labels of progressive overrides.
   *
   * Rejects with OPERATION_TOO_COMPLEX beyond the planner's limits, time or memory, with OVERLOADED if too many operations wait,
   * with a PlannerError if the planner rejects the operation, and with a RangeError if it is nested too deeply.
   */
  readonly plan: (
    document: DocumentNode,
    overrideConditions: ReadonlyMap<string, boolean>,
  ) => Promise<PlannedOperation>;
  /** Returns the text of the public schema, without `@live`. Rejects with a PlannerError if the supergraph is invalid. */
  readonly readPublicSchema: () => Promise<string>;
  /** Validates the text of a document that is too large for the current thread. Rejects like `plan`. */
  readonly validate: (text: string) => Promise<readonly GraphQLError[]>;
  /** Frees what is held for planning. A later plan takes longer. */
  readonly release: () => void;
};

export type PlannedOperation = {
  readonly step: Step;
  /** Length of the plan's text, in characters: a measure of its size. */
  readonly characters: number;
};
