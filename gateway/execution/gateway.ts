import { errorCauses } from '@apollo/federation-internals';
import { ApolloGateway } from '@apollo/gateway';
import type { ApolloServerOptionsWithGateway, BaseContext } from '@apollo/server';
import { type DocumentNode, GraphQLError, type GraphQLSchema, parse } from 'graphql';
import type { Log } from '../../runtime/log.ts';
import type { TurnQueue } from '../../runtime/turn-queue.ts';
import type { StaleNote } from '../../subgraphs/kit/field.ts';
import type { PlanCacheState } from '../../telemetry/state.ts';
import type { EstimateLimits } from '../cost/estimate-limits.ts';
import { createRunningValues } from '../cost/running-values.ts';
import { PLANNER_CONFIG } from '../planning/plan.ts';
import { createPlanningThread, type PlanningThread } from '../planning/planning-thread.ts';
import type { Explanation, PlanNode } from './explain.ts';
import {
  type BeforeMutation,
  createGraph,
  type Graph,
  type GraphAuthorization,
  type GraphCallCosts,
  type OnPlan,
  type OperationInUse,
  type RequestDeadline,
} from './graph.ts';
import { findUnknownLabels } from './overrides.ts';
import { toPlannable } from './plannable.ts';
import type { SubgraphClient } from './subgraph-request.ts';

type Gateway = ApolloServerOptionsWithGateway<BaseContext>['gateway'];

/** Receives information about an execution beyond its response, and controls it. */
export type ExecutionTelemetry = {
  readonly stale: StaleNote[];
  /** The request's abort signal and deadline. */
  readonly options: RequestDeadline;
  /** Receives the executed plan, if tracing was requested. */
  readonly trace?: { plan?: PlanNode | undefined } | undefined;
  /** Set for mutations only. */
  readonly beforeMutation?: BeforeMutation | undefined;
  /** Set if the operation is only to be explained. Receives the explanation. */
  readonly explain?: { explanation?: Explanation | undefined } | undefined;
};

/** The supergraph cannot be served. The message gives the reason in one line. */
export class SupergraphError extends Error {
  override readonly name = 'SupergraphError';
}

/** A supergraph that may change at runtime. */
export type SupergraphSource = {
  readonly sdl: string;
  /** Calls `change` with each new version; `change` throws if it cannot be served. Returns an unsubscribe function. */
  readonly watch?: (change: (sdl: string) => void) => () => void;
};

export type CompiledGatewayOptions<Context> = {
  readonly supergraph: SupergraphSource;
  /** Creates the clients for the subgraphs of a supergraph. */
  readonly clientsOf: (supergraphSdl: string) => (subgraph: string) => SubgraphClient<Context>;
  readonly maxPrograms: number;
  readonly maxProgramBytes: number;
  readonly estimateLimits: EstimateLimits;
  readonly maxAnswerValues: number;
  /** Estimated values of all responses in progress. */
  readonly maxRunningValues: number;
  readonly turns: TurnQueue;
  /** Maximum duration of one request, in milliseconds. No request waits longer for its plan. */
  readonly requestTimeoutMs: number;
  /** Maximum time to plan one operation, in milliseconds. */
  readonly planningTimeoutMs: number;
  /** Whether clients may read the schema, by introspection or in error messages. */
  readonly introspection: boolean;
  /** The custom labels of progressive `@override` that are enabled. */
  readonly overrideLabels: readonly string[];
  /** By default, every request may read everything. */
  readonly authorization?: GraphAuthorization<Context> | undefined;
  readonly callCosts: GraphCallCosts<Context>;
  readonly onPlan?: OnPlan<Context> | undefined;
  readonly log: Log;
};

export type CompiledGateway = {
  readonly gateway: Gateway;
  /** Validates a document against a version of the graph. Returns no errors if it is valid. */
  readonly validate: (schema: GraphQLSchema, document: DocumentNode) => Promise<readonly GraphQLError[]>;
  /** Returns the state of the compiled operations of the latest version. */
  readonly planCache: () => PlanCacheState;
};

