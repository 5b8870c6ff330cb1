import { join } from 'node:path';
import { Kind, parse } from 'graphql';

/** The files that composition writes. */
export const SUPERGRAPH_FILE = join(import.meta.dirname, 'supergraph.graphql');
export const API_SCHEMA_FILE = join(import.meta.dirname, 'schema.graphql');

/**
 * The subgraphs that a supergraph names, each with the URL it has there; empty where it has none.
 * Throws where the text is no supergraph. Source: the join specification, https://specs.apollo.dev/join
 */
export const subgraphsOf = (supergraphSdl: string): ReadonlyMap<string, string> => {
  const graphs = parse(supergraphSdl).definitions.flatMap((definition) =>
    definition.kind === Kind.ENUM_TYPE_DEFINITION && definition.name.value === 'join__Graph'
      ? (definition.values ?? [])
      : [],
  );
  if (graphs.length === 0) throw new Error('it names no subgraph');
  return new Map(
    graphs.map(({ name, directives }) => {
      const join = directives?.find((directive) => directive.name.value === 'join__graph');
      const argument = (wanted: string): string | undefined => {
        const value = join?.arguments?.find((one) => one.name.value === wanted)?.value;
        return value?.kind === Kind.STRING ? value.value : undefined;
      };
      return [argument('name') ?? name.value, argument('url') ?? ''];
    }),
  );
};
