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
import { UPSTREAM_ERROR_CODES } from '../../connectors/errors.ts';
import { ROUTE_ERROR_CODES } from '../../runtime/http-errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { TurnQueue } from '../../runtime/turn-queue.ts';
import { graphqlOverHttp } from '../../subgraphs/kit/graphql-over-http.ts';
import { createDocumentGuard } from '../../subgraphs/kit/limits/document-guard.ts';
import { LIMIT_EXCEEDED } from '../../subgraphs/kit/limits/limit-error.ts';
import type { GatewayConfig } from '../config.ts';
import { createCompiledGateway, type SupergraphSource } from '../execution/gateway.ts';
import { withTrace } from '../transports/trace.ts';
import type { Transports } from '../transports/transport.ts';
import type { RequestContext } from './context.ts';
import { createFreshnessPlugin, reportPlugin } from './report.ts';
import { type Safelist, withListed } from './safelist.ts';

export type ApolloOptions = {
  readonly config: GatewayConfig;
  readonly supergraph: SupergraphSource;
  readonly transports: Transports;
  readonly log: Log;
  /** Spaces out what keeps the thread busy for long. */
  readonly turns: TurnQueue;
  /** Where persisted queries are kept; in memory by default. */
  readonly cache?: ApolloServer['cache'] | undefined;
  /** The operations that are known from the start. */
  readonly safelist: Safelist;
};

/**
 * Every code that an error of an answer can have, but for those of external subgraphs; `docs/errors.md` says what each
 * means. An error with another one is a fault of ours, and its message stays in the log.
 */
export const PUBLIC_ERROR_CODES: ReadonlySet<string> = new Set([
  ...Object.values(ApolloServerErrorCode),
  ...UPSTREAM_ERROR_CODES,
  ...ROUTE_ERROR_CODES,
  'PAYLOAD_TOO_LARGE',
  'OVERLOADED',
  'ERRORS_OMITTED',
  LIMIT_EXCEEDED,
  'OPERATION_TOO_COMPLEX',
  'OPERATION_UNRESOLVABLE',
  'REQUEST_TIMEOUT',
  'QUERY_NOT_IN_SAFELIST',
  'PERSISTED_QUERY_NOT_IN_LIST',
  'UNAUTHENTICATED',
  'FORBIDDEN',
]);

export type GraphPipeline = {
  /** It is started. */
  readonly apollo: ApolloServer<RequestContext>;
  /** The schema that clients see now. */
  readonly schemaText: () => string;
};

/** The GraphQL pipeline: the supergraph behind Apollo Server. */
export const createApollo = async ({
  config,
  supergraph,
  transports,
  log,
  turns,
  cache = new InMemoryLRUCache(),
  safelist,
}: ApolloOptions): Promise<GraphPipeline> => {
  // Apollo's gateway reports usage to Apollo from its construction on, unless the environment says otherwise, and
  // takes no option for it. The one place where this product writes to the environment.
  process.env['APOLLO_TELEMETRY_DISABLED'] ??= 'true';
  const { gateway, validate } = createCompiledGateway<RequestContext>({
    supergraph,
    clientsOf: (sdl) => {
      const of = transports.of(sdl);
      return (name) => withTrace(name, of(name));
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
  });
  const documents = createDocumentGuard<RequestContext>({
    limits: config.documentLimits,
    validate,
    turns,
    signalOf: ({ options }) => options.signal,
  });
  const apollo = new ApolloServer<RequestContext>({
    gateway,
    logger: log,
    introspection: config.introspection,
    ...documents.options,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    formatError: (error, thrown) =>
      config.subgraphErrors !== 'bundled' && isOfSubgraph(error) ? error : toClientError(error, thrown, log),
    cache,
    persistedQueries: { cache: withListed(safelist, cache) },
    plugins: [
      documents.plugin,
      graphqlOverHttp,
      requireOperation,
      reportPlugin,
      createFreshnessPlugin(config.cacheScope),
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
  return { apollo, schemaText: () => (schema ? `${printSchema(lexicographicSortSchema(schema))}\n` : '') };
};

const SANDBOX = {
  // So that what a query has cost is seen without knowing how to ask for it.
  initialState: { sharedHeaders: { 'x-tributary-report': '1' } },
  runTelemetry: false,
};

// Apollo Server leaves both to whoever executes, and the gateway's answers have codes that are none of Apollo Server's.
const requireOperation: ApolloServerPlugin<RequestContext> = {
  requestDidStart: async () => ({
    didResolveOperation: async ({ operation, request }) => {
      if (!operation) {
        const message = request.operationName
          ? 'The document has no operation of that name.'
          : 'The document has several operations: operationName has to say which.';
        throw refusal(message, ApolloServerErrorCode.OPERATION_RESOLUTION_FAILURE);
      }
      if (operation.operation === 'subscription') {
        throw refusal('The graph has no subscriptions.', ApolloServerErrorCode.GRAPHQL_VALIDATION_FAILED);
      }
    },
  }),
};

const refusal = (message: string, code: string): GraphQLError =>
  new GraphQLError(message, { extensions: { code, http: { status: 400 } } });

/** Whether a subgraph is named as the reason: the gateway's doing, for errors that the transport has made fit for clients. */
const isOfSubgraph = ({ extensions }: GraphQLFormattedError): boolean => extensions?.['serviceName'] !== undefined;

/** The status that an error gives the response, if any. */
const statusOf = (thrown: unknown): number | undefined =>
  thrown instanceof GraphQLError ? (thrown.extensions['http'] as { status?: number } | undefined)?.status : undefined;

/** What a client sees of an error. `thrown` is what it was made of. */
const toClientError = (error: GraphQLFormattedError, thrown: unknown, log: Log): GraphQLFormattedError => {
  const code = String(error.extensions?.['code']);
  // A mutation by GET.
  if (code === ApolloServerErrorCode.BAD_REQUEST && statusOf(thrown) === 405) {
    return { message: error.message, extensions: { code: 'METHOD_NOT_ALLOWED' } };
  }
  if (code !== ApolloServerErrorCode.INTERNAL_SERVER_ERROR && PUBLIC_ERROR_CODES.has(code)) return error;
  // Apollo Server's own refusals of a persisted query have a status and no code.
  if (statusOf(thrown) === 400) {
    return { message: error.message, extensions: { code: ApolloServerErrorCode.BAD_REQUEST } };
  }
  log.error({ error }, 'An error without a public code.');
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
