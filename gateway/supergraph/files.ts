import { join } from 'node:path';
import { type ConstDirectiveNode, Kind, parse } from 'graphql';

/** The files that composition writes. */
export const SUPERGRAPH_FILE = join(import.meta.dirname, '../supergraph.graphql');
export const API_SCHEMA_FILE = join(import.meta.dirname, '../schema.graphql');

/**
 * Returns the subgraphs of a supergraph with their URLs; an empty string for a subgraph without one.
 * Throws if the text is not a supergraph. Source: the join specification, https://specs.apollo.dev/join
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
      return [stringArgument(join, 'name') ?? name.value, stringArgument(join, 'url') ?? ''];
    }),
  );
};

const stringArgument = (directive: ConstDirectiveNode | undefined, wanted: string): string | undefined => {
  const value = directive?.arguments?.find(({ name }) => name.value === wanted)?.value;
  return value?.kind === Kind.STRING ? value.value : undefined;
};

/**
 * Access control directives that Apollo's routers enforce. Without enforcement, anyone could read the data they
 * protect.
 */
const NOT_ENFORCED: ReadonlySet<string> = new Set(['authenticated', 'requiresScopes', 'policy']);

/**
 * Throws if a supergraph must not be served: one of Federation 1, or one with access control directives, which this
 * gateway does not enforce. Source: the link and core specifications, https://specs.apollo.dev/link and …/core
 */
export const checkSpecifications = (supergraphSdl: string): void => {
  for (const url of linkedSpecifications(supergraphSdl)) {
    const [, name = '', version = ''] = /^https:\/\/specs\.apollo\.dev\/(\w+)\/v(\d+\.\d+)/.exec(url) ?? [];
    if ((name === 'core' || name === 'join') && version === '0.1') {
      throw new Error('it was composed with Federation 1: compose it with Federation 2');
    }
    if (NOT_ENFORCED.has(name)) throw new Error(`it uses @${name}, which this gateway does not enforce`);
  }
};

const linkedSpecifications = (supergraphSdl: string): string[] =>
  parse(supergraphSdl).definitions.flatMap((definition) => {
    if (definition.kind !== Kind.SCHEMA_DEFINITION && definition.kind !== Kind.SCHEMA_EXTENSION) return [];
    return (definition.directives ?? []).flatMap((one) => {
      if (one.name.value === 'link') return stringArgument(one, 'url') ?? [];
      return one.name.value === 'core' ? (stringArgument(one, 'feature') ?? []) : [];
    });
  });
