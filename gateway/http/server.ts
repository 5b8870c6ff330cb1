import { fastifyApolloHandler } from '@as-integrations/fastify';
import cors from '@fastify/cors';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { createAdmission, withAdmission } from '../../runtime/admission.ts';
import { monotonicNow } from '../../runtime/clock.ts';
import { ConfigError } from '../../runtime/env.ts';
import { createHttpApp, requestSignal } from '../../runtime/http-app.ts';
import { type Refusal, RequestRefused } from '../../runtime/http-errors.ts';
import { addHeader } from '../../runtime/reply-header.ts';
import { sendError } from '../../runtime/send-refusal.ts';
import { createTurnQueue } from '../../runtime/turn-queue.ts';
import { refuseUnacceptable } from '../../subgraphs/kit/graphql-over-http.ts';
import { ANONYMOUS, type Identity, UNRESTRICTED } from '../../subgraphs/kit/identity.ts';
import type { ProcessInfrastructure } from '../../subgraphs/kit/infrastructure.ts';
import { type OperationOptions, readOptions } from '../../subgraphs/kit/protocol/options.ts';
import type { Tenants } from '../../subgraphs/kit/tenants.ts';
import { createAuthorizer } from '../auth/authorizer.ts';
import { loadPolicies } from '../auth/policies.ts';
import { chooseTenant } from '../auth/tenant.ts';
import { createFetchedBytes } from '../cost/fetched-bytes.ts';
import { type ApolloOptions, createApollo } from './apollo.ts';
import { createRequestContext, type RequestContext } from './context.ts';
import { createSafelistGuard, hasInvalidHash, readRequestedOperation, readSafelist } from './safelist.ts';
import { registerPages } from './static-pages.ts';

export type GatewayServer = {
  readonly url: string;
  /** Stops accepting requests, finishes running ones within the grace period, then closes everything. */
  readonly close: () => Promise<void>;
};

export type GatewayServerOptions = Omit<ApolloOptions, 'cache' | 'safelist' | 'turns' | 'findUnmetRules'> &
  Pick<ProcessInfrastructure, 'redis' | 'health'> & {
    /** Returns who sends a request. Throws RequestRefused for credentials that are not valid. */
    readonly authenticate?: ((request: FastifyRequest) => Promise<Identity>) | undefined;
    /** The tenants whose providers this process calls. */
    readonly tenants?: Tenants | undefined;
  };

