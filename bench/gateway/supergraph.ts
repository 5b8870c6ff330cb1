import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { composeServices } from '@apollo/composition';
import { type ASTNode, parse, print, visit } from 'graphql';

/* The supergraphs of the benchmark, with each subgraph at `<url>/<its name>`. */

const ROOT = join(import.meta.dirname, '../..');

/** Composes a supergraph of subgraphs' schemas. */
export const composeAt = (url: string, schemas: Readonly<Record<string, string>>): string => {
  const services = Object.entries(schemas).map(([name, text]) => ({
    name,
    typeDefs: parse(text),
    url: `${url}/${name}`,
  }));
  const { errors, supergraphSdl } = composeServices(services);
  if (errors) throw new Error(String(errors[0]));
  return supergraphSdl;
};

/** Returns the product's supergraph. */
export const productAt = (url: string): string =>
  readFileSync(join(ROOT, 'gateway/supergraph.graphql'), 'utf8').replaceAll(
    /@join__graph\(name: "(\w+)", url: "[^"]*"\)/g,
    `@join__graph(name: "$1", url: "${url}/$1")`,
  );

/** Returns a supergraph without the scopes that it requires, which peers refuse or do not know. */
export const withoutScopes = (sdl: string): string => {
  const remove = (node: ASTNode) => (print(node).includes('requiresScopes') ? null : undefined);
  return print(visit(parse(sdl), { Directive: remove, DirectiveDefinition: remove, ScalarTypeDefinition: remove }));
};
