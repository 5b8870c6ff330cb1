import { fastifyApolloHandler } from '@as-integrations/fastify';
import cors from '@fastify/cors';
import type { FastifyRequest } from 'fastify';
import { createHttpApp, requestSignal } from '../runtime/http-app.ts';
import type { ProcessKit } from '../subgraphs/kit.ts';
import { asksForFresh, REPORT_HEADER } from '../subgraphs/request.ts';
import { type ApolloOptions, createApollo } from './apollo.ts';
import { createSharedCache } from './cache.ts';
import { createRequestContext, type RequestContext } from './context.ts';

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
}: Omit<ApolloOptions, 'cache'> & Pick<ProcessKit, 'redis' | 'health'>): Promise<GatewayServer> => {
  const { config, transports, log } = options;
  const apollo = await createApollo({ ...options, cache: redis && createSharedCache(redis) });
  const { app, listen, close } = createHttpApp({
    log,
    shutdownGraceMs: config.shutdownGraceMs,
    health,
  });
  await app.register(cors, {
    origin: config.corsOrigins.includes('*') ? true : [...config.corsOrigins],
    methods: ['GET', 'POST'],
    maxAge: 86_400,
  });
  app.route({
    url: '/graphql',
    method: ['GET', 'POST'],
    handler: fastifyApolloHandler<RequestContext>(apollo, {
      context: async (request, reply) =>
        createRequestContext({
          terms: {
            signal: requestSignal(reply, config.requestTimeoutMs),
            deadlineAt: Date.now() + config.requestTimeoutMs,
            isFresh: config.freshAllowed && asksForFresh(request.headers['cache-control']),
            isReported: config.reportAllowed && request.headers[REPORT_HEADER] === '1',
          },
          headers: pick(request.headers, config.forwardHeaders),
        }),
    }),
  });
  if (!config.isProduction) app.get('/', (_request, reply) => reply.redirect('/graphql'));

  return {
    url: await listen(config),
    close: async () => {
      await close();
      await apollo.stop();
      await Promise.all(Object.values(transports).map((transport) => transport.close()));
    },
  };
};

const pick = (headers: FastifyRequest['headers'], names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = headers[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
