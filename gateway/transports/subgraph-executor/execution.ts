import type {
  FieldNode,
  FragmentDefinitionNode,
  GraphQLError,
  GraphQLField,
  GraphQLObjectType,
  GraphQLResolveInfo,
  GraphQLSchema,
  OperationDefinitionNode,
  SelectionSetNode,
} from 'graphql';

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

/** Collects the errors of one execution. */
export type CollectedErrors = {
  /**
   * Adds the error that makes the response null at `path` (undefined: the root). Does nothing if that position or an ancestor
   * is already null: a field that was still running when its parent became null is not part of the response.
   */
  readonly add: (error: GraphQLError, path: Path | undefined) => void;
  readonly errors: readonly GraphQLError[];
};

/** An object or a list of the response, whose values are set as they become known. */
export type Target = Record<string | number, unknown>;

/** A field of one object type, with all the nodes that select it under one response name. */
export type Field = {
  readonly definition: GraphQLField<unknown, unknown>;
  readonly parentType: GraphQLObjectType;
  readonly responseName: string;
  readonly nodes: readonly [FieldNode, ...FieldNode[]];
};

/** Executes the fields of one object. Returns a promise only if a field does. */
export type ExecuteFields = (execution: Execution, source: unknown, path: Path | undefined) => Target | Promise<Target>;

/**
 * Completes a resolved value: returns its response form, or a native promise of it. Throws or rejects if the value is invalid.
 * `path` is the path of the value; `info` is the field's resolve info.
 * Source: GraphQL specification (October 2021), section 6.4.3, CompleteValue.
 */
export type CompleteValue = (execution: Execution, value: unknown, path: Path, info: GraphQLResolveInfo) => unknown;

/** The fields selected on the objects of one type. */
export type SelectedFields = {
  /** Executes the fields concurrently. */
  readonly execute: ExecuteFields;
  /** Executes the fields one after the other. */
  readonly executeSerially: ExecuteFields;
};

/** Returns the compiled fields that selection sets select on an object type. Throws GraphQLError. */
export type SelectFields = (type: GraphQLObjectType, selectionSets: readonly SelectionSetNode[]) => SelectedFields;

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
