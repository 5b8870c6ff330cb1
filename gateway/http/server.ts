import { fastifyApolloHandler } from '@as-integrations/fastify';
import cors from '@fastify/cors';
import type { FastifyReply, FastifyRequest } from 'fastify';
import product from '../../package.json' with { type: 'json' };
import { refuseOutsiders, registerAdminRoutes } from '../../runtime/admin/server.ts';
import { createAdmission, withAdmission } from '../../runtime/admission.ts';
import { appendHeader } from '../../runtime/append-header.ts';
import { monotonicNow } from '../../runtime/clock.ts';
import { createHttpApp, type Health, requestSignal } from '../../runtime/http-app.ts';
import { createLog } from '../../runtime/log.ts';
import { networkOf } from '../../runtime/network.ts';
import { onResponseClose } from '../../runtime/on-response-close.ts';
import { sendError, sendRefusal } from '../../runtime/send-refusal.ts';
import { createTurnQueue } from '../../runtime/turn-queue.ts';
import { refuseUnacceptable } from '../../subgraphs/kit/graphql-over-http.ts';
import { ANONYMOUS, type Identity } from '../../subgraphs/kit/identity.ts';
import type { ProcessInfrastructure } from '../../subgraphs/kit/infrastructure.ts';
import type { Tenants } from '../../subgraphs/kit/tenants.ts';
import { createRequestLog } from '../../telemetry/request-log.ts';
import type { ReadReport } from '../../telemetry/start.ts';
import type { ProcessReport } from '../../telemetry/status/describe.ts';
import { createReadiness, type Readiness } from '../../telemetry/status/readiness.ts';
import { createStatusRoutes } from '../../telemetry/status/routes.ts';
import type { RequestTrace } from '../../telemetry/traces/request-trace.ts';
import { readTraceParent } from '../../telemetry/traces/trace-context.ts';
import type { Tracing } from '../../telemetry/traces/tracing.ts';
import { authenticatesRequests } from '../auth/auth-config.ts';
import { createAuthorizer } from '../auth/authorizer.ts';
import { loadPolicies } from '../auth/policies.ts';
import { type Admitted, rateLimitHeaders } from '../cost/client-limits.ts';
import { RATE_LIMIT_HEADERS } from '../cost/rate-limit-headers.ts';
import type { StartedGateway } from '../started-gateway.ts';
import { streamTypeFor } from '../subscriptions/stream.ts';
import { type ApolloOptions, createApollo } from './apollo.ts';
import { openClientLimits, unlimited } from './client-limits.ts';
import type { RequestContext } from './context.ts';
import { createIncrementalHandler, incrementalTypeFor } from './incremental.ts';
import { toReachableUrl } from './reachable-url.ts';
import { type Arrival, createRequestContexts, EXPLAIN_HEADER, NOT_EXPLAINED, pick } from './request-contexts.ts';
import { createSafelistGuard, hasInvalidHash, readRequestedOperation, readSafelist } from './safelist.ts';
import { createIdentifySender } from './senders.ts';
import { serveSockets } from './sockets.ts';
import { addLandingPageHeaders, registerPages } from './static-pages.ts';
import { createStreamHandler } from './streams.ts';
import { createGatewaySubscriptions } from './subscriptions.ts';
import { registerWebhooks, type Webhooks } from './webhooks.ts';

export type GatewayServer = {
  readonly url: string;
  /** Returns the state in detail. Its `status` is `ok`, or `stopping` after `close` was called. */
  readonly health: () => Health;
  /** Reads what the status page shows of this process. */
  readonly report: (() => ProcessReport) | undefined;
  /** Stops accepting requests, finishes running ones within the grace period, then closes everything. */
  readonly close: () => Promise<void>;
};

/** The recorded activity of this process's providers, and the data source of each subgraph. */
export type StatusSources = { readonly report: ReadReport; readonly sources: StartedGateway['sources'] };

export type GatewayServerOptions = Omit<
  ApolloOptions,
  'cache' | 'safelist' | 'turns' | 'findUnmetRules' | 'guard' | 'plugins'
