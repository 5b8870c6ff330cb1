import type { FastifyRequest } from 'fastify';
import { readConfig } from '../../../gateway/config.ts';
import { startGatewayServer } from '../../../gateway/http/server.ts';
import { createRemoteTransport } from '../../../gateway/transports/remote.ts';
import { createFixedTransports } from '../../../gateway/transports/transport.ts';
import { createLog, type Log } from '../../../runtime/log.ts';
import { ANONYMOUS, type Identity, UNRESTRICTED } from '../../../subgraphs/kit/identity.ts';
import { type Answer, createAsk } from '../../helpers/stack.ts';
import {
  composeSubgraphs,
  type SubgraphDefinition,
  type SubgraphServer,
  startSubgraph,
} from '../../helpers/subgraph-server.ts';

/** Who sends a request: nobody known, somebody with scopes, or anyone where no authentication is configured. */
export type Sender = 'anonymous' | 'unrestricted' | readonly string[];

const SENDER_HEADER = 'x-sender';

export const headersOf = (sender: Sender): Record<string, string> => ({
  [SENDER_HEADER]: typeof sender === 'string' ? sender : `scopes ${sender.join(' ')}`,
});

/** Trusts a header of the request. */
const authenticate = async ({ headers }: FastifyRequest): Promise<Identity> => {
  const [kind, ...scopes] = String(headers[SENDER_HEADER] ?? 'anonymous').split(' ');
  if (kind === 'anonymous') return ANONYMOUS;
  if (kind === 'unrestricted') return UNRESTRICTED;
  return { method: 'jwt', subject: 'somebody', scopes: new Set(scopes), claims: {} };
};

export type GuardedGraph<Name extends string> = {
  readonly url: string;
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
  /** Changes the composed supergraph. */
  readonly change?: (supergraphSdl: string) => string;
  readonly supergraph?: { readonly watch: (change: (sdl: string) => void) => () => void };
};

/** Starts a gateway that knows the senders of requests, in front of subgraphs over HTTP. */
export const startGuardedGraph = async <Name extends string>(
  definitions: Readonly<Record<Name, SubgraphDefinition>>,
  { env = {}, log = createLog('silent'), change = (sdl) => sdl, supergraph }: GuardedGraphOptions = {},
): Promise<GuardedGraph<Name>> => {
  const entries = Object.entries<SubgraphDefinition>(definitions);
  const started = await Promise.all(entries.map(async ([name, one]) => [name, await startSubgraph(one)] as const));
  const subgraphs = Object.fromEntries(started) as Record<Name, SubgraphServer>;
  const located = entries.map(([name, { schema }]) => [name, { schema, url: subgraphs[name as Name].url }] as const);
  const config = readConfig({ PORT: '0', LOG_LEVEL: 'silent', ...env }, []);
  const closeAll = async (): Promise<void> => {
    await Promise.all(started.map(([, { close }]) => close()));
  };
  const gateway = await startGatewayServer({
    config,
    log,
    supergraph: { sdl: change(composeSubgraphs(Object.fromEntries(located))), ...supergraph },
    transports: createFixedTransports(
      Object.fromEntries(
        located.map(([name, { url }]) => [name, createRemoteTransport(config.remote(name, url), log)] as const),
      ),
    ),
    redis: undefined,
    health: () => ({}),
    authenticate,
  }).catch(async (error: unknown) => {
    await closeAll();
    throw error;
  });
  const ask = createAsk(`${gateway.url}/graphql`);
  return {
    url: `${gateway.url}/graphql`,
    ask: (sender, query, variables = {}, headers = {}) =>
      ask(query, variables, { headers: { ...headersOf(sender), ...headers } }),
    subgraphs,
    takeRequests: () =>
      started.flatMap(([name, { requests }]) => requests.splice(0).map(({ query }) => `${name}: ${query}`)),
    close: async () => {
      await gateway.close();
      await closeAll();
    },
  };
};
