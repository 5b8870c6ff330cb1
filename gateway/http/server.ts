import { fastifyApolloHandler } from '@as-integrations/fastify';
import cors from '@fastify/cors';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { createAdmission, withAdmission } from '../../runtime/admission.ts';
import { appendHeader } from '../../runtime/append-header.ts';
import type { Client } from '../../runtime/client-usage.ts';
import { monotonicNow } from '../../runtime/clock.ts';
import { createHttpApp, type Health, requestSignal } from '../../runtime/http-app.ts';
import { sendError, sendRefusal } from '../../runtime/send-refusal.ts';
import { createTurnQueue } from '../../runtime/turn-queue.ts';
import { refuseUnacceptable } from '../../subgraphs/kit/graphql-over-http.ts';
import { ANONYMOUS, type Identity, UNRESTRICTED } from '../../subgraphs/kit/identity.ts';
import type { ProcessInfrastructure } from '../../subgraphs/kit/infrastructure.ts';
import { type OperationOptions, readOptions } from '../../subgraphs/kit/protocol/options.ts';
import type { Tenants } from '../../subgraphs/kit/tenants.ts';
import { authenticatesRequests } from '../auth/auth-config.ts';
import { createAuthorizer } from '../auth/authorizer.ts';
import { loadPolicies } from '../auth/policies.ts';
import { chooseTenant } from '../auth/tenant.ts';
import { clientOf } from '../cost/client.ts';
import { createFetchedBytes } from '../cost/fetched-bytes.ts';
import { type ApolloOptions, createApollo } from './apollo.ts';
import { createRequestContext, type RequestContext } from './context.ts';
import { createSafelistGuard, hasInvalidHash, readRequestedOperation, readSafelist } from './safelist.ts';
import { addLandingPageHeaders, registerPages } from './static-pages.ts';

export type GatewayServer = {
  readonly url: string;
  /** Returns the state in detail. Its `status` is `ok`, or `stopping` after `close` was called. */
  readonly health: () => Health;
  /** Stops accepting requests, finishes running ones within the grace period, then closes everything. */
  readonly close: () => Promise<void>;
};

export type GatewayServerOptions = Omit<ApolloOptions, 'cache' | 'safelist' | 'turns' | 'findUnmetRules' | 'plugins'> &
  Pick<ProcessInfrastructure, 'redis' | 'health'> & {
    /** The tenants whose providers this process calls. */
    readonly tenants?: Tenants | undefined;
  };

