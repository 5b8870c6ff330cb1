import cors from '@fastify/cors';
import product from '../../package.json' with { type: 'json' };
import { refuseOutsiders, registerAdminRoutes } from '../../runtime/admin/server.ts';
import { createAdmission } from '../../runtime/admission.ts';
import { createHttpApp, type Health } from '../../runtime/http-app.ts';
import { createLog } from '../../runtime/log.ts';
import { networkOf } from '../../runtime/network.ts';
import { createTurnQueue } from '../../runtime/turn-queue.ts';
import type { ProcessInfrastructure } from '../../subgraphs/kit/infrastructure.ts';
import type { Tenants } from '../../subgraphs/kit/tenants.ts';
import { createRequestLog } from '../../telemetry/request-log.ts';
import type { ReadReport } from '../../telemetry/start.ts';
import type { ProcessReport } from '../../telemetry/status/describe.ts';
import { createReadiness, type Readiness } from '../../telemetry/status/readiness.ts';
import { createStatusRoutes } from '../../telemetry/status/routes.ts';
import type { Tracing } from '../../telemetry/traces/tracing.ts';
import { authenticatesRequests } from '../auth/auth-config.ts';
import { createAuthorizer } from '../auth/authorizer.ts';
import { loadPolicies } from '../auth/policies.ts';
import { RATE_LIMIT_HEADERS } from '../cost/rate-limit-headers.ts';
import type { StartedGateway } from '../started-gateway.ts';
import { type ApolloOptions, createApollo } from './apollo.ts';
import { openClientLimits } from './client-limits.ts';
import { CLIENT_HEADERS, createGate } from './gate.ts';
import { registerGraphqlRoute } from './graphql-route.ts';
import { toReachableUrl } from './reachable-url.ts';
import { createRequestContexts } from './request-contexts.ts';
import { createSafelistGuard, readSafelist } from './safelist.ts';
import { createIdentifySender } from './senders.ts';
import { serveSockets } from './sockets.ts';
import { registerPages } from './static-pages.ts';
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
  'cache' | 'safelist' | 'contexts' | 'turns' | 'findUnmetRules' | 'guard' | 'plugins'
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
  // A trace is continued with spans of the gateway's own.
  const forwardHeaders = tracing ? config.forwardHeaders.filter((name) => !isTraceHeader(name)) : config.forwardHeaders;
  const contexts = createRequestContexts(config, { forwardHeaders, isDebug });
  const turns = createTurnQueue();
  const clientLimits = await openClientLimits({ config, supergraph: options.supergraph, redis, log });
  opened.push(async () => clientLimits.close());
  const { apollo, schemaText, toClientErrors, announce } = await createApollo({
    ...options,
    contexts,
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
  const { app, upgraded, status, listen, sending, streaming, close } = createHttpApp({
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
  await app.register(cors, {
    origin: config.corsOrigins.includes('*') ? true : [...config.corsOrigins],
    methods: ['GET', 'POST'],
    maxAge: 86_400,
    ...(config.clientLimits && { exposedHeaders: RATE_LIMIT_HEADERS }),
  });
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
  const admission = createAdmission(config.admission);
  telemetry.describe('admission', admission.state);
  // Request headers that subgraphs receive or that choose a tenant.
  const toldHeaders = [...config.forwardHeaders, ...(config.tenantHeader ? [config.tenantHeader] : [])];
  const parts = {
    apollo,
    gate: createGate({
      identify: identifySender,
      admit: clientLimits.admit,
      checkSafelist,
      reportAllowed: config.reportAllowed,
    }),
    identify: identifySender,
    admission,
    contexts,
    subscriptions: createGatewaySubscriptions({ config, contexts, telemetry, log, toClientErrors, announce }),
    config,
  };
  const identify = registerGraphqlRoute(app, {
    ...parts,
    toClientErrors,
    sending,
    streaming,
    telemetry,
    tracing,
    audit,
    varyHeaders: [...(authenticator ? CREDENTIAL_HEADERS : []), ...toldHeaders],
  });
  const sockets = serveSockets(app, upgraded, {
    ...parts,
    parameterHeaders: [...CREDENTIAL_HEADERS, ...CLIENT_HEADERS, ...toldHeaders],
    onRefused: ({ code, address, identity }) => {
      telemetry.emit({ type: 'refusal', code, network: networkOf(address), traceId: undefined });
      audit?.onRefusal({ ip: address }, code, { identity, traceId: undefined });
    },
    log,
  });
  endSubscriptions = () => {
    parts.subscriptions.close();
    sockets.close();
  };
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
