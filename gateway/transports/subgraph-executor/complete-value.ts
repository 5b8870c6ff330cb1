import {
  type GraphQLAbstractType,
  GraphQLError,
  type GraphQLObjectType,
  type GraphQLOutputType,
  isAbstractType,
  isLeafType,
  isListType,
  isNonNullType,
} from 'graphql';
import { inspect } from 'graphql/jsutils/inspect.js';
import { completeLeaf } from './complete-leaf.ts';
import { compileList } from './complete-list.ts';
import { type CompleteValue, type ExecuteFields, type Field, isPromise, type SelectFields } from './execution.ts';
import { compileRuntimeType } from './runtime-type.ts';

/** Compiles the completion of a field's values, or of the items of its lists. */
export const compileValue = (type: GraphQLOutputType, field: Field, selectFields: SelectFields): CompleteValue => {
  const isNonNull = isNonNullType(type);
  const nullable = isNonNull ? type.ofType : type;
  const completeNull = (): null => {
    if (!isNonNull) return null;
    throw new Error(`Cannot return null for non-nullable field ${field.parentType.name}.${field.definition.name}.`);
  };
  if (isLeafType(nullable)) {
    return (_execution, value) => {
      if (value instanceof Error) throw value;
      return value === null || value === undefined ? completeNull() : completeLeaf(nullable, value);
    };
  }
  const complete = isListType(nullable)
    ? compileList(nullable.ofType, field, compileValue(nullable.ofType, field, selectFields))
    : isAbstractType(nullable)
      ? compileAbstract(nullable, field, selectFields)
      : compileObject(nullable, field, selectFields);
  return (execution, value, path, info) => {
    if (value instanceof Error) throw value;
    return value === null || value === undefined ? completeNull() : complete(execution, value, path, info);
  };
};

const compileAbstract = (type: GraphQLAbstractType, field: Field, selectFields: SelectFields): CompleteValue => {
  const resolveRuntimeType = compileRuntimeType(type, field);
  const completeByType = new Map<GraphQLObjectType, CompleteValue>();
  const completeOf = (runtimeType: GraphQLObjectType): CompleteValue => {
    const existing = completeByType.get(runtimeType);
    if (existing) return existing;
    const complete = compileObject(runtimeType, field, selectFields);
    completeByType.set(runtimeType, complete);
    return complete;
  };
  return (execution, value, path, info) => {
    const runtimeType = resolveRuntimeType(execution, value, info);
    return isPromise(runtimeType)
      ? Promise.resolve(runtimeType).then((resolved) => completeOf(resolved)(execution, value, path, info))
      : completeOf(runtimeType)(execution, value, path, info);
  };
};

const compileObject = (type: GraphQLObjectType, field: Field, selectFields: SelectFields): CompleteValue => {
  let executeFields: ExecuteFields | undefined;
  const ensure = (isOfType: unknown, value: unknown): void => {
    if (isOfType) return;
    const message = `Expected value of type "${type.name}" but got: ${inspect(value)}.`;
    throw new GraphQLError(message, { nodes: field.nodes });
  };
  return (execution, value, path, info) => {
    // Compiled with the first object, because many fields never have one.
    executeFields ??= selectFields(
      type,
      field.nodes.flatMap(({ selectionSet }) => selectionSet ?? []),
    ).execute;
    if (!type.isTypeOf) return executeFields(execution, value, path);
    const execute = executeFields;
    const isTypeOf: unknown = type.isTypeOf(value, execution.contextValue, info);
    if (isPromise(isTypeOf)) {
      return Promise.resolve(isTypeOf).then((resolved) => {
        ensure(resolved, value);
        return execute(execution, value, path);
      });
    }
    ensure(isTypeOf, value);
    return execute(execution, value, path);
  };
};
