import { createHash, type Hash } from 'node:crypto';
import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import { ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GraphQLError, specifiedRules, validate } from 'graphql';
import type { AdminSubject } from '../../runtime/admin/server.ts';
import { type AdmissionLimits, createAdmission, withAdmission } from '../../runtime/admission.ts';
import { monotonicNow } from '../../runtime/clock.ts';
import type { HostPolicy } from '../../runtime/hosts.ts';
import { createHttpApp, type Health, requestSignal } from '../../runtime/http-app.ts';
import type { Refusal } from '../../runtime/http-errors.ts';
import type { HttpLimits } from '../../runtime/http-limits.ts';
import type { Log } from '../../runtime/log.ts';
import { networkOf } from '../../runtime/network.ts';
import { sendRefusal } from '../../runtime/send-refusal.ts';
import { createTurnQueue } from '../../runtime/turn-queue.ts';
import { createTelemetry, type Telemetry } from '../../telemetry/telemetry.ts';
import type { RequestTrace } from '../../telemetry/traces/request-trace.ts';
import { readTraceParent } from '../../telemetry/traces/trace-context.ts';
import type { Tracing } from '../../telemetry/traces/tracing.ts';
import { createErrorTraces } from './error-traces.ts';
import { toPublicError } from './errors.ts';
import type { FieldContext } from './field.ts';
import { graphqlOverHttp, refuseUnacceptable } from './graphql-over-http.ts';
import { type Identity, UNRESTRICTED } from './identity.ts';
import { createDocumentGuard } from './limits/document-guard.ts';
import type { DocumentLimits } from './limits/document-limits.ts';
import type { ProviderEvents } from './open-events.ts';
import { outcomeOf } from './outcome.ts';
import { type OperationOptions, readOptions } from './protocol/options.ts';
import { writeReport } from './protocol/report.ts';
import { createRequestVerifier, IDENTITY_HEADER, IDENTITY_SCHEME } from './protocol/signed-identity.ts';
import type { SubgraphSecrets } from './protocol/subgraph-secrets.ts';
import { createRequestOptions, type RequestTelemetry } from './request-options.ts';
import { createSubscriptionStreams, type SubscriptionOperation, subscriptionPlugin } from './serve-subscriptions.ts';
import type { Subgraph } from './subgraph.ts';

/** The state of a request before its body is read. */
type Arrival = OperationOptions & {
  readonly identity: Identity;
  readonly trace: RequestTrace | undefined;
  readonly traceId: string | undefined;
  /** SHA-256 of the body that was signed, base64url. Undefined if requests are not signed. */
  readonly bodyDigest: string | undefined;
  /** Computes that of the body while it arrives. */
  receivedBody: Hash | undefined;
};

type FetchContext = FieldContext & {
  readonly traceId: string | undefined;
  readonly trace: RequestTrace | undefined;
  readonly telemetry: Partial<RequestTelemetry>;
  readonly signal: AbortSignal;
  /** Receives the operation if it is a subscription. Undefined if the response cannot be a stream. */
  readonly onSubscription?: ((operation: SubscriptionOperation) => void) | undefined;
};

/** Reports stale values to the gateway and, on request, call statistics and remaining freshness. */
const reportPlugin: ApolloServerPlugin<FetchContext> = {
  requestDidStart: async () => ({
    willSendResponse: async ({ response, contextValue }) => {
      const report = writeReport(contextValue.stale, contextValue.telemetry);
      if (!report || response.body.kind !== 'single') return;
      response.body.singleResult.extensions = { tributary: report };
    },
  }),
};

/** Tells the trace of a request the outcome of its operation. */
const tracePlugin: ApolloServerPlugin<FetchContext> = {
  requestDidStart: async ({ contextValue: { trace, stale } }) => {
    if (!trace) return undefined;
    trace.begin();
    return {
      willSendResponse: async ({ response: { body }, operation, operationName }) => {
        if (body.kind !== 'single') return;
        const { data, errors } = body.singleResult;
        trace.answered({
          operationName: operation && (operationName ?? undefined),
          kind: operation?.operation,
          stale: stale.length,
          ...outcomeOf(data, errors),
        });
      },
    };
  },
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
  /** The secrets with which the gateway signs requests. Without any, every request is accepted. */
  readonly secrets: SubgraphSecrets;
  /** The host names that the gateway may use for this process. */
  readonly hosts: HostPolicy;
  readonly log: Log;
  /** Default: a stream of its own, without listeners. */
  readonly telemetry?: Telemetry;
  /** Traces requests, if set. */
  readonly tracing?: Tracing | undefined;
  /** Returns the events of a subgraph's provider. Undefined if they are not received. */
  readonly eventsOf?: ((subgraph: string) => ProviderEvents | undefined) | undefined;
  /** Returns details for `/health/ready`. */
  readonly health: () => Partial<Health>;
};

const UNSIGNED: Refusal = {
  status: 401,
  message: 'This subgraph takes signed requests of its gateway only. Set the same SUBGRAPH_SECRET for both.',
  code: 'UNAUTHENTICATED',
};

const refuseUnsigned = (reply: FastifyReply) =>
  sendRefusal(reply.header('www-authenticate', IDENTITY_SCHEME), UNSIGNED);

const acceptsStream = ({ headers }: FastifyRequest): boolean =>
  headers.accept?.startsWith('text/event-stream') ?? false;

const lastEventIdOf = ({ headers }: FastifyRequest): string | undefined => {
  const id = headers['last-event-id'];
  return typeof id === 'string' && id !== '' ? id : undefined;
};

/** Returns the deadline of an event's execution, which no client waits for. */
const deadlineIn = (timeoutMs: number): Pick<Arrival, 'signal' | 'deadlineAt'> => ({
  signal: AbortSignal.timeout(timeoutMs),
  deadlineAt: monotonicNow() + timeoutMs,
});

/** Maximum number of errors reported for one document, or for the variables of one request. */
const MAX_ERRORS = 10;

/** Serves subgraphs over HTTP, each at `/<its name>`. */
export const serve = async (
  subgraphs: readonly Subgraph[],
  options: ServeOptions,
): Promise<AdminSubject & { readonly url: string }> => {
  const {
    port,
    host,
    shutdownDelayMs,
    shutdownGraceMs,
    requestTimeoutMs,
    admission: admissionLimits,
    http,
    hosts,
    secrets,
    log,
    telemetry = createTelemetry(),
    tracing,
    eventsOf,
    health,
  } = options;
  const turns = createTurnQueue();
  const { app, status, listen, streaming, close } = createHttpApp({
    log,
    shutdownDelayMs,
    shutdownGraceMs,
    limits: http,
    hosts,
    turns,
    health,
    onStopping: () => streams.close(),
    onResponse: telemetry.hears('http.request')
      ? (exchange) => telemetry.emit({ type: 'http.request', ...exchange })
      : undefined,
  });
  const streams = createSubscriptionStreams(log, streaming);
  app.decorate('onRefusal', ({ ip, headers }, code) =>
    telemetry.emit({
      type: 'refusal',
      code,
      network: networkOf(ip ?? ''),
      traceId: readTraceParent(headers['traceparent'])?.traceId,
    }),
  );
  const admission = createAdmission(admissionLimits);
  telemetry.describe('admission', admission.state);
  const arrivals = new WeakMap<FastifyRequest, Arrival>();
  const arrivalOf = (request: FastifyRequest) => arrivals.get(request) as Arrival;
  const servers: ApolloServer<FetchContext>[] = [];
  const documents = createDocumentGuard<FetchContext>({
    limits: options.documentLimits,
    validate: (schema, document) => validate(schema, document, specifiedRules, { maxErrors: MAX_ERRORS }),
    signalOf: ({ signal }) => signal,
    turns,
  });
  const errorTraces = createErrorTraces<FetchContext>();
  for (const { name, schema, credentialsOf, createContext, warmUp } of subgraphs) {
    const apollo = new ApolloServer<FetchContext>({
      schema,
      logger: log,
      introspection: true,
      ...documents.options,
      executionOptions: { maxCoercionErrors: MAX_ERRORS },
      includeStacktraceInErrorResponses: false,
      stopOnTerminationSignals: false,
      formatError: (formatted, error) =>
        error instanceof GraphQLError
          ? toPublicError(error, errorTraces.logFor(log, error), credentialsOf?.())
          : formatted,
      plugins: [
        documents.plugin,
        graphqlOverHttp,
        ApolloServerPluginLandingPageDisabled(),
        subscriptionPlugin,
        reportPlugin,
        tracePlugin,
        errorTraces.plugin,
      ],
    });
    await apollo.start();
    servers.push(apollo);
    const contextOf = (arrival: Arrival): FetchContext => {
      const { call, callStats, freshness } = createRequestOptions({
        ...arrival,
        listeners: arrival.trace && [arrival.trace],
      });
      if (arrival.allowance) callStats.allow(name, arrival.allowance);
      const telemetry = { freshness, ...(arrival.report && { callStats }) };
      const { trace, traceId, signal } = arrival;
      return { ...createContext(call, arrival.identity), telemetry, stale: [], signal, trace, traceId };
    };
    const onSubscriptionOf = new WeakMap<FastifyRequest, NonNullable<FetchContext['onSubscription']>>();
    const handle = fastifyApolloHandler(apollo, {
      context: async (request) => ({
        ...contextOf(arrivalOf(request)),
        onSubscription: onSubscriptionOf.get(request),
      }),
    });
    const verify = createRequestVerifier(secrets.current, name);
    app.route({
      url: `/${name}`,
      method: ['GET', 'POST'],
      exposeHeadRoute: false,
      onRequest: async (request, reply) => {
        const arrivedAt = monotonicNow();
        const { method, headers } = request;
        const trace = tracing?.begin({ headers, method, route: `/${name}`, scheme: 'http', startedAt: arrivedAt });
        trace?.follow(reply.raw);
        if (!acceptsStream(request) && refuseUnacceptable(request, reply)) return reply;
        const signed = await verify?.(request.headers[IDENTITY_HEADER]);
        if (verify && !signed) return refuseUnsigned(reply.header('connection', 'close'));
        const { timeoutMs = requestTimeoutMs, ...options } = readOptions(request.headers);
        arrivals.set(request, {
          ...options,
          signal: requestSignal(reply, timeoutMs),
          deadlineAt: arrivedAt + timeoutMs,
          identity: signed?.identity ?? UNRESTRICTED,
          trace,
          traceId: (trace ?? readTraceParent(headers['traceparent']))?.traceId,
          bodyDigest: signed?.bodyDigest,
          receivedBody: signed && createHash('sha256'),
        });
        return undefined;
      },
      preParsing: (request, _reply, payload, done) => {
        const arrival = arrivalOf(request);
        // The body of a GET is not part of it, and is drained after the response.
        if (arrival.receivedBody && request.method !== 'GET') {
          payload.on('data', (chunk: Buffer) => arrival.receivedBody?.update(chunk));
        }
        done(null, payload);
      },
      preHandler: async (request, reply) => {
        const arrival = arrivalOf(request);
        const digest = arrival.receivedBody?.digest('base64url');
        // A digest cannot be computed further.
        arrival.receivedBody = undefined;
        if (digest !== arrival.bodyDigest) await refuseUnsigned(reply);
      },
      handler: withAdmission(admission, arrivalOf, async function (request, reply) {
        const { identity } = arrivalOf(request);
        let operation: SubscriptionOperation | undefined;
        if (acceptsStream(request)) {
          onSubscriptionOf.set(request, (subscription) => {
            operation = subscription;
          });
        }
        const body = await handle.call(this, request, reply);
        if (!operation) return body;
        return streams.respond(reply, {
          schema,
          operation,
          events: eventsOf?.(name),
          after: lastEventIdOf(request),
          customerEmail: identity.customerEmail,
          createContext: (purpose) =>
            purpose === 'request'
              ? contextOf(arrivalOf(request))
              : contextOf({
                  ...arrivalOf(request),
                  ...deadlineIn(requestTimeoutMs),
                  identity: purpose === 'event' ? identity : { ...identity, customerEmail: undefined },
                }),
          extensionsOf: (context, decisions) => {
            const { stale, telemetry: reported } = context as FetchContext;
            const report = writeReport(stale, reported, decisions);
            return report && { tributary: report };
          },
          toPublic: (error) => toPublicError(error, log, credentialsOf?.()),
        });
      }),
    });
    void warmUp?.();
  }
  return {
    url: await listen({ port, host }),
    health: () => ({ status: status(), ...health() }),
    close: async () => {
      await close();
      await Promise.all(servers.map((server) => server.stop()));
      await Promise.all(subgraphs.map((subgraph) => subgraph.close()));
    },
  };
};
