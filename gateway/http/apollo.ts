import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import { ApolloServerErrorCode } from '@apollo/server/errors';
import { ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled';
import { ApolloServerPluginLandingPageLocalDefault } from '@apollo/server/plugin/landingPage/default';
import { InMemoryLRUCache } from '@apollo/utils.keyvaluecache';
import {
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  lexicographicSortSchema,
  printSchema,
} from 'graphql';
import type { Log } from '../../runtime/log.ts';
import type { TurnQueue } from '../../runtime/turn-queue.ts';
import { createErrorTraces } from '../../subgraphs/kit/error-traces.ts';
import { graphqlOverHttp } from '../../subgraphs/kit/graphql-over-http.ts';
import { createDocumentGuard } from '../../subgraphs/kit/limits/document-guard.ts';
import { ERROR_CODES } from '../../telemetry/error-codes.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { FindUnmetRules } from '../auth/authorizer.ts';
import type { GatewayConfig } from '../config.ts';
import type { SpendingGuard } from '../cost/calls.ts';
import type { ProviderCosts } from '../cost/estimate-calls.ts';
import { createMeasurements } from '../cost/measurements.ts';
import { createCompiledGateway, type SupergraphSource, toGraphQLErrors } from '../execution/gateway.ts';
import type { LiveQueries } from '../execution/prepare-subscription.ts';
import type { ExecutionResponse } from '../execution/program.ts';
import type { Transports } from '../transports/transport.ts';
import { withFetchEvents } from '../transports/with-fetch-events.ts';
import { beginCalls } from './begin-calls.ts';
import type { RequestContext } from './context.ts';
import { createDebugLogPlugin } from './debug-log.ts';
import { createOperationEvents, type OperationEvents } from './operation-events.ts';
import { createCacheControlPlugin, reportPlugin } from './report.ts';
import type { RequestContexts } from './request-contexts.ts';
import { type Safelist, withSafelistedOperations } from './safelist.ts';

export type ApolloOptions = {
  readonly config: GatewayConfig;
  readonly supergraph: SupergraphSource;
  readonly transports: Transports;
  readonly log: Log;
  readonly telemetry: Telemetry;
  readonly contexts: Pick<RequestContexts, 'ofSubscriber'>;
  /** Yields between long stretches of synchronous work. */
  readonly turns: TurnQueue;
  /** Stores persisted queries. In memory by default. */
  readonly cache?: ApolloServer['cache'] | undefined;
  /** The operations that are known in advance. */
  readonly safelist: Safelist;
  /** Decides the access rules of the supergraph. */
  readonly findUnmetRules: FindUnmetRules;
  /** What is known of the costs of a subgraph's provider. Default: nothing. */
  readonly providerOf?: ((subgraph: string) => ProviderCosts | undefined) | undefined;
  /** Returns the source of live queries over subgraphs. Undefined if the changes of one of them are not known. */
  readonly createLiveSource?: LiveQueries<RequestContext>['createSource'] | undefined;
  /** Limits the provider calls of operations. Undefined if nobody's are limited. */
  readonly guard?: SpendingGuard<RequestContext> | undefined;
  readonly plugins: readonly ApolloServerPlugin<RequestContext>[];
};

/**
 * Every code that a response error can have, except those of external subgraphs. `docs/errors.md` documents each of them. An error
 * with any other code is an internal error, and its message is only logged.
 */
export const PUBLIC_ERROR_CODES: ReadonlySet<string> = new Set(ERROR_CODES);

export type GraphPipeline = {
  /** The started server. */
  readonly apollo: ApolloServer<RequestContext>;
  /** Returns the current public schema as SDL. */
  readonly schemaText: () => string;
  /** Converts the errors of an execution to their public form. */
  readonly toClientErrors: (errors: ExecutionResponse['errors']) => GraphQLFormattedError[];
  /** Announces operations whose response is a stream, and the responses to its events. */
  readonly announce: OperationEvents['announce'];
};

/** Creates and starts the GraphQL pipeline: the supergraph behind Apollo Server. */
export const createApollo = async ({
  config,
  supergraph,
  transports,
  log,
  telemetry,
  contexts,
  turns,
  cache = new InMemoryLRUCache(),
  safelist,
  findUnmetRules,
  providerOf = () => undefined,
  createLiveSource,
  guard,
  plugins,
}: ApolloOptions): Promise<GraphPipeline> => {
  const { gateway, validate, planCache } = createCompiledGateway<RequestContext>({
    supergraph,
    clientsOf: (sdl) => {
      const transportOf = transports.of(sdl);
      return (name) => withFetchEvents(name, transportOf(name), telemetry);
    },
    log,
    maxPrograms: config.maxPrograms,
    maxProgramBytes: config.maxProgramBytes,
    overrideLabels: config.overrideLabels,
    estimateLimits: config.estimateLimits,
    maxAnswerValues: config.maxAnswerValues,
    maxRunningValues: config.maxRunningValues,
    turns,
    requestTimeoutMs: config.requestTimeoutMs,
    planningTimeoutMs: config.planningTimeoutMs,
    introspection: config.introspection,
    authorization: {
      findUnmet: (rules, operationName, { identity, requestHeaders }) =>
        findUnmetRules(rules, { identity, headers: requestHeaders, operationName }),
      rejects: config.authorization.unauthorized === 'reject',
    },
    onPlan: (event, { call }) => telemetry.emit({ type: 'plan', ...event }, call.requestStats),
    retain: contexts.ofSubscriber,
    live: createLiveSource && { createSource: createLiveSource, readsOf: ({ reads }) => reads },
    callCosts: {
      providerOf,
      measurements: createMeasurements(),
      onError: (error) => log.error({ err: error }, 'The cost of an operation cannot be measured.'),
      inputOf: ({ identity, options }) => ({
        isCustomer: identity.customerEmail !== undefined,
        noCache: options.noCache,
      }),
      begin: (cost, context, kind) =>
        guard
          ? guard.spend(cost.bySubgraph, context, kind).then((spending) => beginCalls(cost, context, spending))
          : beginCalls(cost, context),
      preview: async (cost, context) => guard?.preview(cost.bySubgraph, context),
    },
  });
  telemetry.describe('planCache', planCache);
  const documents = createDocumentGuard<RequestContext>({
    limits: config.documentLimits,
    validate,
    turns,
    signalOf: ({ options }) => options.signal,
  });
  const errorTraces = createErrorTraces<RequestContext>();
  const formatError = (error: GraphQLFormattedError, thrown: unknown): GraphQLFormattedError =>
    config.subgraphErrors !== 'bundled' && isSubgraphError(error)
      ? error
      : toClientError(error, thrown, errorTraces.logFor(log, thrown));
  // Subjects of several issuers may be the same.
  const operationEvents = createOperationEvents(telemetry, { namesIssuers: config.auth.issuers.length > 1 });
  const apollo = new ApolloServer<RequestContext>({
    gateway,
    logger: log,
    introspection: config.introspection,
    ...documents.options,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    formatError,
    cache,
    persistedQueries: { cache: withSafelistedOperations(safelist, cache) },
    plugins: [
      documents.plugin,
      graphqlOverHttp,
      errorTraces.plugin,
      requireOperation,
      reportPlugin,
      operationEvents.plugin,
      ...(log.isLevelEnabled('debug') ? [createDebugLogPlugin(log)] : []),
      createCacheControlPlugin(config.cacheScope),
      ...plugins,
      config.explorer
        ? ApolloServerPluginLandingPageLocalDefault({ embed: SANDBOX, footer: false })
        : ApolloServerPluginLandingPageDisabled(),
    ],
  });
  let schema: GraphQLSchema | undefined;
  apollo.addPlugin({
    serverWillStart: async () => ({
      schemaDidLoadOrUpdate: ({ apiSchema }) => {
        schema = apiSchema;
      },
    }),
  });
  await apollo.start();
  return {
    apollo,
    schemaText: () => (schema ? `${printSchema(lexicographicSortSchema(schema))}\n` : ''),
    toClientErrors: (errors) => toGraphQLErrors(errors).map((error) => formatError(error.toJSON(), error)),
    announce: operationEvents.announce,
  };
};

const SANDBOX = {
  // Shows the cost of each query by default.
  initialState: { sharedHeaders: { 'x-tributary-report': '1' } },
  runTelemetry: false,
};

// Apollo Server leaves both checks to the executor, which would report them with other codes than Apollo Server's own.
const requireOperation: ApolloServerPlugin<RequestContext> = {
  requestDidStart: async () => ({
    didResolveOperation: async ({ operation, request, contextValue: { onSubscription, explain } }) => {
      if (!operation) {
        const message = request.operationName
          ? 'The document has no operation with that name.'
          : 'The document has several operations. Select one with operationName.';
        throw badRequest(message, ApolloServerErrorCode.OPERATION_RESOLUTION_FAILURE);
      }
      if (operation.operation === 'subscription' && !onSubscription && !explain) throw streamRequired();
    },
  }),
};

const badRequest = (message: string, code: string, status = 400): GraphQLError =>
  new GraphQLError(message, { extensions: { code, http: { status } } });

const streamRequired = (): GraphQLError =>
  badRequest(
    'The response to a subscription is a stream. Accept text/event-stream or multipart/mixed;subscriptionSpec=1.0, or use a WebSocket.',
    ApolloServerErrorCode.BAD_REQUEST,
    406,
  );

/** Returns whether an error came from a subgraph. The gateway sets `serviceName` on errors that are already safe for clients. */
const isSubgraphError = ({ extensions }: GraphQLFormattedError): boolean => extensions?.['serviceName'] !== undefined;

/** Returns the HTTP status that an error requests, if any. */
const statusOf = (thrown: unknown): number | undefined =>
  thrown instanceof GraphQLError ? (thrown.extensions['http'] as { status?: number } | undefined)?.status : undefined;

/** Converts an error to its public form. `thrown` is the original error. */
const toClientError = (error: GraphQLFormattedError, thrown: unknown, log: Log): GraphQLFormattedError => {
  const code = String(error.extensions?.['code']);
  // A mutation sent with GET.
  if (code === ApolloServerErrorCode.BAD_REQUEST && statusOf(thrown) === 405) {
    return { message: error.message, extensions: { code: 'METHOD_NOT_ALLOWED' } };
  }
  if (code !== ApolloServerErrorCode.INTERNAL_SERVER_ERROR && PUBLIC_ERROR_CODES.has(code)) return error;
  // Apollo Server's own rejections of persisted queries have a status but no code.
  if (statusOf(thrown) === 400) {
    return { message: error.message, extensions: { code: ApolloServerErrorCode.BAD_REQUEST } };
  }
  log.error({ error }, 'An error has no public code.');
  const { path, extensions: { serviceName } = {} } = error;
  return {
    message: 'Something went wrong on our side.',
    ...(path && { path }),
    extensions: {
      code: ApolloServerErrorCode.INTERNAL_SERVER_ERROR,
      ...(serviceName !== undefined && { serviceName }),
    },
  };
};
