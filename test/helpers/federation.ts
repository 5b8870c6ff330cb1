import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type StartedGateway, startGateway } from '../../gateway/start.ts';
import { type Ask, createAsk } from './stack.ts';
import { composeSubgraphs, type SubgraphDefinition, type SubgraphServer, startSubgraph } from './subgraph-server.ts';

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

/** Starts a gateway with external subgraphs, each over HTTP. */
export const startFederation = async <Name extends string>(
  definitions: Readonly<Record<Name, SubgraphDefinition>>,
  env: Record<string, string> = {},
): Promise<Federation<Name>> => {
  const entries = Object.entries<SubgraphDefinition>(definitions);
  const started = await Promise.all(entries.map(async ([name, one]) => [name, await startSubgraph(one)] as const));
  const subgraphs = Object.fromEntries(started) as Record<Name, SubgraphServer>;
  const located = entries.map(([name, { schema }]) => [name, { schema, url: subgraphs[name as Name].url }]);
  const served = await serveSupergraph(composeSubgraphs(Object.fromEntries(located)), env);
  return {
    ...served,
    subgraphs,
    close: async () => {
      await served.close();
      await Promise.all(started.map(([, server]) => server.close()));
    },
  };
};
