import { fastifyApolloHandler } from '@as-integrations/fastify';
import cors from '@fastify/cors';
import type { FastifyRequest } from 'fastify';
import { createAdmission, withAdmission } from '../../runtime/admission.ts';
import { monotonicNow } from '../../runtime/clock.ts';
import { createHttpApp, requestSignal } from '../../runtime/http-app.ts';
import { addHeader } from '../../runtime/reply-header.ts';
import { sendError } from '../../runtime/send-refusal.ts';
import { createTurnQueue } from '../../runtime/turn-queue.ts';
import { refuseUnacceptable } from '../../subgraphs/kit/graphql-over-http.ts';
import { UNRESTRICTED } from '../../subgraphs/kit/identity.ts';
import type { ProcessInfrastructure } from '../../subgraphs/kit/infrastructure.ts';
import { type OperationOptions, readReportHeader, requestsNoCache } from '../../subgraphs/kit/protocol.ts';
import { createFetchedBytes } from '../cost/fetched-bytes.ts';
import { type ApolloOptions, createApollo } from './apollo.ts';
import { createRequestContext, type RequestContext } from './context.ts';
import { createSafelistGuard, hasInvalidHash, readRequestedOperation, readSafelist } from './safelist.ts';
import { addLandingPageHeaders, registerPages } from './static-pages.ts';

export type GatewayServer = {
  readonly url: string;
  /** Returns `ok`, or `stopping` after `close` was called. */
  readonly status: () => string;
  /** Stops accepting requests, finishes running ones within the grace period, then closes everything. */
  readonly close: () => Promise<void>;
};

/** Starts the HTTP server of the gateway. */
export const startGatewayServer = async ({
  redis,
  health,
  ...options
}: Omit<ApolloOptions, 'cache' | 'safelist' | 'turns'> &
  Pick<ProcessInfrastructure, 'redis' | 'health'>): Promise<GatewayServer> => {
  const { config, transports, log } = options;
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
  const { apollo, schemaText } = await createApollo({ ...options, turns, cache, safelist });
  const { app, status, listen, close } = createHttpApp({
    log,
    shutdownDelayMs: config.shutdownDelayMs,
    shutdownGraceMs: config.shutdownGraceMs,
    limits: config.http,
    hosts: config.hosts,
    turns,
    // Anybody may ask for it. The admin endpoints have the details.
    health: config.isProduction ? undefined : health,
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
  app.route({
    url: '/graphql',
    method: ['GET', 'POST'],
    exposeHeadRoute: false,
    onRequest: (request, reply, done) => {
      // Responses to GET may be cached.
      if (request.method === 'GET') addHeader(reply, 'vary', 'accept');
      if (refuseUnacceptable(request, reply, { html: config.explorer })) return;
      deadlines.set(request, {
        signal: requestSignal(reply, config.requestTimeoutMs),
        deadlineAt: monotonicNow() + config.requestTimeoutMs,
      });
      done();
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
      (request) => deadlineOf(request).signal,
      fastifyApolloHandler<RequestContext>(apollo, {
        context: async (request, reply) => {
          if (request.method === 'GET' && config.cacheScope === 'PUBLIC') {
            // Shared caches must distinguish responses by the forwarded headers.
            for (const name of config.forwardHeaders) addHeader(reply, 'vary', name);
          }
          const fetched = openFetchedBytes();
          reply.raw.once('close', fetched.release);
          const clientReport = config.reportAllowed ? readReportHeader(request.headers) : undefined;
          return createRequestContext({
            clientReport,
            identity: UNRESTRICTED,
            options: {
              ...deadlineOf(request),
              noCache: config.noCacheAllowed && requestsNoCache(request.headers['cache-control']),
              report: isDebug ? 'trace' : clientReport,
              reportMaxAge: request.method === 'GET',
            },
            headers: pick(request.headers, config.forwardHeaders),
            returnHeader: (name, value) => addHeader(reply, name, value),
            fetched,
          });
        },
      }),
    ),
  });
  let listenUrl = '';
  await registerPages(app, { config, schemaText, listenUrl: () => listenUrl });
  listenUrl = await listen(config);

  return {
    url: listenUrl,
    status,
    close: async () => {
      await close();
      await apollo.stop();
      await transports.close();
    },
  };
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
