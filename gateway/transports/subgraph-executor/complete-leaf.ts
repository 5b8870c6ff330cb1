import { GraphQLBoolean, GraphQLFloat, GraphQLID, GraphQLInt, type GraphQLLeafType, GraphQLString } from 'graphql';
import { inspect } from 'graphql/jsutils/inspect.js';
import { isPromise } from './execution.ts';

/** Completes a non-null value of a scalar or enum type. Throws if the value is invalid. */
export const completeLeaf = (type: GraphQLLeafType, value: unknown): unknown => {
  const serialized: unknown = type.serialize(value);
  if (isPromise(serialized)) return Promise.resolve(serialized);
  if (serialized !== null && serialized !== undefined) return serialized;
  throw new Error(
    `Expected \`${type}.serialize(${inspect(value)})\` to return non-nullable value, returned: ${serialized}`,
  );
};

/** Writes the expression that tests whether a value needs no serialization. Always false for custom types. */
export const writeLeafTest = (type: GraphQLLeafType, value: string): string => {
  switch (type) {
    case GraphQLString:
    case GraphQLID:
      return `typeof ${value} === 'string'`;
    case GraphQLBoolean:
      return `typeof ${value} === 'boolean'`;
    case GraphQLInt:
      return `typeof ${value} === 'number' && (${value} | 0) === ${value}`;
    case GraphQLFloat:
      return `typeof ${value} === 'number' && ${value} - ${value} === 0`;
    default:
      return 'false';
  }
};
