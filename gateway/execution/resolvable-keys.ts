import { type ConstDirectiveNode, type DocumentNode, Kind } from 'graphql';

/**
 * Puts the keys that a subgraph can find an entity by before those that it only has. Apollo's planner takes the first
 * that it can make, also one with `resolvable: false`, and then asks for entities that nobody gives.
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

const isUnresolvable = ({ name, arguments: given }: ConstDirectiveNode): boolean =>
  name.value === 'join__type' &&
  given?.some(({ name: { value }, value: is }) => value === 'resolvable' && is.kind === Kind.BOOLEAN && !is.value) ===
    true;
