import { readConfig } from '../../../gateway/config.ts';
import { startGatewayServer } from '../../../gateway/http/server.ts';
import { createRemoteTransport } from '../../../gateway/transports/remote.ts';
import { createFixedTransports } from '../../../gateway/transports/transport.ts';
import { createLog, type Log } from '../../../runtime/log.ts';
import { createTelemetry, type Telemetry } from '../../../telemetry/telemetry.ts';
import { type Answer, type Ask, createAsk } from '../../helpers/stack.ts';
import {
  composeSubgraphs,
  type SubgraphDefinition,
  type SubgraphServer,
  startSubgraph,
} from '../../helpers/subgraph-server.ts';
import { headersOf as headersOfToken, TOKEN_ENV } from '../../helpers/tokens.ts';

/** Who sends a request: nobody known, somebody with scopes, or anyone where no authentication is configured. */
export type Sender = 'anonymous' | 'unrestricted' | readonly string[];

export const headersOf = (sender: Sender): Record<string, string> =>
  typeof sender === 'string' ? {} : headersOfToken({ scopes: sender });

export type GuardedGraph<Name extends string> = {
  readonly url: string;
  /** The address of the same graph where no authentication is configured. */
  readonly openUrl: string;
  readonly ask: (
    sender: Sender,
    query: string,
    variables?: Record<string, unknown>,
    headers?: Record<string, string>,
  ) => Promise<Answer<Record<string, unknown>>>;
  readonly subgraphs: Readonly<Record<Name, SubgraphServer>>;
  /** Returns the requests that the subgraphs received since the last call, each with the name of its subgraph. */
  readonly takeRequests: () => string[];
  readonly close: () => Promise<void>;
};

export type GuardedGraphOptions = {
  readonly env?: Record<string, string>;
  readonly log?: Log;
  readonly telemetry?: Telemetry;
  /** Changes the composed supergraph. */
  readonly change?: (supergraphSdl: string) => string;
  readonly supergraph?: { readonly watch: (change: (sdl: string) => Promise<void>) => () => void };
};

/** Starts a gateway that knows the senders of requests, in front of subgraphs over HTTP. */
export const startGuardedGraph = async <Name extends string>(
  definitions: Readonly<Record<Name, SubgraphDefinition>>,
  {
    env = {},
    log = createLog('silent'),
    telemetry = createTelemetry(),
    change = (sdl) => sdl,
    supergraph,
  }: GuardedGraphOptions = {},
): Promise<GuardedGraph<Name>> => {
  const entries = Object.entries<SubgraphDefinition>(definitions);
  const started = await Promise.all(entries.map(async ([name, one]) => [name, await startSubgraph(one)] as const));
  const subgraphs = Object.fromEntries(started) as Record<Name, SubgraphServer>;
  const located = entries.map(([name, { schema }]) => [name, { schema, url: subgraphs[name as Name].url }] as const);
  const sdl = change(composeSubgraphs(Object.fromEntries(located)));
  const start = (variables: Readonly<Record<string, string>>) => {
    const config = readConfig({ PORT: '0', LOG_LEVEL: 'silent', ...variables, ...env }, []);
    const transports = located.map(
      ([name, { url }]) => [name, createRemoteTransport(config.remote(name, url), log)] as const,
    );
    return startGatewayServer({
      config,
      log,
      telemetry,
      supergraph: { sdl, ...supergraph },
      transports: createFixedTransports(Object.fromEntries(transports)),
      redis: undefined,
      health: () => ({}),
    });
  };
  const closeAll = async (gateways: readonly { readonly close: () => Promise<void> }[]): Promise<void> => {
    for (const { close } of [...gateways, ...started.map(([, server]) => server)]) await close();
  };
  const open = await start({});
  const gateway = await start(TOKEN_ENV).catch(async (error: unknown) => {
    await closeAll([open]);
    throw error;
  });
  const [ask, askOpen] = [gateway, open].map(({ url }) => createAsk(`${url}/graphql`)) as [Ask, Ask];
  return {
    url: `${gateway.url}/graphql`,
    openUrl: `${open.url}/graphql`,
    ask: (sender, query, variables = {}, headers = {}) =>
      (sender === 'unrestricted' ? askOpen : ask)(query, variables, { headers: { ...headersOf(sender), ...headers } }),
    subgraphs,
    takeRequests: () =>
      started.flatMap(([name, { requests }]) => requests.splice(0).map(({ query }) => `${name}: ${query}`)),
    close: () => closeAll([gateway, open]),
  };
};
