import { parentPort, workerData } from 'node:worker_threads';
import { errorCauses, operationFromDocument, type Schema, Supergraph } from '@apollo/federation-internals';
import { QueryPlanner, type QueryPlannerConfig } from '@apollo/query-planner';
import { type GraphQLSchema, parse, printSchema } from 'graphql';
import { toPublicSchema } from '../supergraph/public-schema.ts';
import { summarizeCauses } from '../supergraph/supergraph-error.ts';
import type { PlanningGraph, PlanningJob, PlanningMessage, PlanningRequest, PlanningThreadData } from './messages.ts';
import { validateDocument } from './validate.ts';

/* A planning thread. It validates and plans operations, so that the gateway's main thread stays responsive. */

const { isQuick }: PlanningThreadData = workerData;

/**
 * Maximum number of possible plans that a quick thread evaluates. If subgraphs share fields, few selections have thousands of plans:
 * eight fields that are each in three of six subgraphs have 6,561, which take 64 ms to evaluate, or 6 ms if limited to 200.
 */
const MAX_QUICK_PLANS = 200;

const PLANNER_CONFIG: QueryPlannerConfig = isQuick
  ? { debug: { maxEvaluatedPlans: MAX_QUICK_PLANS, pathsLimit: 100 } }
  : {};

/** The planner's message for more paths to a field than its configuration allows. */
const TOO_MANY_PATHS = /^Too many options generated/;

type Graph = {
  readonly apiSchema: Schema;
  /** Returns the planner, which is created on first use. */
  readonly planner: () => QueryPlanner;
  readonly introspection: boolean;
  /** Created on first use: only large documents are validated here. */
  schema: GraphQLSchema | undefined;
};

const graphs = new Map<number, Graph>();

const createGraph = ({ supergraphSdl, introspection }: PlanningGraph): Graph => {
  try {
    // Once: the quick thread gets it first. `@apollo/gateway` would not validate it in production, and fail at query time.
    const supergraph = Supergraph.build(supergraphSdl, { validateSupergraph: isQuick });
    // Finds what only the planner would reject.
    supergraph.subgraphs();
    // The gateway can start with the schema while the quick thread creates its planner.
    let planner = isQuick ? undefined : new QueryPlanner(supergraph, PLANNER_CONFIG);
    return {
      apiSchema: supergraph.apiSchema(),
      planner: () => {
        planner ??= new QueryPlanner(supergraph, PLANNER_CONFIG);
        return planner;
      },
      introspection,
      schema: undefined,
    };
  } catch (error) {
    throw new Error(summarizeCauses(error instanceof Error ? (errorCauses(error) ?? [error]) : []), { cause: error });
  }
};

/** Prints the public schema of a graph. */
const describe = ({ apiSchema }: Graph): string => printSchema(apiSchema.toGraphQLJSSchema({ includeDefer: true }));

const run = (graph: Graph, job: PlanningJob): PlanningMessage => {
  if (job.kind === 'describe') return { kind: 'described', publicSchema: describe(graph) };
  if (job.kind === 'prepare') {
    graph.planner();
    return { kind: 'prepared' };
  }
  const document = parse(job.text);
  if (job.kind === 'validate') {
    graph.schema ??= toPublicSchema(graph.apiSchema);
    const errors = validateDocument(graph.schema, document, { introspection: graph.introspection });
    return {
      kind: 'validated',
      problems: errors.map(({ message, positions, extensions: { code } }) => ({ message, positions, code })),
    };
  }
  const planner = graph.planner();
  const operation = operationFromDocument(graph.apiSchema, document);
  try {
    const plan = planner.buildQueryPlan(operation, { overrideConditions: new Map(job.overrideConditions) });
    // The planner reduces too many plans to between half the limit and the limit. The best may be among the dropped ones.
    const evaluated = planner.lastGeneratedPlanStatistics()?.evaluatedPlanCount ?? 0;
    if (isQuick && evaluated > MAX_QUICK_PLANS / 2) return { kind: 'undecided' };
    return { kind: 'planned', plan: JSON.stringify(plan) };
  } catch (error) {
    if (isQuick && error instanceof Error && TOO_MANY_PATHS.test(error.message)) return { kind: 'undecided' };
    throw error;
  }
};

const answer = (request: PlanningRequest): PlanningMessage | undefined => {
  switch (request.kind) {
    case 'add':
      graphs.set(request.graph, createGraph(request.options));
      return { kind: 'added' };
    case 'remove':
      graphs.delete(request.graph);
      return undefined;
    case 'run':
      return run(graphs.get(request.graph) as Graph, request.job);
  }
};

parentPort?.on('message', (request: PlanningRequest) => {
  let message: PlanningMessage | undefined;
  try {
    message = answer(request);
  } catch (error) {
    message = {
      kind: 'failed',
      message: error instanceof Error ? error.message : '',
      isTooDeep: error instanceof RangeError,
    };
  }
  if (message) parentPort?.postMessage(message);
});
