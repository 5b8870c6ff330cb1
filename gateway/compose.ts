import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { composeServices } from '@apollo/composition';
import { lexicographicSortSchema, parse, printSchema } from 'graphql';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { API_SCHEMA_FILE, SUPERGRAPH_FILE } from './supergraph.ts';

const SupergraphConfig = z.object({
  federation_version: z.string(),
  subgraphs: z.record(z.string(), z.object({ routing_url: z.url(), schema: z.object({ file: z.string() }) })),
});

export type Composed = {
  /** The supergraph, as a gateway loads it. */
  readonly supergraphSdl: string;
  /** The schema that clients see. */
  readonly apiSdl: string;
};

const GENERATED = '# Generated from supergraph.yaml by `npm run supergraph`. Do not edit.\n';

/**
 * Composes the subgraphs that a file in rover's `supergraph.yaml` format names; paths in it are relative to the file.
 * Throws an Error with every composition error, each with the subgraph's file where the schema is at fault.
 */
export const composeSupergraph = async (configPath: string): Promise<Composed> => {
  const { subgraphs } = SupergraphConfig.parse(parseYaml(await readFile(configPath, 'utf8')));
  const services = await Promise.all(
    Object.entries(subgraphs).map(async ([name, { routing_url: url, schema }]) => ({
      name,
      url,
      typeDefs: parse(await readFile(resolve(dirname(configPath), schema.file), 'utf8')),
    })),
  );
  const { errors, supergraphSdl, schema } = composeServices(services);
  if (errors) {
    throw new Error(`The subgraphs do not compose:\n${errors.map(({ message }) => `- ${message}`).join('\n')}`);
  }
  const apiSchema = schema.toAPISchema().toGraphQLJSSchema();
  return {
    supergraphSdl: `${GENERATED}${supergraphSdl}\n`,
    apiSdl: `${GENERATED}${printSchema(lexicographicSortSchema(apiSchema))}\n`,
  };
};

const ROOT = resolve(import.meta.dirname, '..');

/** Writes both files; with `check`, gives the names of those that are not up to date instead. */
export const updateSupergraphFiles = async ({ check }: { check: boolean }): Promise<string[]> => {
  const { supergraphSdl, apiSdl } = await composeSupergraph(join(ROOT, 'supergraph.yaml'));
  const outdated: string[] = [];
  for (const [path, content] of [
    [SUPERGRAPH_FILE, supergraphSdl],
    [API_SCHEMA_FILE, apiSdl],
  ] as const) {
    if ((await readFile(path, 'utf8').catch(() => '')) === content) continue;
    outdated.push(path);
    if (!check) await writeFile(path, content);
  }
  return outdated;
};
