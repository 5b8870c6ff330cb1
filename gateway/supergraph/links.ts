import { type ConstDirectiveNode, type DocumentNode, Kind } from 'graphql';

/** A specification that a supergraph links. Source: https://specs.apollo.dev/link/v1.0 */
export type Link = {
  /** Name of the directive that links it: `link`, or `core` before Federation 2. A supergraph can rename it. */
  readonly by: string;
  /** Prefix of its elements in the supergraph, and the name of its main directive. */
  readonly namespace: string;
  /** Name and version, if it is one of Apollo's specifications. */
  readonly apollo: { readonly name: string; readonly version: string } | undefined;
  /** The names that one of its directives has in the supergraph, without `@`. */
  readonly namesOf: (directive: string) => ReadonlySet<string>;
};

/** Returns the specifications that a supergraph links, whatever the linking directive is called. */
export const linksOf = (supergraph: DocumentNode): Link[] =>
  supergraph.definitions.flatMap((definition) => {
    if (definition.kind !== Kind.SCHEMA_DEFINITION && definition.kind !== Kind.SCHEMA_EXTENSION) return [];
    return (definition.directives ?? []).flatMap((directive) => readLink(directive) ?? []);
  });

/** Reads a directive on a supergraph's schema. Returns undefined if it links nothing. */
export const readLink = (directive: ConstDirectiveNode): Link | undefined => {
  const url = stringArgument(directive, 'url') ?? stringArgument(directive, 'feature');
  if (url === undefined) return undefined;
  const namespace = stringArgument(directive, 'as') ?? nameIn(url);
  const imports = readImports(directive);
  return {
    by: directive.name.value,
    namespace,
    apollo: readApolloUrl(url),
    namesOf: (name) => {
      const imported = imports.flatMap(([from, as]) => (from === `@${name}` ? [as.slice(1)] : []));
      const own = name === nameIn(url) ? namespace : `${namespace}__${name}`;
      return new Set([own, ...imported]);
    },
  };
};

/** Returns the name of a specification: the last segment of its URL before the version. */
const nameIn = (url: string): string =>
  (URL.parse(url)?.pathname ?? '')
    .split('/')
    .filter((segment) => segment && !/^v\d+\.\d+$/.test(segment))
    .at(-1) ?? '';

const readApolloUrl = (url: string): Link['apollo'] => {
  const { origin, pathname } = URL.parse(url) ?? {};
  const [, name, version] = /^\/(\w+)\/v(\d+\.\d+)\/?$/.exec(pathname ?? '') ?? [];
  return origin === 'https://specs.apollo.dev' && name && version ? { name, version } : undefined;
};

/** Returns the imported elements, each with its name in the supergraph: strings, or objects with `name` and `as`. */
const readImports = (directive: ConstDirectiveNode): (readonly [name: string, as: string])[] => {
  const value = directive.arguments?.find(({ name }) => name.value === 'import')?.value;
  return (value?.kind === Kind.LIST ? value.values : []).flatMap((item) => {
    if (item.kind === Kind.STRING) return [[item.value, item.value] as const];
    if (item.kind !== Kind.OBJECT) return [];
    const fieldOf = (wanted: string): string | undefined => {
      const field = item.fields.find(({ name }) => name.value === wanted)?.value;
      return field?.kind === Kind.STRING ? field.value : undefined;
    };
    const name = fieldOf('name');
    return name === undefined ? [] : [[name, fieldOf('as') ?? name] as const];
  });
};

/** Returns the value of a directive's argument if it is a string. */
export const stringArgument = (directive: ConstDirectiveNode | undefined, wanted: string): string | undefined => {
  const value = directive?.arguments?.find(({ name }) => name.value === wanted)?.value;
  return value?.kind === Kind.STRING ? value.value : undefined;
};
