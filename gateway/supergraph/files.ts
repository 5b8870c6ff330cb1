import { join } from 'node:path';
import { Kind, parse } from 'graphql';
import { accessDirectiveOf, isEnforced } from '../auth/access-rules.ts';
import { linksOf, stringArgument } from './links.ts';

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

/**
 * Throws where a supergraph can be read but must not be served: one of Federation 1, or one with access rules of a version that
 * is not enforced. Source: the link and core specifications, https://specs.apollo.dev/link and …/core
 */
export const checkSpecifications = (supergraphSdl: string): void => {
  for (const link of linksOf(parse(supergraphSdl))) {
    const { name, version } = link.apollo ?? {};
    if ((name === 'core' || name === 'join') && version === '0.1') {
      throw new Error('it was composed with Federation 1: compose it with Federation 2');
    }
    // Served without, everybody could read what they protect.
    if (accessDirectiveOf(link) && !isEnforced(link)) {
      throw new Error(`it uses @${name} v${version} by @${link.by}, which this gateway does not enforce`);
    }
  }
};
