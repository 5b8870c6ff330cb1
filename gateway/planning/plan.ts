import { operationFromDocument, type Schema } from '@apollo/federation-internals';
import type { QueryPlan, QueryPlanner, QueryPlannerConfig } from '@apollo/query-planner';
import { type DocumentNode, print } from 'graphql';
import { countSelections } from '../../subgraphs/kit/limits/document-limits.ts';
import { toPlanningError } from './planning-errors.ts';
import type { PlanningThread } from './planning-thread.ts';

export type PlanOptions = {
  /** Apollo's planner for a supergraph, made with PLANNER_CONFIG, and the schema that it reads operations with. */
  readonly planner: Pick<QueryPlanner, 'buildQueryPlan' | 'lastGeneratedPlanStatistics'>;
  readonly plannerSchema: Schema;
  /** Plans what is too large for this thread. */
  readonly planningThread: PlanningThread;
};

/**
 * Selections that are validated and planned in this thread. Measured on the product's graph: 250 of them took 10 ms to
 * validate and 30 ms to plan, and nothing else is answered meanwhile.
 */
const MAX_SELECTIONS_HERE = 250;

/** As many tokens as so many selections have. They also count what no operation selects, and what several do. */
const MAX_TOKENS_HERE = 1_000;

/** Returns whether a document is so large that working on it would keep others waiting. */
export const isLargeDocument = (document: DocumentNode): boolean =>
  (document.tokenCount ?? 0) > MAX_TOKENS_HERE || countSelections(document) > MAX_SELECTIONS_HERE;

/**
 * Possible plans that are compared in this thread. Where subgraphs share fields, few selections have thousands: 6,561 for
 * eight fields that each are in three of six subgraphs, which take 64 ms to compare, and 6 ms when cut to 200.
 */
const MAX_PLANS_HERE = 200;

/** What the planner of this thread has to be made with. */
export const PLANNER_CONFIG: QueryPlannerConfig = { debug: { maxEvaluatedPlans: MAX_PLANS_HERE, pathsLimit: 100 } };

/** How the planner says that there are more paths to a field than its configuration allows. */
const TOO_MANY_PATHS = /^Too many options generated/;

/** Plans a document with one operation. `overrideConditions` decides the labels of progressive overrides. */
export type Plan = (document: DocumentNode, overrideConditions: ReadonlyMap<string, boolean>) => Promise<QueryPlan>;

/** Rejects with OPERATION_TOO_COMPLEX for an operation over a limit of the planner, its time or its memory. */
export const createPlan = ({ planner, plannerSchema, planningThread }: PlanOptions): Plan => {
  /** The best plan, unless finding it would keep others waiting. */
  const planHere: (...given: Parameters<Plan>) => QueryPlan | undefined = (document, overrideConditions) => {
    try {
      const operation = operationFromDocument(plannerSchema, document);
      const plan = planner.buildQueryPlan(operation, { overrideConditions: new Map(overrideConditions) });
      // Too many plans are cut down to at most the limit and to more than half of it, and the best may be among those left out.
      const compared = planner.lastGeneratedPlanStatistics()?.evaluatedPlanCount ?? 0;
      return compared > MAX_PLANS_HERE / 2 ? undefined : plan;
    } catch (error) {
      if (error instanceof Error && TOO_MANY_PATHS.test(error.message)) return undefined;
      throw error;
    }
  };

  return async (document, overrideConditions) => {
    try {
      const plan = isLargeDocument(document) ? undefined : planHere(document, overrideConditions);
      return plan ?? (await planningThread.plan(print(document), overrideConditions));
    } catch (error) {
      throw toPlanningError(error);
    }
  };
};