> &
  Pick<ProcessInfrastructure, 'redis' | 'health'> & {
    /** The data for the status page and readiness. Undefined if neither is on. */
    readonly status?: StatusSources | undefined;
    /** Traces requests, if set. The caller closes it. */
    readonly tracing?: Tracing | undefined;
    /** The tenants whose providers this process calls. */
    readonly tenants?: Tenants | undefined;
    /** The webhooks that are received, if any. The caller closes their inbox. */
    readonly webhooks?: Webhooks | undefined;
  };

/** Starts the HTTP server of the gateway. If that fails, closes what it has opened, except the transports. */
export const startGatewayServer = async (options: GatewayServerOptions): Promise<GatewayServer> => {
  const opened: Close[] = [];
  const logs: Close[] = [];
  try {
    const server = await openGatewayServer(options, { opened, logs });
    // Operations that ran past the grace period end when the transports close, and are still logged.
    return { ...server, close: () => closeAll([...opened.toReversed(), options.transports.close, ...logs]) };
  } catch (error) {
    await closeAll([...opened.toReversed(), ...logs]);
    throw error;
  }
};

type Close = () => Promise<void>;

const closeAll = async (all: readonly Close[]): Promise<void> => {
  for (const close of all) await close();
};

/**
 * Starts the server, and adds a function for each part that has to be closed, in the order in which they were opened: to `logs` for
 * those that record how operations end, and to `opened` for the others.
 */
