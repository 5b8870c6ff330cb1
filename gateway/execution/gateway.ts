import { errorCauses } from '@apollo/federation-internals';
import { ApolloGateway } from '@apollo/gateway';
import type { ApolloServerOptionsWithGateway, BaseContext } from '@apollo/server';
import { type DocumentNode, GraphQLError, type GraphQLSchema, parse } from 'graphql';
import type { Log } from '../../runtime/log.ts';
import type { TurnQueue } from '../../runtime/turn-queue.ts';
import type { StaleNote } from '../../subgraphs/kit/field.ts';
import type { EstimateLimits } from '../cost/estimate-limits.ts';
import { createRunningValues } from '../cost/running-values.ts';
import { PLANNER_CONFIG } from '../planning/plan.ts';
import { createPlanningThread, type PlanningThread } from '../planning/planning-thread.ts';
import type { PlanNode } from './explain.ts';
import { type ClientOperation, createGraph, type Graph, type RequestTime } from './graph.ts';
import { findUnknownLabels } from './overrides.ts';
import { toPlannable } from './plannable.ts';
import type { SubgraphClient } from './subgraph-request.ts';

type Gateway = ApolloServerOptionsWithGateway<BaseContext>['gateway'];

/** What an execution tells beside its answer. */
export type ExecutionTelemetry = {
  readonly stale: StaleNote[];
  /** The request's abort signal and deadline. */
  readonly options: RequestTime;
  /** Where it is wanted: what was done. */
  readonly trace?: { plan?: PlanNode | undefined } | undefined;
};

/** A supergraph that cannot be served. The message says why, in one line. */
export class SupergraphError extends Error {
  override readonly name = 'SupergraphError';
}

/** A supergraph that may change. */
export type SupergraphSource = {
  readonly sdl: string;
  /** Calls `change` with each that comes after, which throws where it cannot be used; gives what ends that. */
  readonly watch?: (change: (sdl: string) => void) => () => void;
};

export type CompiledGatewayOptions<Context> = {
  readonly supergraph: SupergraphSource;
  /** Gives the way to each subgraph of a supergraph. */
  readonly clientsOf: (supergraphSdl: string) => (subgraph: string) => SubgraphClient<Context>;
  readonly maxPrograms: number;
  readonly maxProgramBytes: number;
  readonly estimateLimits: EstimateLimits;
  readonly maxAnswerValues: number;
  /** Values of all answers that are being made at once, by estimate. */
  readonly maxRunningValues: number;
  readonly turns: TurnQueue;
  /** Time that one request may take, in milliseconds: nobody waits longer for a plan. */
  readonly requestTimeoutMs: number;
  /** Time that planning one operation may take, in milliseconds. */
  readonly planningTimeoutMs: number;
  /** Whether clients may read the schema, by introspection or in error messages. */
  readonly introspection: boolean;
  /** The custom labels of progressive @override that are switched on. */
  readonly overrideLabels: readonly string[];
  readonly log: Log;
};

export type CompiledGateway = {
  readonly gateway: Gateway;
  /** Errors of a document for a version of the graph; none where it is valid. */
  readonly validate: (schema: GraphQLSchema, document: DocumentNode) => Promise<readonly GraphQLError[]>;
};

type SchemaContext = Parameters<Parameters<Gateway['onSchemaLoadOrUpdate']>[0]>[0];

/**
 * What Apollo Server takes as its gateway: `@apollo/gateway` loads and changes the supergraph and has the planner;
 * operations are executed here, each by its compiled program. `load` and a change throw SupergraphError where the
 * supergraph cannot be served; after a change that failed, the one before is served.
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
        // Apollo's gateway takes a second attempt at the same text for no change.
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
    // By default it is not in production, and then what is wrong shows when it is asked for.
    validateSupergraph: true,
    queryPlannerConfig: PLANNER_CONFIG,
    buildService: () => ({ process: async () => Promise.reject(new Error('Fetches are sent by programs.')) }),
  });
  // A request belongs to the version that it was validated with, whatever has been loaded since.
  const graphs = new WeakMap<GraphQLSchema, Graph<Context>>();
  let current: Graph<Context> | undefined;
  let planningThread: PlanningThread | undefined;
  const runningValues = createRunningValues(options.maxRunningValues);

  const applyChanges = ({ apiSchema, coreSupergraphSdl }: SchemaContext): void => {
    // The one before ends with its last job.
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
      if (labels.length > 0) log.warn({ labels }, 'OVERRIDE_LABELS has labels that the supergraph does not have.');
    }
    graphs.set(apiSchema, graph);
    for (const listener of listeners) listener({ apiSchema, coreSupergraphSdl });
    if (current) void warmUp(graph, current.operations(), log);
    current = graph;
  };

  // Apollo's gateway logs what a listener throws, and goes on as if the supergraph were served.
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
    if (!graph) throw new Error('A request for a version of the graph that was never loaded.');
    const context = request.context as unknown as Context;
    const operation = {
      document: request.document,
      operationName: request.request.operationName,
      variableDefinitions: request.operation.variableDefinitions ?? [],
      hash: request.queryHash,
    };
    const { data, errors, stale, outline } = await graph.execute(
      operation,
      request.request.variables ?? {},
      context,
      context.options,
    );
    context.stale.push(...stale);
    if (context.trace) context.trace.plan = outline?.();
    return {
      ...(data !== undefined && { data }),
      ...(errors.length > 0 && { errors: errors.map(toGraphQLError) }),
    };
  };

  return {
    gateway: {
      onSchemaLoadOrUpdate: (callback) => {
        listeners.add(callback);
        return () => listeners.delete(callback);
      },
      load: async (given) => {
        try {
          await apollo.load(given);
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
      if (!graph) throw new Error('A request for a version of the graph that was never loaded.');
      return graph.validate(document);
    },
  };
};

const MAX_CAUSES = 3;
const MAX_CAUSE_LENGTH = 300;

/** Apollo's libraries tell of many errors at once, each with its place in the text on lines of its own. */
const toSupergraphError = (error: unknown): SupergraphError => {
  if (error instanceof SupergraphError) return error;
  const causes = error instanceof Error ? (errorCauses(error) ?? [error]) : [];
  const messages = causes.slice(0, MAX_CAUSES).map(({ message }) => {
    // What fails while it is taken apart by subgraph is told after "this is either a bug, or the supergraph is corrupted".
    const [line = ''] = message.replace(/^[\s\S]*\nDetails:\n/, '').split(/\n\n|\n(?=GraphQL request)/);
    return line.replaceAll(/\s+/g, ' ').slice(0, MAX_CAUSE_LENGTH).replace(/\.$/, '');
  });
  if (causes.length > MAX_CAUSES) messages.push(`and ${causes.length - MAX_CAUSES} more`);
  return new SupergraphError(messages.join('; ') || 'it cannot be loaded', { cause: error });
};

/**
 * The planner that Apollo's gateway has made for the supergraph, and the schemas that belong to it. They are private
 * there; another planner of our own would take the time and the memory of a second one.
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

/** Makes the programs of the operations in use one at a time, between requests. */
const warmUp = async <Context>(graph: Graph<Context>, operations: readonly ClientOperation[], log: Log) => {
  for (const operation of operations) {
    await new Promise(setImmediate);
    try {
      await graph.warm(operation);
    } catch (error) {
      log.warn({ err: error, operationName: operation.operationName }, 'An operation cannot be planned any more.');
    }
  }
};

const toGraphQLError = (
  error: GraphQLError | { message: string; path?: unknown; extensions?: unknown },
): GraphQLError => (error instanceof GraphQLError ? error : new GraphQLError(error.message, error as object));
