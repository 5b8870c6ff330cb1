import { operationFromDocument, type Schema } from '@apollo/federation-internals';
import type { QueryPlan, QueryPlanner, QueryPlannerConfig } from '@apollo/query-planner';
import { type DocumentNode, print } from 'graphql';
import { countSelections } from '../../subgraphs/kit/limits/document-limits.ts';
import { toPlanningError } from './planning-errors.ts';
import type { PlanningThread } from './planning-thread.ts';

export type PlanOptions = {
  /** Apollo's planner for a supergraph, created with PLANNER_CONFIG, and the schema with which it parses operations. */
  readonly planner: Pick<QueryPlanner, 'buildQueryPlan' | 'lastGeneratedPlanStatistics'>;
  readonly plannerSchema: Schema;
  /** Plans operations that are too large for the current thread. */
  readonly planningThread: PlanningThread;
};

/**
 * Maximum number of selections validated and planned in the current thread. Measured on the bundled graph: 250 selections took
 * 10 ms to validate and 30 ms to plan, and the thread is blocked meanwhile.
 */
const MAX_IN_THREAD_SELECTIONS = 250;

/** The typical token count of that many selections. Tokens also cover unused fragments and several operations. */
const MAX_IN_THREAD_TOKENS = 1_000;

/** Returns whether a document is too large to be processed in the current thread without blocking other requests. */
export const isLargeDocument = (document: DocumentNode): boolean =>
  (document.tokenCount ?? 0) > MAX_IN_THREAD_TOKENS || countSelections(document) > MAX_IN_THREAD_SELECTIONS;

/**
 * Maximum number of possible plans evaluated in the current thread. If subgraphs share fields, few selections have thousands of
 * plans: eight fields that are each in three of six subgraphs have 6,561, which take 64 ms to evaluate, or 6 ms if limited to 200.
 */
const MAX_IN_THREAD_PLANS = 200;

/** Configuration for the planner of the current thread. */
export const PLANNER_CONFIG: QueryPlannerConfig = {
  debug: { maxEvaluatedPlans: MAX_IN_THREAD_PLANS, pathsLimit: 100 },
};

/** The planner's message for more paths to a field than its configuration allows. */
const TOO_MANY_PATHS = /^Too many options generated/;

/** Plans a document with one operation. `overrideConditions` has the decided labels of progressive overrides. */
export type Plan = (document: DocumentNode, overrideConditions: ReadonlyMap<string, boolean>) => Promise<QueryPlan>;

/** Creates the planning function. It rejects with OPERATION_TOO_COMPLEX beyond the planner's limits, time or memory. */
export const createPlan = ({ planner, plannerSchema, planningThread }: PlanOptions): Plan => {
  /** Returns the best plan, or undefined if finding it would block other requests. */
  const planInThread: (...args: Parameters<Plan>) => QueryPlan | undefined = (document, overrideConditions) => {
    try {
      const operation = operationFromDocument(plannerSchema, document);
      const plan = planner.buildQueryPlan(operation, { overrideConditions: new Map(overrideConditions) });
      // The planner reduces too many plans to between half the limit and the limit. The best may be among the dropped ones.
      const evaluated = planner.lastGeneratedPlanStatistics()?.evaluatedPlanCount ?? 0;
      return evaluated > MAX_IN_THREAD_PLANS / 2 ? undefined : plan;
    } catch (error) {
      if (error instanceof Error && TOO_MANY_PATHS.test(error.message)) return undefined;
      throw error;
    }
  };

  return async (document, overrideConditions) => {
    try {
      const plan = isLargeDocument(document) ? undefined : planInThread(document, overrideConditions);
      return plan ?? (await planningThread.plan(print(document), overrideConditions));
    } catch (error) {
      throw toPlanningError(error);
    }
  };
};
