import {
  defaultTypeResolver,
  type GraphQLAbstractType,
  GraphQLError,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  isObjectType,
} from 'graphql';
import { inspect } from 'graphql/jsutils/inspect.js';
import { type Execution, type Field, isPromise } from './execution.ts';

/** Returns the object type of a value, or a promise of it. Throws GraphQLError if the resolver returns no possible type. */
export type ResolveRuntimeType = (
  execution: Execution,
  value: unknown,
  info: GraphQLResolveInfo,
) => GraphQLObjectType | PromiseLike<GraphQLObjectType>;

/** Compiles the type resolution for values of a field of an interface or union type. */
export const compileRuntimeType = (type: GraphQLAbstractType, field: Field): ResolveRuntimeType => {
  const resolveType = type.resolveType ?? defaultTypeResolver;
  return (execution, value, info) => {
    const name: unknown = resolveType(value, execution.contextValue, info, type);
    return isPromise(name)
      ? name.then((resolved) => ensureRuntimeType(execution, type, field, value, resolved))
      : ensureRuntimeType(execution, type, field, value, name);
  };
};

// The messages are those of graphql-js, so that a subgraph returns the same errors in process and over HTTP.
const ensureRuntimeType = (
  { schema }: Execution,
  abstractType: GraphQLAbstractType,
  { parentType, definition, nodes }: Field,
  value: unknown,
  name: unknown,
): GraphQLObjectType => {
  const unresolved = `Abstract type "${abstractType.name}" must resolve to an Object type at runtime for field "${parentType.name}.${definition.name}"`;
  if (name === null || name === undefined) {
    throw new GraphQLError(
      `${unresolved}. Either the "${abstractType.name}" type should provide a "resolveType" function or each possible type should provide an "isTypeOf" function.`,
      { nodes },
    );
  }
  if (isObjectType(name)) {
    throw new GraphQLError(
      'Support for returning GraphQLObjectType from resolveType was removed in graphql-js@16.0.0 please return type name instead.',
    );
  }
  if (typeof name !== 'string') {
    throw new GraphQLError(`${unresolved} with value ${inspect(value)}, received "${inspect(name)}".`);
  }
  const type = schema.getType(name);
  if (!type) {
    throw new GraphQLError(
      `Abstract type "${abstractType.name}" was resolved to a type "${name}" that does not exist inside the schema.`,
      { nodes },
    );
  }
  if (!isObjectType(type)) {
    throw new GraphQLError(`Abstract type "${abstractType.name}" was resolved to a non-object type "${name}".`, {
      nodes,
    });
  }
  if (!schema.isSubType(abstractType, type)) {
    throw new GraphQLError(`Runtime Object type "${type.name}" is not a possible type for "${abstractType.name}".`, {
      nodes,
    });
  }
  return type;
};
