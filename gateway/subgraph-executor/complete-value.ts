import {
  type GraphQLAbstractType,
  GraphQLError,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  isAbstractType,
  isLeafType,
  isListType,
  isNonNullType,
} from 'graphql';
import { inspect } from 'graphql/jsutils/inspect.js';
import { compileList } from './complete-list.ts';
import { executeFields, type SelectedFields } from './execute-fields.ts';
import { createInfo, type Execution, type Field, isPromise, type Path } from './execution.ts';
import { compileRuntimeType } from './runtime-type.ts';
import type { SelectFields } from './select-fields.ts';

/**
 * Turns a resolved value into its form in the response, or a promise of that. Throws, or rejects with, the reason why
 * it cannot. `path` is the value's own; in a list, `fieldPath` is that of the list's field.
 * Source: GraphQL specification (October 2021), section 6.4.3, CompleteValue.
 */
export type CompleteValue = (execution: Execution, value: unknown, path: Path, fieldPath: Path) => unknown;

/** Compiles the completion of a field's values, or of the values in its lists. */
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
      return value === null || value === undefined ? completeNull() : serialize(nullable, value);
    };
  }
  const complete = isListType(nullable)
    ? compileList(nullable.ofType, field, selectFields)
    : isAbstractType(nullable)
      ? compileAbstract(nullable, field, selectFields)
      : compileObject(nullable, field, selectFields);
  return (execution, value, path, fieldPath) => {
    if (value instanceof Error) throw value;
    return value === null || value === undefined ? completeNull() : complete(execution, value, path, fieldPath);
  };
};

const serialize = (type: GraphQLLeafType, value: unknown): unknown => {
  const serialized = type.serialize(value);
  if (serialized !== null && serialized !== undefined) return serialized;
  throw new Error(
    `Expected \`${type}.serialize(${inspect(value)})\` to return non-nullable value, returned: ${serialized}`,
  );
};

const compileAbstract = (type: GraphQLAbstractType, field: Field, selectFields: SelectFields): CompleteValue => {
  const resolveRuntimeType = compileRuntimeType(type, field);
  const completeByType = new Map<GraphQLObjectType, CompleteValue>();
  const completeOf = (runtimeType: GraphQLObjectType): CompleteValue => {
    const known = completeByType.get(runtimeType);
    if (known) return known;
    const complete = compileObject(runtimeType, field, selectFields);
    completeByType.set(runtimeType, complete);
    return complete;
  };
  return (execution, value, path, fieldPath) => {
    const runtimeType = resolveRuntimeType(execution, value, fieldPath);
    return isPromise(runtimeType)
      ? runtimeType.then((resolved) => completeOf(resolved)(execution, value, path, fieldPath))
      : completeOf(runtimeType)(execution, value, path, fieldPath);
  };
};

const compileObject = (type: GraphQLObjectType, field: Field, selectFields: SelectFields): CompleteValue => {
  let fields: SelectedFields | undefined;
  const ensure = (isOfType: unknown, value: unknown): void => {
    if (isOfType) return;
    const message = `Expected value of type "${type.name}" but got: ${inspect(value)}.`;
    throw new GraphQLError(message, { nodes: field.nodes });
  };
  return (execution, value, path, fieldPath) => {
    // With the first object: a field may well never have one.
    fields ??= selectFields(
      type,
      field.nodes.flatMap(({ selectionSet }) => selectionSet ?? []),
    );
    if (!type.isTypeOf) return executeFields(execution, fields, value, path);
    const selected = fields;
    const isTypeOf: unknown = type.isTypeOf(value, execution.contextValue, createInfo(execution, field, fieldPath));
    if (isPromise(isTypeOf)) {
      return isTypeOf.then((resolved) => {
        ensure(resolved, value);
        return executeFields(execution, selected, value, path);
      });
    }
    ensure(isTypeOf, value);
    return executeFields(execution, selected, value, path);
  };
};
