import type { ApolloServerOptionsWithGateway, BaseContext } from '@apollo/server';
import { type DocumentNode, GraphQLError, type GraphQLSchema, parse } from 'graphql';
import type { Log } from '../../runtime/log.ts';
import type { TurnQueue } from '../../runtime/turn-queue.ts';
import type { StaleNote } from '../../subgraphs/kit/field.ts';
import type { PlanCacheState } from '../../telemetry/state.ts';
import type { EstimateLimits } from '../cost/estimate-limits.ts';
import { createRunningValues } from '../cost/running-values.ts';
import { createApolloPlanner } from '../planning/apollo-planner.ts';
import type { Planner } from '../planning/planner.ts';
import type { PreparedSubscription } from '../subscriptions/group.ts';
import { type LoadedSupergraph, loadSupergraph } from '../supergraph/load-supergraph.ts';
import { toSupergraphError } from '../supergraph/supergraph-error.ts';
import type { ClientOperation, OperationInUse } from './client-operation.ts';
import type { Recipient } from './delivery.ts';
import type { Explanation, PlanNode } from './explain.ts';
import { type BeforeMutation, createGraph, type Graph, type GraphCallCosts } from './graph.ts';
import { readLive } from './live-directive.ts';
import { findUnknownLabels } from './overrides.ts';
import type { LiveQueries } from './prepare-subscription.ts';
import type { ExecutionResponse } from './program.ts';
import type { OnPlan } from './programs.ts';
import type { GraphAuthorization, RequestDeadline } from './request-rights.ts';
import type { SubgraphClient } from './subgraph-request.ts';

type Gateway = ApolloServerOptionsWithGateway<BaseContext>['gateway'];

/** Receives information about an execution beyond its response, and controls it. */
export type ExecutionTelemetry<Context> = {
  readonly stale: StaleNote[];
  /** The request's abort signal and deadline. */
  readonly options: RequestDeadline;
  /** Receives the executed plan, if tracing was requested. */
  readonly trace?: { plan?: PlanNode | undefined } | undefined;
  /** Set for mutations only. */
  readonly beforeMutation?: BeforeMutation | undefined;
  /** Receives the operation if it is a subscription. Undefined if the response cannot be a stream. */
  readonly onSubscription?: ((prepared: PreparedSubscription<Context>) => void) | undefined;
  /** Receives the parts of the response. Undefined if it cannot have several. */
  readonly recipient?: Recipient | undefined;
  /** Set if the operation is only to be explained. Receives the explanation. */
  readonly explain?: { explanation?: Explanation | undefined } | undefined;
};