type SchemaContext = Parameters<Parameters<Gateway['onSchemaLoadOrUpdate']>[0]>[0];

/**
 * Creates the gateway object for Apollo Server.
 *
 * `@apollo/gateway` loads and updates the supergraph and provides the planner. Operations are executed here, each by its
 * compiled program. `load` and updates throw SupergraphError if the supergraph cannot be served; after a failed update the
 * previous version stays active.
 */
export const createCompiledGateway = <Context extends ExecutionTelemetry>(
  options: CompiledGatewayOptions<Context>,
): CompiledGateway => {
  const { supergraph, clientsOf, log } = options;
  const listeners = new Set<(context: SchemaContext) => void>();
  let rejected: { readonly sdl: string; readonly error: SupergraphError } | undefined;

  const apollo = new ApolloGateway({
    supergraphSdl: async ({ update }) => {
      const stop = supergraph.watch?.((sdl) => {
        // Apollo's gateway ignores an update with the same text as the previous one, even if that one failed.
        if (rejected?.sdl === sdl) throw rejected.error;
        try {
          update(toPlannable(sdl));
          throwFailure();
          rejected = undefined;
        } catch (error) {
          rejected = { sdl, error: toSupergraphError(error) };
          throw rejected.error;
        }
      });
      return { supergraphSdl: toPlannable(supergraph.sdl), cleanup: async () => stop?.() };
    },
    logger: log,
    // Off by default in production, where an invalid supergraph would fail only at query time.
    validateSupergraph: true,
    queryPlannerConfig: PLANNER_CONFIG,
    buildService: () => ({
      process: async () => Promise.reject(new Error('Fetches are sent by compiled programs, not by @apollo/gateway.')),
    }),
  });
  // A request is executed by the version that it was validated against, even if another has been loaded since.
  const graphs = new WeakMap<GraphQLSchema, Graph<Context>>();
  let current: Graph<Context> | undefined;
  let planningThread: PlanningThread | undefined;
  const runningValues = createRunningValues(options.maxRunningValues);

  const applyChanges = ({ apiSchema, coreSupergraphSdl }: SchemaContext): void => {
    // The previous thread ends with its last job.
    planningThread = createPlanningThread({
      supergraphSdl: coreSupergraphSdl,
      introspection: options.introspection,
      timeoutMs: options.planningTimeoutMs,
      maxWaitMs: options.requestTimeoutMs,
    });
    const graph = createGraph<Context>({
      ...options,
      ...plannerOf(apollo),
      planningThread,
      runningValues,
      clientOf: clientsOf(coreSupergraphSdl),
      apiSchema,
      supergraphSdl: coreSupergraphSdl,
      overrides: { enabledLabels: options.overrideLabels, random: Math.random },
    });
    if (options.overrideLabels.length > 0) {
      const labels = findUnknownLabels(parse(coreSupergraphSdl), options.overrideLabels);
      if (labels.length > 0)
        log.warn({ labels }, 'OVERRIDE_LABELS contains labels that the supergraph does not define.');
    }
    graphs.set(apiSchema, graph);
    for (const listener of listeners) listener({ apiSchema, coreSupergraphSdl });
    if (current) void warmUp(graph, current.operations(), log);
    current = graph;
  };

  // Apollo's gateway logs what a listener throws and continues as if the supergraph were served.
  let failure: { readonly error: unknown } | undefined;
  const throwFailure = (): void => {
    const failed = failure;
    failure = undefined;
    if (failed) throw failed.error;
  };
  apollo.onSchemaLoadOrUpdate((context) => {
    try {
      applyChanges(context);
    } catch (error) {
      failure = { error };
    }
  });

  const executor: Awaited<ReturnType<Gateway['load']>>['executor'] = async (request) => {
    const graph = graphs.get(request.schema);
    if (!graph) throw new Error('The request refers to a schema version that was never loaded.');
    const context = request.context as unknown as Context;
    const operation = {
      document: request.document,
      operationName: request.request.operationName,
      variableDefinitions: request.operation.variableDefinitions ?? [],
      hash: request.queryHash,
    };
    const { data, errors, stale, explain, isPersonal, explanation } = await graph.execute(
      operation,
      request.request.variables ?? {},
      context,
      {
        deadline: context.options,
        beforeMutation: context.beforeMutation,
        isExplained: context.explain !== undefined,
      },
    );
    if (context.explain) context.explain.explanation = explanation;
    if (isPersonal) request.overallCachePolicy.restrict({ scope: 'PRIVATE' });
    for (const note of stale) context.stale.push(note);
    if (context.trace) context.trace.plan = explain?.();
    return {
      ...(data !== undefined && { data }),
      ...(errors.length > 0 && { errors: errors.map(toGraphQLError) }),
    };
  };

  return {
    planCache: () => current?.planCache() ?? { entries: 0, bytes: 0 },
    gateway: {
      onSchemaLoadOrUpdate: (callback) => {
        listeners.add(callback);
        return () => listeners.delete(callback);
      },
      load: async (apolloOptions) => {
        try {
          await apollo.load(apolloOptions);
          throwFailure();
        } catch (error) {
          await apollo.stop();
          throw toSupergraphError(error);
        }
        return { executor };
      },
      stop: async () => {
        await planningThread?.close();
        await apollo.stop();
      },
    },
    validate: async (schema, document) => {
      const graph = graphs.get(schema);
      if (!graph) throw new Error('The request refers to a schema version that was never loaded.');
      return graph.validate(document);
    },
  };
};

