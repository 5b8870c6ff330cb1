import {
  type ConstArgumentNode,
  type ConstDirectiveNode,
  type DocumentNode,
  GraphQLOneOfDirective,
  Kind,
  parse,
  print,
} from 'graphql';
import { isEnforced } from '../auth/access-rules.ts';
import { readLink } from '../supergraph/links.ts';
import { putResolvableKeysFirst } from './resolvable-keys.ts';

/**
 * Rewrites a supergraph so that Apollo's planner handles it correctly:
 *
 * - Resolvable keys come first.
 * - `@oneOf` is treated as GraphQL's built-in directive. Apollo's libraries (2.14) treat it as part of a linked specification
 *   and hide it from clients, or reject it if the supergraph does not define it.
 * - A supergraph with contexts or access rules loads although they are linked `for: SECURITY`. A plan that needs a context is
 *   rejected, and the rules are enforced before planning.
 *
 * Throws a GraphQLError if the text is not valid GraphQL.
 */
export const toPlannable = (supergraphSdl: string): string =>
  print(withoutPurpose(withOneOf(putResolvableKeysFirst(parse(supergraphSdl)))));

const ONE_OF = GraphQLOneOfDirective.name;

const withOneOf = (supergraph: DocumentNode): DocumentNode => {
  const usesOneOf = supergraph.definitions.some(
    (one) =>
      one.kind === Kind.INPUT_OBJECT_TYPE_DEFINITION && one.directives?.some(({ name }) => name.value === ONE_OF),
  );
  if (!usesOneOf) return supergraph;
  const unlinked = changeLinks(supergraph, (link) =>
    readLink(link)?.namespace === ONE_OF ? [] : [changeArgument(link, 'import', withoutOneOf)],
  );
  const others = unlinked.definitions.filter(
    (one) => one.kind !== Kind.DIRECTIVE_DEFINITION || one.name.value !== ONE_OF,
  );
  return { ...unlinked, definitions: [...others, ...parse(`directive @${ONE_OF} on INPUT_OBJECT`).definitions] };
};

const withoutOneOf: ChangeArgument = (argument) => {
  if (argument.value.kind !== Kind.LIST) return [argument];
  const values = argument.value.values.filter((item) => item.kind !== Kind.STRING || item.value !== `@${ONE_OF}`);
  return [{ ...argument, value: { ...argument.value, values } }];
};

/** Removes the purpose of specifications that Apollo's gateway does not know, so that it ignores them. */
const withoutPurpose = (supergraph: DocumentNode): DocumentNode =>
  changeLinks(supergraph, (directive) => {
    const link = readLink(directive);
    const isOptional = link && (link.apollo?.name === 'context' || isEnforced(link));
    return [isOptional ? changeArgument(directive, 'for', () => []) : directive];
  });

type ChangeLink = (link: ConstDirectiveNode) => ConstDirectiveNode[];

/** Rewrites the `@link` directives of a supergraph. Source: https://specs.apollo.dev/link/v1.0 */
const changeLinks = (supergraph: DocumentNode, change: ChangeLink): DocumentNode => ({
  ...supergraph,
  definitions: supergraph.definitions.map((definition) => {
    if (definition.kind !== Kind.SCHEMA_DEFINITION && definition.kind !== Kind.SCHEMA_EXTENSION) return definition;
    const directives = (definition.directives ?? []).flatMap((one) =>
      one.name.value === 'link' ? change(one) : [one],
    );
    return { ...definition, directives };
  }),
});

type ChangeArgument = (argument: ConstArgumentNode) => ConstArgumentNode[];

const changeArgument = (link: ConstDirectiveNode, name: string, change: ChangeArgument): ConstDirectiveNode => ({
  ...link,
  arguments: (link.arguments ?? []).flatMap((argument) =>
    argument.name.value === name ? change(argument) : [argument],
  ),
});