const openGatewayServer = async (
  { redis, health, tenants, webhooks, status: statusSources, tracing, ...options }: GatewayServerOptions,
  { opened, logs }: { readonly opened: Close[]; readonly logs: Close[] },
): Promise<Omit<GatewayServer, 'close'>> => {
  const { config, log, telemetry } = options;
  const { policiesFile, policyTimeoutMs: timeoutMs } = config.authorization;
  const decide = policiesFile === undefined ? undefined : await loadPolicies(policiesFile);
  // Loaded only with Redis, because its client is slow to load.
  const cache = redis && (await import('./apq-cache.ts')).createApqCache(redis);
  // Also read without a safelist: apps can then send hashes without registering their texts first.
  const safelist = await readSafelist(config.safelistManifests);
  const checkSafelist =
    config.safelist === 'off'
      ? undefined
      : createSafelistGuard(safelist, { reportOnly: config.safelist === 'learn', log });
  // Loaded only where it is on.
  const audit = config.audit && (await (await import('./audit-plugin.ts')).startAudit(config.audit, log));
  if (audit) logs.push(audit.close);
  if (config.requestLog) {
    // Written whatever the level of the log: it has a variable of its own.
    const stopLogging = telemetry.listen(createRequestLog({ ...config.requestLog, log: createLog('info') }));
    logs.push(async () => stopLogging());
  }
  const stopWatching = config.watchSecrets(log);
  opened.push(async () => stopWatching());
  const isDebug = log.isLevelEnabled('debug');
  const turns = createTurnQueue();
  const clientLimits = await openClientLimits({ config, supergraph: options.supergraph, redis, log });
  opened.push(async () => clientLimits.close());
  const { apollo, schemaText, toClientErrors, announce } = await createApollo({
    ...options,
    turns,
    cache,
    safelist,
    findUnmetRules: createAuthorizer(decide && { decide, timeoutMs, log }),
    guard: clientLimits.guard,
    plugins: audit ? [audit.plugin] : [],
  });
  opened.push(() => apollo.stop());
  const readiness: () => Partial<Health> = statusSources
    ? createReadiness(config.readiness, statusSources.report)
    : () => ({});
  const details = () => ({ ...health(), ...audit?.health(), ...readiness() });
  // Before the grace period, which they would wait out.
  let endSubscriptions = (): void => {};
  const { app, upgraded, status, listen, sending, close } = createHttpApp({
    log,
    shutdownDelayMs: config.shutdownDelayMs,
    shutdownGraceMs: config.shutdownGraceMs,
    limits: config.http,
    tls: config.tls,
    hosts: config.hosts,
    turns,
    // Anybody may ask for it. The admin endpoints have the details.
    onStopping: () => endSubscriptions(),
    health: config.isProduction ? () => publicHealth(config.readiness, readiness) : details,
    onResponse: telemetry.hears('http.request')
      ? (exchange) => telemetry.emit({ type: 'http.request', ...exchange })
      : undefined,
  });
  const currentStatus = (): string => readiness().status ?? status();
  const requestTraces = new WeakMap<FastifyRequest, RequestTrace>();
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
  // A trace is continued with spans of the gateway's own.
  const forwardHeaders = tracing ? config.forwardHeaders.filter((name) => !isTraceHeader(name)) : config.forwardHeaders;
  /** The senders of requests, also of those that are refused later. */
  const identities = new WeakMap<FastifyRequest, Identity>();
  /** The requests that were refused, or whose operation has its response. */
  const announced = new WeakSet<FastifyRequest>();
  app.decorate('onRefusal', (request, code) => {
    announced.add(request);
    const traceId = traceIdOf(request);
    telemetry.emit({ type: 'refusal', code, network: networkOf(request.ip ?? ''), traceId });
    audit?.onRefusal(request, code, { identity: identities.get(request), traceId });
  });
  await app.register(cors, {
    origin: config.corsOrigins.includes('*') ? true : [...config.corsOrigins],
    methods: ['GET', 'POST'],
    maxAge: 86_400,
    ...(config.clientLimits && { exposedHeaders: RATE_LIMIT_HEADERS }),
  });
  const contexts = createRequestContexts(config, { forwardHeaders, isDebug });
  // Loaded only where it is used, because the verification of tokens is slow to load.
  const authenticator = authenticatesRequests(config.auth)
    ? await (await import('../auth/authenticate.ts')).createAuthenticator(config.auth, { app, redis, log })
    : undefined;
  if (authenticator) opened.push(authenticator.close);
  const identifySender = createIdentifySender({
    authenticator,
    tenants: { tenants, header: config.tenantHeader },
    hasExternalRules: config.supergraphFile !== undefined,
  });
  const varyHeaders = [...config.forwardHeaders, ...(config.tenantHeader ? [config.tenantHeader] : [])];
  /** Returns who sends a request, or undefined if it was refused. Refuses it when `signal` fires before that is known. */
  const identify = async (
    request: FastifyRequest,
    reply: FastifyReply,
    signal = requestSignal(reply, config.requestTimeoutMs),
  ): Promise<Identity | undefined> => {
    const sender = await identifySender(request.raw, signal);
    if (sender.authenticated) identities.set(request, sender.authenticated);
    if ('identity' in sender) return sender.identity;
    if (sender.challenge) reply.header('www-authenticate', sender.challenge);
    sendRefusal(reply, sender.refusal);
    return undefined;
  };
  /** Counts a request. Returns its client, or undefined if the request was refused. */
  const admit = async (
    identity: Identity,
    { ip }: FastifyRequest,
    reply: FastifyReply,
  ): Promise<Admitted | undefined> => {
    const admitted = await clientLimits.admit(identity, ip);
    reply.headers(rateLimitHeaders(admitted.usages));
    const { refusal } = admitted;
    if (!refusal) return admitted;
    if (refusal.retryAfterS !== undefined) reply.header('retry-after', refusal.retryAfterS);
    sendRefusal(reply, refusal);
    return undefined;
  };
  const admission = createAdmission(config.admission);
  telemetry.describe('admission', admission.state);
  const arrivals = new WeakMap<FastifyRequest, Arrival>();
  const arrivalOf = (request: FastifyRequest) => arrivals.get(request) as Arrival;
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
  const subscriptions = createGatewaySubscriptions({ config, contexts, telemetry, log, toClientErrors, announce });
  const sockets = serveSockets(app, upgraded, {
    apollo,
    subscriptions,
    contexts,
    identify: identifySender,
    admit: clientLimits.admit,
    admission,
    checkSafelist,
    clientHeaders: CLIENT_HEADERS,
    parameterHeaders: [...CREDENTIAL_HEADERS, ...CLIENT_HEADERS, ...varyHeaders],
    onRefused: ({ code, address, identity }) => {
      telemetry.emit({ type: 'refusal', code, network: networkOf(address), traceId: undefined });
      audit?.onRefusal({ ip: address }, code, { identity, traceId: undefined });
    },
    config,
    log,
  });
  endSubscriptions = () => {
    subscriptions.close();
    sockets.close();
  };
  const stream = createStreamHandler({ apollo, subscriptions, contextOf, sending, config });
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
      if (isGet) appendHeader(reply, 'vary', 'accept');
      if (isGet && authenticator) for (const name of CREDENTIAL_HEADERS) appendHeader(reply, 'vary', name);
      // A browser's cache, too, must distinguish responses by whatever a subgraph or a provider is told of the client.
      if (isGet) for (const name of varyHeaders) appendHeader(reply, 'vary', name);
      const { accept } = request.headers;
      const isStream = streamTypeFor(accept) !== undefined || incrementalTypeFor(accept) !== undefined;
      if (!isStream && refuseUnacceptable(request, reply, { html: config.explorer })) return reply;
      if (request.headers[EXPLAIN_HEADER] !== undefined && !config.reportAllowed) {
        return sendRefusal(reply, NOT_EXPLAINED);
      }
      const deadline = {
        signal: requestSignal(reply, config.requestTimeoutMs),
        arrivedAt,
        deadlineAt: arrivedAt + config.requestTimeoutMs,
      };
      // Without parameters, `GET` is a person who opens the page of Apollo Sandbox. It executes nothing.
      const isPage = isGet && config.explorer && !request.url.includes('?');
      const identity = isPage ? ANONYMOUS : await identify(request, reply, deadline.signal);
      if (!identity) return reply;
      const admitted = isPage ? unlimited(identity, request.ip) : await admit(identity, request, reply);
      if (!admitted) return reply;
      arrivals.set(request, { ...deadline, identity, ...admitted });
      return undefined;
    },
    preHandler: async (request, reply) => {
      const parameters = request.method === 'GET' ? queryParametersOf(request.url) : request.body;
      if (hasInvalidHash(parameters)) {
        return sendError(reply, 400, 'extensions.persistedQuery.sha256Hash must be a string.', 'BAD_REQUEST');
      }
      const refusal = checkSafelist?.(readRequestedOperation(parameters), pick(request.headers, CLIENT_HEADERS));
      if (refusal) await sendError(reply, refusal.status, refusal.message, refusal.code);
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
  let listenUrl = '';
  await registerPages(app, {
    config,
    schemaText,
    listenUrl: () => listenUrl,
    eventsFrom: (subgraph) => {
      if (!webhooks?.eventsOf(subgraph)) return undefined;
      return webhooks.sources.some((one) => one.subgraph === subgraph && one.isLocal) ? 'sandbox' : 'provider';
    },
    guardSchema:
      config.auth.withoutCredentials === 'refused'
        ? async (request, reply) => ((await identify(request, reply)) ? undefined : reply)
        : undefined,
  });
  if (webhooks) {
    await registerWebhooks(app, {
      ...webhooks,
      toleranceMs: config.events.toleranceMs,
      publicUrl: ({ isLocal }) => ((!isLocal && config.publicUrl) || toReachableUrl(listenUrl)).replace(/\/$/, ''),
      telemetry,
      onRefused: audit?.webhookRefused,
    });
  }
  const report = statusSources && (() => ({ ...statusSources.report(), status: currentStatus() }));
  if (config.statusPage && statusSources && report) {
    const { sources } = statusSources;
    const routes = createStatusRoutes({ product: product.version, sources, kind: 'gateway', read: () => [report()] });
    await app.register(async (scope) => {
      refuseOutsiders(scope, config.adminAllow);
      registerAdminRoutes(scope, routes);
    });
  }
  opened.push(close);
  listenUrl = await listen(config);
  if (!audit && config.isProduction) log.info('Mutations are not audited. Set AUDIT_LOG to record them.');

  return { url: listenUrl, health: () => ({ status: status(), ...details() }), report };
};

/** Public health: only whether the gateway is ready. */
const publicHealth = (readiness: Readiness, assess: () => Partial<Health>): Partial<Health> => {
  // Outages do not count, so they need not be found.
  if (readiness === 'process') return {};
  const { status } = assess();
  return status === undefined ? {} : { status };
};

const isTraceHeader = (name: string): boolean => name === 'traceparent' || name === 'tracestate';

/** Headers that authenticate a request. */
const CREDENTIAL_HEADERS = ['authorization', 'x-api-key'];

/** Parses the query string as Apollo Server does, so that both see the same operation. */
const queryParametersOf = (url: string): object => Object.fromEntries(new URL(url, 'http://gateway').searchParams);

/** Headers with which Apollo's clients identify themselves. */
const CLIENT_HEADERS = ['apollographql-client-name', 'apollographql-client-version'];
