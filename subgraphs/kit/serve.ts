import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import { ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import type { FastifyRequest } from 'fastify';
import { GraphQLError, specifiedRules, validate } from 'graphql';
import { type AdmissionLimits, createAdmission, withAdmission } from '../../runtime/admission.ts';
import { monotonicNow } from '../../runtime/clock.ts';
import type { HostPolicy } from '../../runtime/hosts.ts';
import { createHttpApp, requestSignal } from '../../runtime/http-app.ts';
import type { HttpLimits } from '../../runtime/http-limits.ts';
import type { Running } from '../../runtime/lifecycle.ts';
import type { Log } from '../../runtime/log.ts';
import { createTurnQueue } from '../../runtime/turn-queue.ts';
import { toPublicError } from './errors.ts';
import type { FieldContext } from './field.ts';
import { graphqlOverHttp, refuseUnacceptable } from './graphql-over-http.ts';
import { UNRESTRICTED } from './identity.ts';
import { createDocumentGuard } from './limits/document-guard.ts';
import type { DocumentLimits } from './limits/document-limits.ts';
import {
  createRequestOptions,
  type OperationOptions,
  type RequestTelemetry,
  readOptionHeaders,
  toReport,
} from './protocol.ts';
import type { Subgraph } from './subgraph.ts';

type FetchContext = FieldContext & { readonly telemetry: RequestTelemetry; readonly signal: AbortSignal };

/** Reports stale values to the gateway and, on request, call statistics and remaining freshness. */
const reportPlugin: ApolloServerPlugin<FetchContext> = {
  requestDidStart: async () => ({
    willSendResponse: async ({ response, contextValue }) => {
      const report = toReport(contextValue.stale, contextValue.telemetry);
      if (!report || response.body.kind !== 'single') return;
      response.body.singleResult.extensions = { tributary: report };
    },
  }),
};

export type ServeOptions = {
  readonly port: number;
  readonly host: string;
  readonly shutdownDelayMs: number;
  readonly shutdownGraceMs: number;
  /** Timeout of a request without a deadline of its own, in milliseconds. */
  readonly requestTimeoutMs: number;
  /** Maximum number of running and waiting requests, of all subgraphs together. */
  readonly admission: AdmissionLimits;
  readonly http: HttpLimits;
  /** Limits on the documents that a gateway may send. */
  readonly documentLimits: DocumentLimits;
  /** The host names that the gateway may use for this process. */
  readonly hosts: HostPolicy;
  readonly log: Log;
  /** Returns details for `/health/ready`. */
  readonly health: () => Readonly<Record<string, string>>;
};

/** Maximum number of errors reported for one document, or for the variables of one request. */
const MAX_ERRORS = 10;

/** Serves subgraphs over HTTP, each at `/<its name>`. */
export const serve = async (
  subgraphs: readonly Subgraph[],
  options: ServeOptions,
): Promise<Running & { readonly url: string }> => {
  const {
    port,
    host,
    shutdownDelayMs,
    shutdownGraceMs,
    requestTimeoutMs,
    admission: admissionLimits,
    http,
    hosts,
    log,
    health,
  } = options;
  const turns = createTurnQueue();
  const { app, listen, close } = createHttpApp({
    log,
    shutdownDelayMs,
    shutdownGraceMs,
    limits: http,
    hosts,
    turns,
    health,
  });
  const admission = createAdmission(admissionLimits);
  const arrivals = new WeakMap<FastifyRequest, OperationOptions>();
  const arrivalOf = (request: FastifyRequest) => arrivals.get(request) as OperationOptions;
  const servers: ApolloServer<FetchContext>[] = [];
  const documents = createDocumentGuard<FetchContext>({
    limits: options.documentLimits,
    validate: (schema, document) => validate(schema, document, specifiedRules, { maxErrors: MAX_ERRORS }),
    signalOf: ({ signal }) => signal,
    turns,
  });
  for (const { name, schema, credentials, createContext, warmUp } of subgraphs) {
    const apollo = new ApolloServer<FetchContext>({
      schema,
      logger: log,
      introspection: true,
      ...documents.options,
      executionOptions: { maxCoercionErrors: MAX_ERRORS },
      includeStacktraceInErrorResponses: false,
      stopOnTerminationSignals: false,
      formatError: (formatted, error) =>
        error instanceof GraphQLError ? toPublicError(error, log, credentials) : formatted,
      plugins: [documents.plugin, graphqlOverHttp, ApolloServerPluginLandingPageDisabled(), reportPlugin],
    });
    await apollo.start();
    servers.push(apollo);
    app.route({
      url: `/${name}`,
      method: ['GET', 'POST'],
      exposeHeadRoute: false,
      onRequest: (request, reply, done) => {
        if (refuseUnacceptable(request, reply)) return;
        const { timeoutMs = requestTimeoutMs, ...options } = readOptionHeaders(request.headers);
        const signal = requestSignal(reply, timeoutMs);
        arrivals.set(request, { ...options, signal, deadlineAt: monotonicNow() + timeoutMs });
        done();
      },
      handler: withAdmission(
        admission,
        (request) => arrivalOf(request).signal,
        fastifyApolloHandler(apollo, {
          context: async (request) => {
            const arrival = arrivalOf(request);
            const { call, ...telemetry } = createRequestOptions(arrival);
            return { ...createContext(call, UNRESTRICTED), telemetry, stale: [], signal: arrival.signal };
          },
        }),
      ),
    });
    void warmUp?.();
  }
  return {
    url: await listen({ port, host }),
    close: async () => {
      await close();
      await Promise.all(servers.map((server) => server.stop()));
      await Promise.all(subgraphs.map((subgraph) => subgraph.close()));
    },
  };
};
