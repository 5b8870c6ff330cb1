import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type StartedGateway, startGateway } from '../../gateway/start.ts';
import { type Ask, createAsk } from './stack.ts';
import { composeSubgraphs, type SubgraphDefinition, type SubgraphServer, startSubgraph } from './subgraph-server.ts';

export type Foreign<Name extends string> = {
  readonly url: string;
  readonly ask: Ask;
  readonly gateway: StartedGateway;
  readonly subgraphs: Readonly<Record<Name, SubgraphServer>>;
  /** Puts another text in the supergraph's file. */
  readonly change: (supergraphSdl: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** A gateway in front of subgraphs that are none of the product's, each behind HTTP. */
export const startForeign = async <Name extends string>(
  definitions: Readonly<Record<Name, SubgraphDefinition>>,
  env: Record<string, string> = {},
): Promise<Foreign<Name>> => {
  const folder = await mkdtemp(join(tmpdir(), 'tributary-'));
  const file = join(folder, 'supergraph.graphql');
  const entries = Object.entries<SubgraphDefinition>(definitions);
  const started = await Promise.all(entries.map(async ([name, one]) => [name, await startSubgraph(one)] as const));
  const subgraphs = Object.fromEntries(started) as Record<Name, SubgraphServer>;
  const located = entries.map(([name, { schema }]) => [name, { schema, url: subgraphs[name as Name].url }]);
  await writeFile(file, composeSubgraphs(Object.fromEntries(located)));
  const gateway = await startGateway({ SUPERGRAPH: file, PORT: '0', LOG_LEVEL: 'silent', ...env });
  return {
    url: gateway.url,
    ask: createAsk(`${gateway.url}/graphql`),
    gateway,
    subgraphs,
    change: async (sdl) => {
      // At once, as whoever deploys it should: a half-written file is a change too.
      await writeFile(`${file}.next`, sdl);
      await rename(`${file}.next`, file);
    },
    close: async () => {
      await gateway.close();
      await Promise.all(started.map(([, server]) => server.close()));
      await rm(folder, { recursive: true });
    },
  };
};
