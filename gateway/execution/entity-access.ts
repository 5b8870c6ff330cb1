import { type ConstDirectiveNode, type DocumentNode, Kind, type SelectionSetNode } from 'graphql';
import { graphOf, subgraphNames } from './entity-keys.ts';
import { selectionsOf } from './requirements.ts';
import { isUnresolvable } from './resolvable-keys.ts';

/** What subgraphs can resolve of an entity, besides what they resolve where another field returns it. */
export type EntityAccess = {
  /** Returns a key by which a subgraph resolves entities of an object type. */
  readonly keyOf: (subgraph: string, typename: string) => SelectionSetNode | undefined;
  /** Returns whether a subgraph only refers to a field, or provides it in some places. */
  readonly isExternal: (subgraph: string, typename: string, field: string) => boolean;
};

/** Reads how subgraphs resolve the entities of a supergraph. Source: the join specification, https://specs.apollo.dev/join */
export const readEntityAccess = (supergraph: DocumentNode): EntityAccess => {
  const names = subgraphNames(supergraph);
  const keys = new Map<string, SelectionSetNode>();
  const external = new Set<string>();
  for (const definition of supergraph.definitions) {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION && definition.kind !== Kind.INTERFACE_TYPE_DEFINITION) continue;
    const typename = definition.name.value;
    for (const directive of definition.directives ?? []) {
      const [key] = isUnresolvable(directive) ? [] : selectionsOf(directive, 'join__type', 'key');
      const owner = `${names.get(graphOf(directive))} ${typename}`;
      if (key && !keys.has(owner)) keys.set(owner, key);
    }
    for (const field of definition.fields ?? []) {
      for (const directive of field.directives ?? []) {
        if (isExternalField(directive))
          external.add(`${names.get(graphOf(directive))} ${typename}.${field.name.value}`);
      }
    }
  }
  return {
    keyOf: (subgraph, typename) => keys.get(`${subgraph} ${typename}`),
    isExternal: (subgraph, typename, field) => external.has(`${subgraph} ${typename}.${field}`),
  };
};

const isExternalField = ({ name, arguments: args = [] }: ConstDirectiveNode): boolean =>
  name.value === 'join__field' &&
  args.some(({ name: { value }, value: is }) => value === 'external' && is.kind === Kind.BOOLEAN && is.value);
