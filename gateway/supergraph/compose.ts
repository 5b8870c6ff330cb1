import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { composeServices } from '@apollo/composition';
import { type DocumentNode, GraphQLError, Kind, lexicographicSortSchema, parse, printSchema, Source } from 'graphql';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { API_SCHEMA_FILE, SUPERGRAPH_FILE } from './files.ts';
import { toPublicSchema } from './public-schema.ts';

const SupergraphConfig = z.object({
  federation_version: z.string(),
  subgraphs: z.record(z.string(), z.object({ routing_url: z.url(), schema: z.object({ file: z.string() }) })),
});

export type Composed = {
  /** The supergraph, for a gateway to load. */
  readonly supergraphSdl: string;
  /** The schema that clients see. */
  readonly apiSdl: string;
};

/** The schemas cannot be composed. The message has one line per problem, with file and line if known. */
export class CompositionError extends Error {}

const GENERATED = '# Generated from supergraph.yaml by `npm run supergraph`. Do not edit.\n';

/**
 * Composes the subgraphs listed in a file in rover's `supergraph.yaml` format. Paths in it are relative to the file.
 * Throws CompositionError.
 */
export const composeSupergraph = async (configPath: string): Promise<Composed> => {
  const folder = dirname(configPath);
  const { data, error } = SupergraphConfig.safeParse(parseYaml(await read(configPath, folder)));
  if (!data) throw new CompositionError(`${relative(folder, configPath)}: ${z.prettifyError(error)}`);
  const services = await Promise.all(
    Object.entries(data.subgraphs).map(async ([name, { routing_url: url, schema }]) => {
      const file = resolve(folder, schema.file);
      return { name, url, typeDefs: parseFile(await read(file, folder), relative(folder, file)) };
    }),
  );
  const { errors, supergraphSdl, schema } = composeServices(services);
  if (errors) {
    const documents = services.map(({ typeDefs }) => typeDefs);
    throw new CompositionError(errors.map((problem) => describe(problem, documents)).join('\n'));
  }
  const apiSchema = toPublicSchema(schema.toAPISchema());
  return {
    supergraphSdl: `${GENERATED}${supergraphSdl}\n`,
    apiSdl: `${GENERATED}${printSchema(lexicographicSortSchema(apiSchema))}\n`,
  };
};

const read = async (file: string, folder: string): Promise<string> =>
  readFile(file, 'utf8').catch((cause) => {
    throw new CompositionError(`${relative(folder, file)}: it cannot be read`, { cause });
  });

const parseFile = (text: string, name: string): DocumentNode => {
  try {
    return parse(new Source(text, name));
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    const [at] = error.locations ?? [];
    throw new CompositionError(`${name}:${at?.line}:${at?.column}: ${error.message}`, { cause: error });
  }
};

/** Formats a problem with its locations. The first one precedes the message. */
const describe = (error: GraphQLError, documents: readonly DocumentNode[]): string => {
  const nodes = error.nodes?.length ? error.nodes : namedIn(error.message, documents);
  const places = nodes.flatMap(({ loc }) =>
    loc ? [`${loc.source.name}:${loc.startToken.line}:${loc.startToken.column}`] : [],
  );
  const [first, ...others] = [...new Set(places)];
  return `${first ? `${first}: ` : ''}${error.message}${others.map((place) => `\n  see also ${place}`).join('')}`;
};

/**
 * Returns the definitions of the fields that a message names as `"Type.field"`. Unreachable fields are reported without
 * nodes.
 */
const namedIn = (message: string, documents: readonly DocumentNode[]) => {
  const named = new Set([...message.matchAll(/"(\w+\.\w+)"/g)].map(([, coordinate]) => coordinate));
  return documents.flatMap(({ definitions }) =>
    definitions.flatMap((definition) => {
      if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION && definition.kind !== Kind.OBJECT_TYPE_EXTENSION) return [];
      return (definition.fields ?? []).filter(({ name }) => named.has(`${definition.name.value}.${name.value}`));
    }),
  );
};

const ROOT = resolve(import.meta.dirname, '../..');

/** The configuration of the bundled graph. */
const SUPERGRAPH_CONFIG = join(ROOT, 'supergraph.yaml');

export type Updated = Composed & {
  /** The files that were out of date. */
  readonly outdated: readonly string[];
};

/**
 * Composes the bundled graph and writes the files that are out of date, unless `check` is set. Throws CompositionError.
 */
export const updateSupergraphFiles = async ({ check }: { check: boolean }): Promise<Updated> => {
  const composed = await composeSupergraph(SUPERGRAPH_CONFIG);
  const outdated: string[] = [];
  for (const [path, content] of [
    [SUPERGRAPH_FILE, composed.supergraphSdl],
    [API_SCHEMA_FILE, composed.apiSdl],
  ] as const) {
    if ((await readFile(path, 'utf8').catch(() => '')) === content) continue;
    outdated.push(path);
    if (!check) await writeFile(path, content);
  }
  return { ...composed, outdated };
};
