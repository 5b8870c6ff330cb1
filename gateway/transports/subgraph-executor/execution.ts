import type {
  FieldNode,
  FragmentDefinitionNode,
  GraphQLField,
  GraphQLObjectType,
  GraphQLResolveInfo,
  GraphQLSchema,
  OperationDefinitionNode,
} from 'graphql';
import type { CollectedErrors } from './collected-errors.ts';

export type ArgumentValues = Readonly<Record<string, unknown>>;

/** The state of one execution, shared by all fields. */
export type Execution = {
  readonly schema: GraphQLSchema;
  readonly fragments: Record<string, FragmentDefinitionNode>;
  readonly operation: OperationDefinitionNode;
  readonly variableValues: Record<string, unknown>;
  /** The resolvers' third argument. */
  readonly contextValue: unknown;
  readonly errors: CollectedErrors;
  /** Argument values that depend on variables, coerced once for all objects. Keyed by the coercing function. */
  readonly argumentValues: Map<object, ArgumentValues>;
};

/** The path to a position in the response, linked from its end: a key of an object, or an index of a list. */
export type Path = GraphQLResolveInfo['path'];

/** An object or a list of the response, whose values are set as they become known. */
export type Target = Record<string | number, unknown>;

/** A field of one object type, with all the nodes that select it under one response name. */
export type Field = {
  readonly definition: GraphQLField<unknown, unknown>;
  readonly parentType: GraphQLObjectType;
  readonly responseName: string;
  readonly nodes: readonly [FieldNode, ...FieldNode[]];
};

/** Creates the resolvers' fourth argument. */
export const createInfo = (
  { schema, fragments, operation, variableValues }: Execution,
  { definition, nodes, parentType }: Field,
  path: Path,
): GraphQLResolveInfo => ({
  fieldName: definition.name,
  fieldNodes: nodes,
  returnType: definition.type,
  parentType,
  path,
  schema,
  fragments,
  rootValue: undefined,
  operation,
  variableValues,
});

/** Returns whether a value is a promise, or anything else with a `then` method. */
export const isPromise = (value: unknown): value is PromiseLike<unknown> => {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const { then }: { then?: unknown } = value;
  return typeof then === 'function';
};
