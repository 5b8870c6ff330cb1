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

/** The graph cannot execute an operation although it is valid. */
export class UnsupportedOperation extends Error {}

/** The selected fields that require fields with arguments, by coordinate. See RequiredCalls. */
export type SelectedCalls = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Finds the selected fields of a document that require fields with arguments. */
export const findSelectedCalls = (
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

/** Returns the possible coordinates of a selected field: in its parent type and in the types that implement it. */
const coordinatesOf = (schema: GraphQLSchema, types: TypeInfo, field: string): string[] => {
  const parent = types.getParentType();
  if (!parent) return [];
  const others = isAbstractType(parent) ? schema.getPossibleTypes(parent) : [];
  return [parent, ...others].map(({ name }) => `${name}.${field}`);
};

/**
 * Splits an operation so that within each part no two fields of a type require a field with different arguments.
 *
 * A subgraph receives a required value under the field's name, so it can receive only one. Selections without such a
 * requirement are in every part, to keep the objects' keys and the client's order. Throws UnsupportedOperation for a mutation or a subscription.
 */
export const split = (schema: GraphQLSchema, document: DocumentNode, selected: SelectedCalls): DocumentNode[] => {
  const parts: Map<string, string>[] = [];
  const partByCoordinate = new Map<string, number>();
  for (const [coordinate, required] of selected) {
    const [typename] = coordinate.split('.');
    const calls = [...required].map(([name, call]) => [`${typename}.${name}`, call] as const);
    const reusable = parts.findIndex((part) => calls.every(([field, call]) => (part.get(field) ?? call) === call));
    const index = reusable === -1 ? parts.length : reusable;
    partByCoordinate.set(coordinate, index);
    parts[index] = new Map([...(parts[index] ?? []), ...calls]);
  }
  if (parts.length <= 1) return [document];
  const { operation } = operationIn(document);
  if (operation !== 'query') {
    throw new UnsupportedOperation(
      `The ${operation} selects fields that require one value with different arguments. Select them in two requests.`,
    );
  }
  const types = new TypeInfo(schema);
  return parts.map((_part, index) =>
    visit(
      document,
      visitWithTypeInfo(types, {
        Field: ({ name }) => {
          const indices = coordinatesOf(schema, types, name.value).flatMap(
            (coordinate) => partByCoordinate.get(coordinate) ?? [],
          );
          return indices.length > 0 && Math.max(...indices) !== index ? null : undefined;
        },
        SelectionSet: {
          leave: (node) => (node.selections.length === 0 ? { ...node, selections: [TYPENAME] } : undefined),
        },
      }),
    ),
  );
};

const TYPENAME: FieldNode = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } };
