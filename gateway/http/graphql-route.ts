import { fastifyApolloHandler } from '@as-integrations/fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Admission, withAdmission } from '../../runtime/admission.ts';
import { appendHeader } from '../../runtime/append-header.ts';
import { monotonicNow } from '../../runtime/clock.ts';
import { type HttpApp, requestSignal } from '../../runtime/http-app.ts';
import { networkOf } from '../../runtime/network.ts';
import { onResponseClose } from '../../runtime/on-response-close.ts';
import { sendRefusal } from '../../runtime/send-refusal.ts';
import { refuseUnacceptable } from '../../subgraphs/kit/graphql-over-http.ts';
import { ANONYMOUS, type Identity } from '../../subgraphs/kit/identity.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { RequestTrace } from '../../telemetry/traces/request-trace.ts';
import { readTraceParent } from '../../telemetry/traces/trace-context.ts';
import type { Tracing } from '../../telemetry/traces/tracing.ts';
import type { GatewayConfig } from '../config.ts';
import { rateLimitHeaders } from '../cost/client-limits.ts';
import { type StreamOptions, streamTypeFor } from '../subscriptions/stream.ts';
import type { GraphPipeline } from './apollo.ts';
import type { GatewayAudit } from './audit-plugin.ts';
import { unlimited } from './client-limits.ts';
import type { RequestContext } from './context.ts';
import type { Gate, RefusedSender } from './gate.ts';
import { createIncrementalHandler, incrementalTypeFor } from './incremental.ts';
import type { Arrival, RequestContexts } from './request-contexts.ts';
import type { IdentifySender } from './senders.ts';
import { addLandingPageHeaders } from './static-pages.ts';
import { createStreamHandler } from './streams.ts';
import type { GatewaySubscriptions } from './subscriptions.ts';

export type GraphqlRouteOptions = Pick<GraphPipeline, 'apollo' | 'toClientErrors'> & {
  readonly gate: Gate;
  readonly identify: IdentifySender;
  readonly admission: Admission;
  readonly contexts: RequestContexts;
  readonly subscriptions: GatewaySubscriptions;
  readonly sending: StreamOptions['sending'];
  readonly streaming: HttpApp['streaming'];
  readonly telemetry: Telemetry;
  /** Traces requests, if set. */
  readonly tracing: Tracing | undefined;
  readonly audit: Pick<GatewayAudit, 'onRefusal'> | undefined;
  /** The request headers that change a response: those that subgraphs or providers are told of, and credentials. */
  readonly varyHeaders: readonly string[];
  readonly config: GatewayConfig;
};

/**
 * Serves operations over HTTP at `/graphql`, and announces the refusals of all routes. Returns a function that finds out who sends a
 * request, or refuses it.
 */
