import { type DocumentNode, type FieldNode, Kind, visit } from 'graphql';

const TYPENAME: FieldNode = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } };

const isMeta = (name: string): boolean => name === '__schema' || name === '__type';

/**
 * Takes `__schema` and `__type` out of a document that is to be planned. No subgraph is asked for them, and the schema that
 * the planner reads operations with has an older introspection: it refuses `isOneOf`, which graphql-js has answered since 16.9.
 */
export const withoutIntrospection = (document: DocumentNode): DocumentNode =>
  visit(document, {
    FragmentDefinition: ({ typeCondition }) => (typeCondition.name.value.startsWith('__') ? null : undefined),
    Field: ({ name }) => (isMeta(name.value) ? null : undefined),
    SelectionSet: {
      leave: (node) => (node.selections.length === 0 ? { ...node, selections: [TYPENAME] } : undefined),
    },
  });
