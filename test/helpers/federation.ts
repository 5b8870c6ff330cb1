import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GraphQLSchema } from 'graphql';
import { readConfig } from '../../gateway/config.ts';
import { startGatewayServer } from '../../gateway/http/server.ts';
import { startGateway } from '../../gateway/start.ts';
import type { StartedGateway } from '../../gateway/started-gateway.ts';
import { createLocalTransport } from '../../gateway/transports/in-process.ts';
import { createRemoteTransport } from '../../gateway/transports/remote.ts';
import { createFixedTransports, type Transport } from '../../gateway/transports/transport.ts';
import { createLog } from '../../runtime/log.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';
import { type Ask, createAsk } from './stack.ts';
import {
  composeSubgraphs,
  createSubgraphSchema,
  type SubgraphDefinition,
  type SubgraphServer,
  startSubgraph,
} from './subgraph-server.ts';

export type SupergraphGateway = {
  readonly url: string;
  readonly ask: Ask;
  readonly gateway: StartedGateway;
  /** Replaces the supergraph's file. */
  readonly change: (supergraphSdl: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Starts a gateway with a supergraph from a file. Rejects if the gateway does not start. */
export const serveSupergraph = async (sdl: string, env: Record<string, string> = {}): Promise<SupergraphGateway> => {
  const folder = await mkdtemp(join(tmpdir(), 'tributary-'));
  const file = join(folder, 'supergraph.graphql');
  await writeFile(file, sdl);
  let gateway: StartedGateway;
  try {
    gateway = await startGateway({ SUPERGRAPH: file, PORT: '0', LOG_LEVEL: 'silent', ...env });
  } catch (error) {
    await rm(folder, { recursive: true });
    throw error;
  }
  return {
    url: gateway.url,
    ask: createAsk(`${gateway.url}/graphql`),
    gateway,
    change: async (next) => {
      // Atomically, as a deployment should: a half-written file would be a change too.
      await writeFile(`${file}.next`, next);
      await rename(`${file}.next`, file);
    },
    close: async () => {
      await gateway.close();
      await rm(folder, { recursive: true });
    },
  };
};

export type Federation<Name extends string> = SupergraphGateway & {
  readonly subgraphs: Readonly<Record<Name, SubgraphServer>>;
};

type Definitions<Name extends string> = Readonly<Record<Name, SubgraphDefinition>>;

const startSubgraphs = async <Name extends string>(definitions: Definitions<Name>) => {
  const entries = Object.entries<SubgraphDefinition>(definitions);
  const started = await Promise.all(entries.map(async ([name, one]) => [name, await startSubgraph(one)] as const));
  return Object.fromEntries(started) as Record<Name, SubgraphServer>;
};

/** Starts a gateway with external subgraphs, each over HTTP. */
export const startFederation = async <Name extends string>(
  definitions: Definitions<Name>,
  env: Record<string, string> = {},
): Promise<Federation<Name>> => {
  const subgraphs = await startSubgraphs(definitions);
  const served = await serveSupergraph(composeSubgraphs(subgraphs), env);
  return { ...served, subgraphs, close: () => closeAll([served, ...Object.values<SubgraphServer>(subgraphs)]) };
};

export type TransportOptions = {
  /** Whether the subgraphs are in the gateway's process, or over HTTP. */
  readonly isLocal: boolean;
  readonly env?: Record<string, string> | undefined;
  /** Replaces the transport to a subgraph. */
  readonly wrap?: (subgraph: string, transport: Transport) => Transport;
};

/** Starts a gateway with transports to its subgraphs. `servers` are those over HTTP. */
export const startWithTransports = async <Name extends string>(
  definitions: Definitions<Name>,
  { isLocal, env = {}, wrap = (_, transport) => transport }: TransportOptions,
): Promise<TransportGateway & { readonly servers: Readonly<Record<string, SubgraphServer>> }> => {
  const servers: Record<string, SubgraphServer> = isLocal ? {} : await startSubgraphs(definitions);
  const config = readConfig(env, []);
  const transports = Object.entries<SubgraphDefinition>(definitions).map(([name, definition]) => {
    const server = servers[name];
    const transport = server
      ? createRemoteTransport(config.remote(name, server.url), LOG)
      : createInProcessTransport(name, createSubgraphSchema(definition));
    return [name, wrap(name, transport)] as const;
  });
  const sdl = composeSubgraphs(definitions);
  const gateway = await serveTransports(sdl, Object.fromEntries(transports), env);
  return { ...gateway, servers, close: () => closeAll([gateway, ...Object.values(servers)]) };
};

const LOG = createLog('silent');

/** Creates the transport to a subgraph in this process. */
export const createInProcessTransport = (name: string, schema: GraphQLSchema): Transport =>
  createLocalTransport({ name, schema, createContext: () => ({}), close: async () => {} }, { log: LOG });

export type TransportGateway = {
  readonly url: string;
  readonly ask: Ask;
  readonly supergraphSdl: string;
  /** Replaces the supergraph. The subgraphs stay. */
  readonly changeSupergraph: (sdl: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Starts a gateway with a supergraph and the transports to its subgraphs. */
export const serveTransports = async (
  sdl: string,
  transports: Readonly<Record<string, Transport>>,
  env: Record<string, string> = {},
): Promise<TransportGateway> => {
  let changeSupergraph: (sdl: string) => Promise<void> = async () => {};
  const { url, close } = await startGatewayServer({
    config: readConfig({ PORT: '0', LOG_LEVEL: 'silent', ...env }, []),
    log: LOG,
    telemetry: createTelemetry(),
    supergraph: {
      sdl,
      watch: (change) => {
        changeSupergraph = change;
        return () => {};
      },
    },
    transports: createFixedTransports(transports),
    redis: undefined,
    health: () => ({}),
  });
  return {
    url,
    ask: createAsk(`${url}/graphql`),
    supergraphSdl: sdl,
    changeSupergraph: (next) => changeSupergraph(next),
    close,
  };
};

/** Closes the first, then all others. */
const closeAll = async ([gateway, ...subgraphs]: readonly { readonly close: () => Promise<void> }[]): Promise<void> => {
  await gateway?.close();
  await Promise.all(subgraphs.map((server) => server.close()));
};