const MAX_CAUSES = 3;
const MAX_CAUSE_LENGTH = 300;

/** Summarizes an error of Apollo's libraries, which report many errors at once, each with its source location on extra lines. */
const toSupergraphError = (error: unknown): SupergraphError => {
  if (error instanceof SupergraphError) return error;
  const causes = error instanceof Error ? (errorCauses(error) ?? [error]) : [];
  const messages = causes.slice(0, MAX_CAUSES).map(({ message }) => {
    // Errors from extracting the subgraphs follow a preamble "this is either a bug, or the supergraph is corrupted".
    const [line = ''] = message.replace(/^[\s\S]*\nDetails:\n/, '').split(/\n\n|\n(?=GraphQL request)/);
    return line.replaceAll(/\s+/g, ' ').slice(0, MAX_CAUSE_LENGTH).replace(/\.$/, '');
  });
  if (causes.length > MAX_CAUSES) messages.push(`and ${causes.length - MAX_CAUSES} more`);
  return new SupergraphError(messages.join('; ') || 'it cannot be loaded', { cause: error });
};

/**
 * Returns the planner that Apollo's gateway created for the supergraph, and its schemas. They are private there, but creating a
 * second planner would double the time and memory.
 */
const plannerOf = (apollo: ApolloGateway) => {
  const {
    queryPlanner: planner,
    apiSchema: plannerSchema,
    supergraphSchema,
  } = {
    queryPlanner: apollo['queryPlanner'],
    apiSchema: apollo['apiSchema'],
    supergraphSchema: apollo['supergraphSchema'],
  };
  if (!planner || !plannerSchema || !supergraphSchema)
    throw new Error('This version of @apollo/gateway has no planner.');
  return { planner, plannerSchema, supergraphSchema };
};

/** Compiles the programs of the operations in use, one at a time, between requests. */
const warmUp = async <Context>(graph: Graph<Context>, operations: readonly OperationInUse[], log: Log) => {
  for (const operation of operations) {
    await new Promise(setImmediate);
    try {
      await graph.warm(operation);
    } catch (error) {
      log.warn(
        { err: error, operationName: operation.operationName },
        'An operation in use cannot be planned with the new supergraph.',
      );
    }
  }
};

const toGraphQLError = (
  error: GraphQLError | { message: string; path?: unknown; extensions?: unknown },
): GraphQLError => (error instanceof GraphQLError ? error : new GraphQLError(error.message, error as object));