export const registerGraphqlRoute = (
  app: FastifyInstance,
  {
    apollo,
    toClientErrors,
    gate,
    identify,
    admission,
    contexts,
    subscriptions,
    sending,
    streaming,
    telemetry,
    tracing,
    audit,
    varyHeaders,
    config,
  }: GraphqlRouteOptions,
): ((request: FastifyRequest, reply: FastifyReply) => Promise<Identity | undefined>) => {
  const requestTraces = new WeakMap<FastifyRequest, RequestTrace>();
  /** The senders of requests, also of those that are refused later. */
  const identities = new WeakMap<FastifyRequest, Identity>();
  /** The requests that were refused, or whose operation has its response. */
  const announced = new WeakSet<FastifyRequest>();
  const arrivals = new WeakMap<FastifyRequest, Arrival>();
  const arrivalOf = (request: FastifyRequest) => arrivals.get(request) as Arrival;

  const traceIdOf = (request: FastifyRequest): string | undefined =>
    (requestTraces.get(request) ?? readTraceParent(request.headers['traceparent']))?.traceId;
  const beginTrace = (request: FastifyRequest, { raw }: FastifyReply, startedAt: number): void => {
    if (!tracing) return;
    const { method, headers } = request;
    const scheme = config.tls ? 'https' : 'http';
    const trace = tracing.begin({ headers, method, route: '/graphql', scheme, startedAt });
    requestTraces.set(request, trace);
    trace.follow(raw);
  };

  app.decorate('onRefusal', (request, code) => {
    announced.add(request);
    const traceId = traceIdOf(request);
    telemetry.emit({ type: 'refusal', code, network: networkOf(request.ip ?? ''), traceId });
    audit?.onRefusal(request, code, { identity: identities.get(request), traceId });
  });

  const refuse = (
    request: FastifyRequest,
    reply: FastifyReply,
    { refusal, authenticated, challenge }: Omit<RefusedSender, 'usages'>,
  ): FastifyReply => {
    if (authenticated) identities.set(request, authenticated);
    if (challenge) reply.header('www-authenticate', challenge);
    if (refusal.retryAfterS !== undefined) reply.header('retry-after', refusal.retryAfterS);
    return sendRefusal(reply, refusal);
  };

  const contextOf = (
    request: FastifyRequest,
    reply: FastifyReply,
    onSubscription?: RequestContext['onSubscription'],
    recipient?: RequestContext['recipient'],
  ): RequestContext =>
    contexts.ofRequest(arrivalOf(request), {
      headers: request.headers,
      isGet: request.method === 'GET',
      address: () => request.ip,
      requestTrace: requestTraces.get(request),
      traceId: traceIdOf(request),
      returnHeader: (name, value) => appendHeader(reply, name, value),
      setHeader: (name, value) => void reply.header(name, value),
      onOperation: () => void announced.add(request),
      onSubscription,
      recipient,
      onClose: (callback) => onResponseClose(reply.raw, callback),
    });
  const respond = fastifyApolloHandler<RequestContext>(apollo, {
    context: async (request, reply) => contextOf(request, reply),
  });
  const stream = createStreamHandler({ apollo, subscriptions, contextOf, sending, streaming, config });
  const respondInParts = createIncrementalHandler({
    apollo,
    contextOf: (request, reply, { recipient }) => contextOf(request, reply, undefined, recipient),
    toClientErrors,
    sending,
    config,
  });

  app.route({
    url: '/graphql',
    method: ['GET', 'POST'],
    exposeHeadRoute: false,
    // Before the body is read.
    onRequest: async (request, reply) => {
      const arrivedAt = monotonicNow();
      beginTrace(request, reply, arrivedAt);
      const isGet = request.method === 'GET';
      // Responses to GET may be cached.
      if (isGet) for (const name of ['accept', ...varyHeaders]) appendHeader(reply, 'vary', name);
      const { accept } = request.headers;
      const isStream = streamTypeFor(accept) !== undefined || incrementalTypeFor(accept) !== undefined;
      if (!isStream && refuseUnacceptable(request, reply, { html: config.explorer })) return reply;
      const deadline = {
        signal: requestSignal(reply, config.requestTimeoutMs),
        arrivedAt,
        deadlineAt: arrivedAt + config.requestTimeoutMs,
      };
      // Without parameters, `GET` is a person who opens the page of Apollo Sandbox. It executes nothing.
      const isPage = isGet && config.explorer && !request.url.includes('?');
      const passed = isPage
        ? { identity: ANONYMOUS, authenticated: ANONYMOUS, ...unlimited(ANONYMOUS, request.ip), refusal: undefined }
        : await gate.pass(request.raw, request.ip, deadline.signal);
      reply.headers(rateLimitHeaders(passed.usages));
      if (passed.refusal) return refuse(request, reply, passed);
      const { identity, authenticated, client, plan, usages } = passed;
      identities.set(request, authenticated);
      arrivals.set(request, { ...deadline, identity, client, plan, usages });
      return undefined;
    },
    preHandler: async (request, reply) => {
      const parameters = request.method === 'GET' ? queryParametersOf(request.url) : request.body;
      const refusal = gate.refusalOf(parameters, request.headers);
      if (refusal) await sendRefusal(reply, refusal);
    },
    onSend: [
      // Apollo Server refuses what is no single request, e.g. a batch, before it knows of an operation.
      async (request, reply) => {
        if (reply.statusCode < 400 || announced.has(request) || reply.raw.destroyed) return;
        app.onRefusal?.(request, reply.statusCode < 500 ? 'BAD_REQUEST' : 'INTERNAL_SERVER_ERROR');
      },
      ...(config.explorer ? [addLandingPageHeaders] : []),
    ],
    handler: withAdmission(admission, arrivalOf, function (request, reply) {
      const { accept } = request.headers;
      if (streamTypeFor(accept)) return stream(request, reply);
      return incrementalTypeFor(accept) ? respondInParts(request, reply) : respond.call(this, request, reply);
    }),
  });

  return async (request, reply) => {
    const sender = await identify(request.raw, requestSignal(reply, config.requestTimeoutMs));
    if ('identity' in sender) return sender.identity;
    refuse(request, reply, { authenticated: undefined, ...sender });
    return undefined;
  };
};

/** Parses the query string as Apollo Server does, so that both see the same operation. */
const queryParametersOf = (url: string): object => Object.fromEntries(new URL(url, 'http://gateway').searchParams);
