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
import type { ProcessInfrastructure } from '../../subgraphs/kit/infrastructure.ts';
import { type OperationOptions, readReportHeader, requestsNoCache } from '../../subgraphs/kit/protocol.ts';
import { createFetchedBytes } from '../cost/fetched-bytes.ts';
import { type ApolloOptions, createApollo } from './apollo.ts';
import { createRequestContext, type RequestContext } from './context.ts';
import { createSafelistGuard, hasUnreadableHash, readNamedOperation, readSafelist } from './safelist.ts';
import { registerPages } from './static-pages.ts';

export type GatewayServer = {
  readonly url: string;
  /** Takes no more requests, finishes the running ones within the grace period, then closes everything. */
  readonly close: () => Promise<void>;
};

/** Starts the HTTP server in front of the graph. */
export const startGatewayServer = async ({
  redis,
  health,
  ...options
}: Omit<ApolloOptions, 'cache' | 'safelist' | 'turns'> &
  Pick<ProcessInfrastructure, 'redis' | 'health'>): Promise<GatewayServer> => {
  const { config, transports, log } = options;
  // Loaded where there is a Redis: its client takes its time.
  const cache = redis && (await import('./apq-cache.ts')).createSharedCache(redis);
  // Known from the start also where anything is served: an app need not send its texts first.
  const safelist = await readSafelist(config.safelistManifests);
  const refusalOf =
    config.safelist === 'off'
      ? undefined
      : createSafelistGuard(safelist, { reportOnly: config.safelist === 'learn', log });
  const turns = createTurnQueue();
  const { apollo, schemaText } = await createApollo({ ...options, turns, cache, safelist });
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
  const openFetched = createFetchedBytes(config.fetchedBytes);
  const arrivals = new WeakMap<FastifyRequest, Pick<OperationOptions, 'signal' | 'deadlineAt'>>();
  const arrivalOf = (request: FastifyRequest) =>
    arrivals.get(request) as Pick<OperationOptions, 'signal' | 'deadlineAt'>;
  app.route({
    url: '/graphql',
    method: ['GET', 'POST'],
    exposeHeadRoute: false,
    onRequest: (request, reply, done) => {
      // A cache may keep what GET is answered with.
      if (request.method === 'GET') addHeader(reply, 'vary', 'accept');
      if (refuseUnacceptable(request, reply, { html: config.explorer })) return;
      arrivals.set(request, {
        signal: requestSignal(reply, config.requestTimeoutMs),
        deadlineAt: monotonicNow() + config.requestTimeoutMs,
      });
      done();
    },
    preHandler: async (request, reply) => {
      const given = request.method === 'GET' ? searchOf(request.url) : request.body;
      if (hasUnreadableHash(given)) {
        return sendError(reply, 400, 'extensions.persistedQuery.sha256Hash must be text.', 'BAD_REQUEST');
      }
      const refusal = refusalOf?.(readNamedOperation(given), pick(request.headers, CLIENT_NAMES));
      if (refusal) await sendError(reply, refusal.status, refusal.message, refusal.code);
    },
    handler: withAdmission(
      createAdmission(config.admission),
      (request) => arrivalOf(request).signal,
      fastifyApolloHandler<RequestContext>(apollo, {
        context: async (request, reply) => {
          if (request.method === 'GET' && config.cacheScope === 'PUBLIC') {
            // What else an answer may depend on, for whoever keeps it for others.
            for (const name of config.forwardHeaders) addHeader(reply, 'vary', name);
          }
          const fetched = openFetched();
          reply.raw.once('close', fetched.release);
          return createRequestContext({
            options: {
              ...arrivalOf(request),
              noCache: config.freshAllowed && requestsNoCache(request.headers['cache-control']),
              report: config.reportAllowed ? readReportHeader(request.headers) : undefined,
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
  let listensAt = '';
  await registerPages(app, { config, schemaText, listensAt: () => listensAt });
  listensAt = await listen(config);

  return {
    url: listensAt,
    close: async () => {
      await close();
      await apollo.stop();
      await transports.close();
    },
  };
};

/** Read as Apollo Server reads it, so that both see the same operation. */
const searchOf = (url: string): object => Object.fromEntries(new URL(url, 'http://gateway').searchParams);

/** By what Apollo's clients tell who they are. */
const CLIENT_NAMES = ['apollographql-client-name', 'apollographql-client-version'];

const pick = (headers: FastifyRequest['headers'], names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = headers[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
