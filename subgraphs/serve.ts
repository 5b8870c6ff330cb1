import { ApolloServer } from '@apollo/server';
import { ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import { GraphQLError } from 'graphql';
import { createHttpApp, requestSignal } from '../runtime/http-app.ts';
import type { Running } from '../runtime/lifecycle.ts';
import type { Log } from '../runtime/log.ts';
import { toPublicError } from './errors.ts';
import type { Subgraph } from './subgraph.ts';

export type ServeOptions = {
  readonly port: number;
  readonly host: string;
  readonly shutdownGraceMs: number;
  readonly log: Log;
};

/** Serves subgraphs over HTTP, each at `/<its name>`. */
export const serve = async (
  subgraphs: readonly Subgraph[],
  { port, host, shutdownGraceMs, log }: ServeOptions,
): Promise<Running & { readonly url: string }> => {
  const { app, listen, close } = createHttpApp({ log, shutdownGraceMs });
  const servers: ApolloServer[] = [];
  for (const { name, schema, createContext, warmUp } of subgraphs) {
    const apollo = new ApolloServer({
      schema,
      logger: log,
      introspection: true,
      includeStacktraceInErrorResponses: false,
      stopOnTerminationSignals: false,
      formatError: (formatted, error) => (error instanceof GraphQLError ? toPublicError(error, log) : formatted),
      plugins: [ApolloServerPluginLandingPageDisabled()],
    });
    await apollo.start();
    servers.push(apollo);
    app.route({
      url: `/${name}`,
      method: ['GET', 'POST'],
      handler: fastifyApolloHandler(apollo, {
        context: async (_request, reply) => createContext({ signal: requestSignal(reply) }),
      }),
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
