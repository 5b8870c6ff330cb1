import {
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLSchema,
  isInterfaceType,
  isObjectType,
  isUnionType,
} from 'graphql';
import { createMulberry32 } from '../../sandbox/random.ts';

export type Operation = { readonly query: string; readonly variables: Readonly<Record<string, unknown>> };

/** Creates a pseudorandom generator, which gives the same values for the same seed. */
export const createRandom = (seed: number) => {
  const next = createMulberry32(seed | 0);
  return {
    next,
    chance: (share: number): boolean => next() < share,
    below: (limit: number): number => Math.floor(next() * limit),
    pick: <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)] as T,
  };
};
export type Random = ReturnType<typeof createRandom>;

/** Returns the fields of a type that clients may select. */
export const fieldsOf = (type: GraphQLCompositeType): GraphQLField<unknown, unknown>[] =>
  isObjectType(type) || isInterfaceType(type)
    ? Object.values(type.getFields()).filter(({ name }) => !name.startsWith('_'))
    : [];

/** Returns the types that clients' fragments within a type can be on. */
export const fragmentTypesOf = (schema: GraphQLSchema, type: GraphQLCompositeType): GraphQLCompositeType[] => {
  const possible = isObjectType(type) ? [type] : [...schema.getPossibleTypes(type)];
  const around = Object.values(schema.getTypeMap())
    .filter(isUnionType)
    .filter((union) => !union.name.startsWith('_') && possible.some((one) => schema.isSubType(union, one)));
  return [type, ...possible, ...possible.flatMap((one) => one.getInterfaces()), ...around];
};