/** Starts the HTTP server of the gateway. */
export const startGatewayServer = async ({
  redis,
  health,
  tenants,
  ...options
}: GatewayServerOptions): Promise<GatewayServer> => {
  const { config, transports, log } = options;
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
  const isDebug = log.isLevelEnabled('debug');
  const turns = createTurnQueue();
  const { apollo, schemaText } = await createApollo({
    ...options,
    turns,
    cache,
    safelist,
    findUnmetRules: createAuthorizer(decide && { decide, timeoutMs, log }),
    plugins: audit ? [audit.plugin] : [],
  });
  const details = () => ({ ...health(), ...audit?.health() });
  const { app, status, listen, close } = createHttpApp({
    log,
    shutdownDelayMs: config.shutdownDelayMs,
    shutdownGraceMs: config.shutdownGraceMs,
    limits: config.http,
    tls: config.tls,
    hosts: config.hosts,
    turns,
    // Anybody may ask for it. The admin endpoints have the details.
    health: config.isProduction ? undefined : details,
  });
  /** The senders of requests, also of those that are refused later. */
  const identities = new WeakMap<FastifyRequest, Identity>();
  if (audit) {
    app.decorate('onRefusal', (request, code) => audit.onRefusal(request, code, identities.get(request)));
  }
  await app.register(cors, {
    origin: config.corsOrigins.includes('*') ? true : [...config.corsOrigins],
    methods: ['GET', 'POST'],
    maxAge: 86_400,
  });
  const openFetchedBytes = createFetchedBytes(config.fetchedBytes);
  // Loaded only where it is used, because the verification of tokens is slow to load.
  const authenticator = authenticatesRequests(config.auth)
    ? await (await import('../auth/authenticate.ts')).createAuthenticator(config.auth, { app, redis, log })
    : undefined;
  const tenantOptions = { tenants, header: config.tenantHeader };
  const varyHeaders = [...config.forwardHeaders, ...(config.tenantHeader ? [config.tenantHeader] : [])];
  /** Returns who sends a request, or undefined if it was refused. */
  const identify = async (request: FastifyRequest, reply: FastifyReply): Promise<Identity | undefined> => {
    const authentication = authenticator ? await authenticator.authenticate(request.raw) : { identity: UNRESTRICTED };
    if ('refusal' in authentication) {
      if (authentication.challenge) reply.header('www-authenticate', authentication.challenge);
      sendRefusal(reply, authentication.refusal);
      return undefined;
    }
    identities.set(request, authentication.identity);
    const identity = chooseTenant(authentication.identity, request.headers, tenantOptions);
    if ('code' in identity) {
      sendRefusal(reply, identity);
      return undefined;
    }
    // The access rules of an external supergraph hold without authentication, too: nobody has proved anything.
    const isUnproved = identity.method === 'none' && config.supergraphFile !== undefined;
    if (!isUnproved) return identity;
    return identity.tenant === undefined ? ANONYMOUS : { ...ANONYMOUS, tenant: identity.tenant };
  };
  const arrivals = new WeakMap<FastifyRequest, Arrival>();
  const arrivalOf = (request: FastifyRequest) => arrivals.get(request) as Arrival;
  app.route({
    url: '/graphql',
    method: ['GET', 'POST'],
    exposeHeadRoute: false,
    // Before the body is read.
    onRequest: async (request, reply) => {
      const isGet = request.method === 'GET';
      // Responses to GET may be cached.
      if (isGet) appendHeader(reply, 'vary', 'accept');
      if (isGet && authenticator) for (const name of CREDENTIAL_HEADERS) appendHeader(reply, 'vary', name);
      // A browser's cache, too, must distinguish responses by whatever a subgraph or a provider is told of the client.
      if (isGet) for (const name of varyHeaders) appendHeader(reply, 'vary', name);
      if (refuseUnacceptable(request, reply, { html: config.explorer })) return reply;
      const deadline = {
        signal: requestSignal(reply, config.requestTimeoutMs),
        deadlineAt: monotonicNow() + config.requestTimeoutMs,
      };
      // Without parameters, `GET` is a person who opens the page of Apollo Sandbox. It executes nothing.
      const isPage = isGet && config.explorer && !request.url.includes('?');
      const identity = isPage ? ANONYMOUS : await identify(request, reply);
      if (!identity) return reply;
      arrivals.set(request, { ...deadline, identity, client: { id: clientOf(identity, request.ip), weight: 1 } });
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
    ...(config.explorer && { onSend: addLandingPageHeaders }),
    handler: withAdmission(
      createAdmission(config.admission),
      arrivalOf,
      fastifyApolloHandler<RequestContext>(apollo, {
        context: async (request, reply) => {
          const fetched = openFetchedBytes();
          reply.raw.once('close', fetched.release);
          const { identity, ...deadline } = arrivalOf(request);
          const { report, noCache } = readOptions(request.headers);
          const clientReport = config.reportAllowed ? report : undefined;
          return createRequestContext({
            clientReport,
            identity,
            address: () => request.ip,
            options: {
              ...deadline,
              noCache: config.noCacheAllowed && noCache,
              report: isDebug ? 'trace' : clientReport,
              reportMaxAge: request.method === 'GET',
            },
            requestHeaders: request.headers,
            headers: pick(request.headers, config.forwardHeaders),
            returnHeader: (name, value) => appendHeader(reply, name, value),
            fetched,
          });
        },
      }),
    ),
  });
  let listenUrl = '';
  await registerPages(app, {
    config,
    schemaText,
    listenUrl: () => listenUrl,
    guardSchema:
      config.auth.withoutCredentials === 'refused'
        ? async (request, reply) => ((await identify(request, reply)) ? undefined : reply)
        : undefined,
  });
  try {
    listenUrl = await listen(config);
  } catch (error) {
    await authenticator?.close();
    await audit?.close();
    throw error;
  }
  if (!audit && config.isProduction) log.info('Mutations are not audited. Set AUDIT_LOG to record them.');

  return {
    url: listenUrl,
    health: () => ({ status: status(), ...details() }),
    close: async () => {
      await close();
      await authenticator?.close();
      await apollo.stop();
      await audit?.close();
      await transports.close();
    },
  };
};

/** The state of a request before its body is read. */
type Arrival = Pick<OperationOptions, 'signal' | 'deadlineAt'> & {
  readonly identity: Identity;
  /** The client that the request counts for, and its share of what clients share. */
  readonly client: Client;
};

/** Headers that authenticate a request. */
const CREDENTIAL_HEADERS = ['authorization', 'x-api-key'];

/** Parses the query string as Apollo Server does, so that both see the same operation. */
const queryParametersOf = (url: string): object => Object.fromEntries(new URL(url, 'http://gateway').searchParams);

/** Headers with which Apollo's clients identify themselves. */
const CLIENT_HEADERS = ['apollographql-client-name', 'apollographql-client-version'];

const pick = (headers: FastifyRequest['headers'], names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = headers[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