/** Starts the HTTP server of the gateway. */
export const startGatewayServer = async ({
  redis,
  health,
  tenants,
  authenticate,
  ...options
}: GatewayServerOptions): Promise<GatewayServer> => {
  const { config, transports, log } = options;
  const { policiesFile, policyTimeoutMs: timeoutMs, requireAuthentication } = config.authorization;
  if (requireAuthentication && !authenticate) {
    throw new ConfigError('REQUIRE_AUTHENTICATION: is on, and no way to authenticate is configured.');
  }
  const decide = policiesFile === undefined ? undefined : await loadPolicies(policiesFile);
  // Loaded only with Redis, because its client is slow to load.
  const cache = redis && (await import('./apq-cache.ts')).createApqCache(redis);
  // Also read without a safelist: apps can then send hashes without registering their texts first.
  const safelist = await readSafelist(config.safelistManifests);
  const checkSafelist =
    config.safelist === 'off'
      ? undefined
      : createSafelistGuard(safelist, { reportOnly: config.safelist === 'learn', log });
  const isDebug = log.isLevelEnabled('debug');
  const turns = createTurnQueue();
  const { apollo, schemaText } = await createApollo({
    ...options,
    turns,
    cache,
    safelist,
    findUnmetRules: createAuthorizer(decide && { decide, timeoutMs, log }),
  });
  const { app, listen, close } = createHttpApp({
    log,
    shutdownGraceMs: config.shutdownGraceMs,
    limits: config.http,
    hosts: config.hosts,
    turns,
    health,
  });
  await app.register(cors, {
    origin: config.corsOrigins.includes('*') ? true : [...config.corsOrigins],
    methods: ['GET', 'POST'],
    maxAge: 86_400,
  });
  const openFetchedBytes = createFetchedBytes(config.fetchedBytes);
  const deadlines = new WeakMap<FastifyRequest, Pick<OperationOptions, 'signal' | 'deadlineAt'>>();
  const deadlineOf = (request: FastifyRequest) =>
    deadlines.get(request) as Pick<OperationOptions, 'signal' | 'deadlineAt'>;
  // The access rules of an external supergraph hold without authentication, too: nobody has proved anything.
  const unidentified = config.supergraphFile === undefined ? UNRESTRICTED : ANONYMOUS;
  const tenantOptions = { tenants, header: config.tenantHeader };
  const identities = new WeakMap<FastifyRequest, Identity>();
  const identityOf = (request: FastifyRequest) => identities.get(request) as Identity;
  const identify = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const identity = (await authenticate?.(request)) ?? unidentified;
    const isProved = identity.method !== 'anonymous' && identity.method !== 'none';
    if (requireAuthentication && !isProved) {
      reply.header('www-authenticate', 'Bearer');
      throw new RequestRefused(AUTHENTICATION_REQUIRED);
    }
    const ofTenant = chooseTenant(identity, request.headers, tenantOptions);
    if ('code' in ofTenant) throw new RequestRefused(ofTenant);
    identities.set(request, ofTenant);
  };
  app.route({
    url: '/graphql',
    method: ['GET', 'POST'],
    exposeHeadRoute: false,
    onRequest: [
      (request, reply, done) => {
        // Responses to GET may be cached.
        if (request.method === 'GET') addHeader(reply, 'vary', 'accept');
        if (refuseUnacceptable(request, reply, { html: config.explorer })) return;
        deadlines.set(request, {
          signal: requestSignal(reply, config.requestTimeoutMs),
          deadlineAt: monotonicNow() + config.requestTimeoutMs,
        });
        done();
      },
      identify,
    ],
    preHandler: async (request, reply) => {
      const parameters = request.method === 'GET' ? queryParametersOf(request.url) : request.body;
      if (hasInvalidHash(parameters)) {
        return sendError(reply, 400, 'extensions.persistedQuery.sha256Hash must be a string.', 'BAD_REQUEST');
      }
      const refusal = checkSafelist?.(readRequestedOperation(parameters), pick(request.headers, CLIENT_HEADERS));
      if (refusal) await sendError(reply, refusal.status, refusal.message, refusal.code);
    },
    handler: withAdmission(
      createAdmission(config.admission),
      (request) => deadlineOf(request).signal,
      fastifyApolloHandler<RequestContext>(apollo, {
        context: async (request, reply) => {
          if (request.method === 'GET' && config.cacheScope === 'PUBLIC') {
            // Shared caches must distinguish responses by the forwarded headers.
            const names = config.tenantHeader ? [...config.forwardHeaders, config.tenantHeader] : config.forwardHeaders;
            for (const name of names) addHeader(reply, 'vary', name);
          }
          const fetched = openFetchedBytes();
          reply.raw.once('close', fetched.release);
          const { report, noCache } = readOptions(request.headers);
          const clientReport = config.reportAllowed ? report : undefined;
          return createRequestContext({
            clientReport,
            identity: identityOf(request),
            options: {
              ...deadlineOf(request),
              noCache: config.noCacheAllowed && noCache,
              report: isDebug ? 'trace' : clientReport,
              reportMaxAge: request.method === 'GET',
            },
            requestHeaders: request.headers,
            headers: pick(request.headers, config.forwardHeaders),
            returnHeader: (name, value) => addHeader(reply, name, value),
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
    ...(requireAuthentication && identify && { guardSchema: identify }),
  });
  listenUrl = await listen(config);

  return {
    url: listenUrl,
    close: async () => {
      await close();
      await apollo.stop();
      await transports.close();
    },
  };
};

const AUTHENTICATION_REQUIRED: Refusal = {
  status: 401,
  message: 'Authentication is required. Send credentials.',
  code: 'UNAUTHENTICATED',
};

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
