import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import { ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import { GraphQLError } from 'graphql';
import { monotonicNow } from '../runtime/clock.ts';
import { createHttpApp, requestSignal } from '../runtime/http-app.ts';
import type { Running } from '../runtime/lifecycle.ts';
import type { Log } from '../runtime/log.ts';
import { toPublicError } from './errors.ts';
import type { FieldContext } from './field.ts';
import { createCallOptions, type RequestNotes, readTermHeaders, toReport } from './request.ts';
import type { Subgraph } from './subgraph.ts';

type FetchContext = FieldContext & { readonly notes: RequestNotes };

/** Tells the gateway what of an answer is stale, and where it asks, what it has cost and how long it is good. */
const reportPlugin: ApolloServerPlugin<FetchContext> = {
  requestDidStart: async () => ({
    willSendResponse: async ({ response, contextValue }) => {
      const report = toReport(contextValue.stale, contextValue.notes);
      if (!report || response.body.kind !== 'single') return;
      response.body.singleResult.extensions = { tributary: report };
    },
  }),
};

export type ServeOptions = {
  readonly port: number;
  readonly host: string;
  readonly shutdownGraceMs: number;
  readonly log: Log;
  /** What `/health/ready` says beside the status. */
  readonly health: () => Readonly<Record<string, string>>;
};

/** Serves subgraphs over HTTP, each at `/<its name>`. */
export const serve = async (
  subgraphs: readonly Subgraph[],
  { port, host, shutdownGraceMs, log, health }: ServeOptions,
): Promise<Running & { readonly url: string }> => {
  const { app, listen, close } = createHttpApp({ log, shutdownGraceMs, health });
  const servers: ApolloServer<FetchContext>[] = [];
  for (const { name, schema, createContext, warmUp } of subgraphs) {
    const apollo = new ApolloServer<FetchContext>({
      schema,
      logger: log,
      introspection: true,
      includeStacktraceInErrorResponses: false,
      stopOnTerminationSignals: false,
      formatError: (formatted, error) => (error instanceof GraphQLError ? toPublicError(error, log) : formatted),
      plugins: [ApolloServerPluginLandingPageDisabled(), reportPlugin],
    });
    await apollo.start();
    servers.push(apollo);
    app.route({
      url: `/${name}`,
      method: ['GET', 'POST'],
      handler: fastifyApolloHandler(apollo, {
        context: async ({ headers }, reply) => {
          const { timeoutMs, ...terms } = readTermHeaders(headers);
          const deadlineAt = timeoutMs === undefined ? Number.POSITIVE_INFINITY : monotonicNow() + timeoutMs;
          const { call, ...notes } = createCallOptions({
            signal: requestSignal(reply, timeoutMs),
            deadlineAt,
            ...terms,
          });
          return { ...createContext(call), notes, stale: [] };
        },
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