/** A supergraph that may change at runtime. */
export type SupergraphSource = {
  readonly sdl: string;
  /** Calls `change` with each new version; `change` rejects if it cannot be served. Returns an unsubscribe function. */
  readonly watch?: (change: (sdl: string) => Promise<void>) => () => void;
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
  /** Returns what is kept of a request's context while its stream is open. Apollo Server adds all of the request to the context. */
  readonly retain: (context: Context) => Context;
  readonly live?: LiveQueries<Context> | undefined;
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

type SchemaListener = Parameters<Gateway['onSchemaLoadOrUpdate']>[0];

/**
 * Creates the gateway object for Apollo Server. It executes operations, each by its compiled program.
 *
 * `load` and updates reject with SupergraphError if the supergraph cannot be served; after a failed update the previous version stays
 * active.
 */
export const createCompiledGateway = <Context extends ExecutionTelemetry<Context>>(
  options: CompiledGatewayOptions<Context>,
): CompiledGateway => {
  const { supergraph, clientsOf, log } = options;
  const listeners = new Set<SchemaListener>();
  // A request is executed by the version that it was validated against, even if another has been loaded since.
  const graphs = new WeakMap<GraphQLSchema, Graph<Context>>();
  let current: { readonly graph: Graph<Context>; readonly planner: Planner } | undefined;
  /** The text of the current version. Undefined after a failed update. */
  let served: string | undefined;
  let updating = Promise.resolve();
  let isStopped = false;
  let stopWatching: (() => void) | undefined;
  const runningValues = createRunningValues(options.maxRunningValues);

  const createPlanner = (supergraphSdl: string): Planner =>
    createApolloPlanner({
      supergraphSdl,
      introspection: options.introspection,
      timeoutMs: options.planningTimeoutMs,
      maxWaitMs: options.requestTimeoutMs,
    });

  const serve = ({ sdl, planner, apiSchema, schema }: LoadedSupergraph): void => {
    const previous = current;
    try {
      const graph = createGraph<Context>({
        ...options,
        planner,
        runningValues,
        clientOf: clientsOf(sdl),
        apiSchema,
        supergraphSchema: schema,
        supergraphSdl: sdl,
        overrides: { enabledLabels: options.overrideLabels, random: Math.random },
      });
      if (options.overrideLabels.length > 0) {
        const labels = findUnknownLabels(parse(sdl), options.overrideLabels);
        if (labels.length > 0)
          log.warn({ labels }, 'OVERRIDE_LABELS contains labels that the supergraph does not define.');
      }
      graphs.set(apiSchema, graph);
      for (const listener of listeners) listener({ apiSchema, coreSupergraphSdl: sdl });
      current = { graph, planner };
    } catch (error) {
      planner.release();
      throw toSupergraphError(error);
    }
    // Its last requests may still plan.
    previous?.planner.release();
    if (previous) void warmUp(current.graph, previous.graph.operations(), log);
  };

  const load = async (text: string): Promise<void> => {
    if (text === served) return;
    served = undefined;
    serve(await loadSupergraph(text, createPlanner));
    served = text;
  };

  /** Updates are served in the order in which they arrive. */
  const update = (text: string): Promise<void> => {
    const updated = updating.then(() => load(text));
    updating = updated.catch(() => {});
    return updated;
  };

  /** Prepares a subscription for the current version of the graph, and again when that has changed. */
  const prepare = async (
    graph: Graph<Context>,
    operation: ClientOperation,
    variables: Readonly<Record<string, unknown>>,
    context: Context,
    signal: AbortSignal | undefined,
  ): Promise<PreparedSubscription<Context> | ExecutionResponse> => {
    const live = readLive(operation.document, operation.operationName, variables);
    const subscription = live
      ? await graph.subscribeLive(operation, variables, context, { live, signal })
      : await graph.subscribe(operation, variables, context, signal);
    if (!('open' in subscription)) return subscription;
    return {
      subscription,
      renew: async () => {
        const next = current?.graph;
        if (!next || next === graph) return undefined;
        const errors = await next.validate(operation.document);
        return errors.length > 0 ? { errors, stale: [] } : prepare(next, operation, variables, context, undefined);
      },
    };
  };

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
    const variables = request.request.variables ?? {};
    const { onSubscription } = context;
    const isStream =
      request.operation.operation === 'subscription' ||
      (onSubscription && readLive(operation.document, operation.operationName, variables));
    if (isStream && onSubscription && !context.explain) {
      const declared = onlyDeclared(variables, operation);
      const prepared = await prepare(graph, operation, declared, options.retain(context), context.options.signal);
      if (!('renew' in prepared)) return { errors: toGraphQLErrors(prepared.errors) };
      onSubscription(prepared);
      return {};
    }
    const { data, errors, stale, explain, isPersonal, isDelivered, explanation } = await graph.execute(
      operation,
      variables,
      context,
      {
        deadline: context.options,
        beforeMutation: context.beforeMutation,
        recipient: context.explain ? undefined : context.recipient,
        isExplained: context.explain !== undefined,
      },
    );
    if (context.explain) context.explain.explanation = explanation;
    if (isPersonal) request.overallCachePolicy.restrict({ scope: 'PRIVATE' });
    for (const note of stale) context.stale.push(note);
    if (context.trace) context.trace.plan = explain?.();
    return {
      // Apollo Server would serialize it again.
      ...(data !== undefined && { data: isDelivered ? data && {} : data }),
      ...(errors.length > 0 && { errors: toGraphQLErrors(errors) }),
    };
  };

  return {
    planCache: () => current?.graph.planCache() ?? { entries: 0, bytes: 0 },
    gateway: {
      onSchemaLoadOrUpdate: (callback) => {
        listeners.add(callback);
        return () => listeners.delete(callback);
      },
      load: async () => {
        await update(supergraph.sdl);
        if (!isStopped) stopWatching = supergraph.watch?.(update);
        return { executor };
      },
      stop: async () => {
        isStopped = true;
        stopWatching?.();
        await updating;
        current?.planner.release();
      },
    },
    validate: async (schema, document) => {
      const graph = graphs.get(schema);
      if (!graph) throw new Error('The request refers to a schema version that was never loaded.');
      return graph.validate(document);
    },
  };
};

/** Returns the variables that an operation declares. Others would be kept for as long as its stream, whatever their size. */
const onlyDeclared = (
  variables: Readonly<Record<string, unknown>>,
  { variableDefinitions }: ClientOperation,
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    variableDefinitions.flatMap(({ variable: { name } }) =>
      Object.hasOwn(variables, name.value) ? [[name.value, variables[name.value]]] : [],
    ),
  );

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

/** Converts the errors of an execution, some of which are plain data. */
export const toGraphQLErrors = (errors: ExecutionResponse['errors']): GraphQLError[] =>
  errors.map((error) => (error instanceof GraphQLError ? error : new GraphQLError(error.message, error as object)));
