import { json } from 'node:stream/consumers';
import { composeServices } from '@apollo/composition';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { execute, type GraphQLSchema, isAbstractType, isObjectType, parse } from 'graphql';
import { readConfig } from '../../../gateway/config.ts';
import { type GatewayServerOptions, startGatewayServer } from '../../../gateway/http/server.ts';
import { createLocalTransport } from '../../../gateway/transports/in-process.ts';
import { createRemoteTransport } from '../../../gateway/transports/remote.ts';
import { createFixedTransports, type Transport } from '../../../gateway/transports/transport.ts';
import { createLog } from '../../../runtime/log.ts';
import { startHttpServer } from '../../helpers/http-server.ts';
import { type Ask, createAsk } from '../../helpers/stack.ts';
import { createGate, type FaultOf, spoil, withFaults } from './failing.ts';

type Resolvers = Readonly<Record<string, unknown>>;

/** Adds resolvers to a schema, for all fields that it has. */
export const attach = (schema: GraphQLSchema, resolvers: Resolvers): GraphQLSchema => {
  for (const type of Object.values(schema.getTypeMap())) {
    const own = resolvers[type.name] as Record<string, never> | undefined;
    if (!own) continue;
    if (isAbstractType(type)) type.resolveType = own['__resolveType'] ?? null;
    if (!isObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) if (own[field.name]) field.resolve = own[field.name] as never;
  }
  return schema;
};

export type FederationHarness = {
  readonly ask: Ask;
  /** Creates the public schema, without resolvers. */
  readonly createApiSchema: () => GraphQLSchema;
  /** Requests received by remote subgraphs. */
  readonly requests: {
    readonly subgraph: string;
    readonly query: string;
    readonly variables: Record<string, unknown>;
  }[];
  /** The supergraph that was composed. */
  readonly supergraphSdl: string;
  /** Replaces the supergraph. The subgraphs stay. */
  readonly changeSupergraph: (sdl: string) => void;
  readonly close: () => Promise<void>;
};

export type StandOptions = {
  readonly isLocal: boolean;
  readonly env?: Record<string, string>;
  /** Decides which fetches fail. By default none does. */
  readonly faultOf?: FaultOf;
  /** Selects which of the waiting subgraph responses the gateway receives next. By default in order of arrival. */
  readonly pick?: (subgraphs: readonly string[]) => number;
  readonly authenticate?: GatewayServerOptions['authenticate'];
};

/** Starts a gateway with subgraphs made of schemas and resolvers, either in process or over HTTP. */
export const startFederationHarness = async (
  schemas: Readonly<Record<string, string>>,
  resolvers: Resolvers,
  { isLocal, env = {}, faultOf = () => undefined, pick, authenticate }: StandOptions,
): Promise<FederationHarness> => {
  const services = Object.entries(schemas).map(([name, text]) => ({
    name,
    typeDefs: parse(text),
    url: `http://${name}`,
  }));
  const { supergraphSdl, schema: composed, errors } = composeServices(services);
  if (errors) throw new Error(errors.map(({ message }) => message).join('\n'));
  const config = readConfig({ PORT: '0', LOG_LEVEL: 'silent', ...env }, []);
  const log = createLog('silent');
  const requests: FederationHarness['requests'] = [];
  const servers: { close: () => Promise<void> }[] = [];
  const gated = pick ? createGate(pick) : (_name: string, transport: Transport) => transport;
  const transports = await Promise.all(
    services.map(async ({ name, typeDefs }) => {
      const schema = attach(buildSubgraphSchema([{ typeDefs }]), resolvers);
      if (isLocal) {
        const subgraph = { name, schema, createContext: () => ({}), close: async () => {} };
        return [name, gated(name, withFaults(name, createLocalTransport(subgraph, log), faultOf))] as const;
      }
      const server = await startHttpServer(async (request, response) => {
        const { query, variables } = (await json(request)) as { query: string; variables: Record<string, unknown> };
        requests.push({ subgraph: name, query, variables });
        const fault = faultOf(name, query, variables);
        const answer = await execute({ schema, document: parse(query), variableValues: variables });
        if (fault === 'connection closed') return response.destroy();
        if (fault === 'status 500') return response.writeHead(500).end('down');
        const text = fault === 'not JSON' ? '{"data":' : JSON.stringify(fault ? spoil(answer, fault) : answer);
        return response.writeHead(200, { 'content-type': 'application/json' }).end(text);
      });
      servers.push(server);
      return [name, gated(name, createRemoteTransport(config.remote(name, server.url), log))] as const;
    }),
  );
  let changeSupergraph: (sdl: string) => void = () => {};
  const gateway = await startGatewayServer({
    config,
    log,
    supergraph: {
      sdl: supergraphSdl,
      watch: (change) => {
        changeSupergraph = change;
        return () => {};
      },
    },
    authenticate,
    transports: createFixedTransports(Object.fromEntries(transports)),
    redis: undefined,
    health: () => ({}),
  });
  return {
    ask: createAsk(`${gateway.url}/graphql`),
    createApiSchema: () => composed.toAPISchema().toGraphQLJSSchema(),
    requests,
    supergraphSdl,
    changeSupergraph: (sdl) => changeSupergraph(sdl),
    close: async () => {
      await gateway.close();
      await Promise.all(servers.map((server) => server.close()));
    },
  };
};
