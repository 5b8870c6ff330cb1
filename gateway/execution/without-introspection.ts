import { type DocumentNode, type FieldNode, Kind, visit } from 'graphql';

const TYPENAME: FieldNode = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } };

const isIntrospection = (name: string): boolean => name === '__schema' || name === '__type';

/**
 * Removes `__schema` and `__type` from a document before planning. No subgraph resolves them, and the planner's schema has an
 * older introspection type system: it rejects `isOneOf`, which graphql-js supports since 16.9.
 */
export const withoutIntrospection = (document: DocumentNode): DocumentNode =>
  visit(document, {
    FragmentDefinition: ({ typeCondition }) => (typeCondition.name.value.startsWith('__') ? null : undefined),
    Field: ({ name }) => (isIntrospection(name.value) ? null : undefined),
    SelectionSet: {
      leave: (node) => (node.selections.length === 0 ? { ...node, selections: [TYPENAME] } : undefined),
    },
  });
