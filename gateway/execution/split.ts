import {
  type DocumentNode,
  type FieldNode,
  type GraphQLSchema,
  isAbstractType,
  Kind,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import type { RequiredCalls } from './requirements.ts';
import { operationIn } from './steps.ts';

/** An operation that the graph cannot execute although it is valid. */
export class UnsupportedOperation extends Error {}

/** Of the fields that an operation selects, those that require something with arguments, and what. */
export type SelectedCalls = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** What the fields that a document selects require with arguments, by the fields' coordinates. */
export const findSelected = (
  schema: GraphQLSchema,
  requirements: RequiredCalls,
  document: DocumentNode,
): SelectedCalls => {
  const found = new Map<string, ReadonlyMap<string, string>>();
  if (requirements.size === 0) return found;
  const types = new TypeInfo(schema);
  visit(
    document,
    visitWithTypeInfo(types, {
      Field: ({ name }) => {
        for (const coordinate of coordinatesOf(schema, types, name.value)) {
          const required = requirements.get(coordinate);
          if (required) found.set(coordinate, required);
        }
      },
    }),
  );
  return found;
};

/** Where a selected field can be defined: in its type, or in those that implement it. */
const coordinatesOf = (schema: GraphQLSchema, types: TypeInfo, field: string): string[] => {
  const parent = types.getParentType();
  if (!parent) return [];
  const others = isAbstractType(parent) ? schema.getPossibleTypes(parent) : [];
  return [parent, ...others].map(({ name }) => `${name}.${field}`);
};

/**
 * Divides an operation so that in no part two fields of one type require a field with different arguments: a subgraph
 * is told a required value under the field's name, and can be told one only. Everything without such a requirement is
 * in every part, for the sake of the objects' keys and of the client's order. Throws UnsupportedOperation.
 */
export const split = (schema: GraphQLSchema, document: DocumentNode, selected: SelectedCalls): DocumentNode[] => {
  const parts: Map<string, string>[] = [];
  const partOf = new Map<string, number>();
  for (const [coordinate, required] of selected) {
    const [typename] = coordinate.split('.');
    const calls = [...required].map(([name, call]) => [`${typename}.${name}`, call] as const);
    const fitting = parts.findIndex((part) => calls.every(([place, call]) => (part.get(place) ?? call) === call));
    const index = fitting === -1 ? parts.length : fitting;
    partOf.set(coordinate, index);
    parts[index] = new Map([...(parts[index] ?? []), ...calls]);
  }
  if (parts.length <= 1) return [document];
  if (operationIn(document).operation === 'mutation') {
    throw new UnsupportedOperation(
      'These fields need one value with different arguments: ask for them in two requests.',
    );
  }
  const types = new TypeInfo(schema);
  return parts.map((_part, index) =>
    visit(
      document,
      visitWithTypeInfo(types, {
        Field: ({ name }) => {
          const wanted = coordinatesOf(schema, types, name.value).flatMap((coordinate) => partOf.get(coordinate) ?? []);
          return wanted.length > 0 && Math.max(...wanted) !== index ? null : undefined;
        },
        SelectionSet: {
          leave: (node) => (node.selections.length === 0 ? { ...node, selections: [TYPENAME] } : undefined),
        },
      }),
    ),
  );
};

const TYPENAME: FieldNode = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } };
