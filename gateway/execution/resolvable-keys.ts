import { type ConstDirectiveNode, type DocumentNode, Kind } from 'graphql';

/**
 * Sorts resolvable keys before those with `resolvable: false`. Apollo's planner uses the first key for which it has the fields,
 * even an unresolvable one, and then plans entity fetches that the subgraph cannot serve.
 */
export const putResolvableKeysFirst = (supergraph: DocumentNode): DocumentNode => ({
  ...supergraph,
  definitions: supergraph.definitions.map((definition) => {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION && definition.kind !== Kind.INTERFACE_TYPE_DEFINITION) {
      return definition;
    }
    const directives = definition.directives ?? [];
    return {
      ...definition,
      directives: [...directives].sort((a, b) => Number(isUnresolvable(a)) - Number(isUnresolvable(b))),
    };
  }),
});

/** Returns whether a subgraph declares a key by which it does not resolve entities. */
export const isUnresolvable = ({ name, arguments: args }: ConstDirectiveNode): boolean =>
  name.value === 'join__type' &&
  args?.some(({ name: { value }, value: is }) => value === 'resolvable' && is.kind === Kind.BOOLEAN && !is.value) ===
    true;
