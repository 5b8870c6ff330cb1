import {
  GraphQLError,
  type GraphQLLeafType,
  type GraphQLList,
  type GraphQLObjectType,
  type GraphQLOutputType,
  isAbstractType,
  isLeafType,
  isListType,
  isNonNullType,
} from 'graphql';
import { inspect } from 'graphql/jsutils/inspect.js';
import { compileList } from './complete-list.ts';
import { executeFields } from './execute-fields.ts';
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
  const complete = compileNonNull(isNonNull ? type.ofType : type, field, selectFields);
  return (execution, value, path, fieldPath) => {
    if (value instanceof Error) throw value;
    if (value !== null && value !== undefined) return complete(execution, value, path, fieldPath);
    if (isNonNull) {
      throw new Error(`Cannot return null for non-nullable field ${field.parentType.name}.${field.definition.name}.`);
    }
    return null;
  };
};

const compileNonNull = (
  type: Exclude<GraphQLOutputType, { ofType: unknown }> | GraphQLList<GraphQLOutputType>,
  field: Field,
  selectFields: SelectFields,
): CompleteValue => {
  if (isListType(type)) return compileList(type.ofType, field, selectFields);
  if (isLeafType(type)) return compileLeaf(type);
  const completeObject = compileObject(field, selectFields);
  if (!isAbstractType(type)) return (...given) => completeObject(type, ...given);
  const resolveRuntimeType = compileRuntimeType(type, field);
  return (execution, value, path, fieldPath) => {
    const runtimeType = resolveRuntimeType(execution, value, fieldPath);
    return isPromise(runtimeType)
      ? runtimeType.then((resolved) => completeObject(resolved, execution, value, path, fieldPath))
      : completeObject(runtimeType, execution, value, path, fieldPath);
  };
};

const compileLeaf =
  (type: GraphQLLeafType): CompleteValue =>
  (_execution, value) => {
    const serialized = type.serialize(value);
    if (serialized === null || serialized === undefined) {
      throw new Error(
        `Expected \`${type}.serialize(${inspect(value)})\` to return non-nullable value, returned: ${serialized}`,
      );
    }
    return serialized;
  };

type CompleteObject = (type: GraphQLObjectType, ...given: Parameters<CompleteValue>) => unknown;

const compileObject = (field: Field, selectFields: SelectFields): CompleteObject => {
  const selectionSets = field.nodes.flatMap(({ selectionSet }) => selectionSet ?? []);
  // Most types of an interface never come: the fields of one are compiled with its first object.
  const fieldsByType = new Map<GraphQLObjectType, ReturnType<SelectFields>>();
  const fieldsOf = (type: GraphQLObjectType) => {
    const known = fieldsByType.get(type);
    if (known) return known;
    const fields = selectFields(type, selectionSets);
    fieldsByType.set(type, fields);
    return fields;
  };
  const ensure = (isOfType: unknown, type: GraphQLObjectType, value: unknown): void => {
    if (isOfType) return;
    const message = `Expected value of type "${type.name}" but got: ${inspect(value)}.`;
    throw new GraphQLError(message, { nodes: field.nodes });
  };
  return (type, execution, value, path, fieldPath) => {
    const fields = fieldsOf(type);
    const isTypeOf: unknown = type.isTypeOf
      ? type.isTypeOf(value, execution.contextValue, createInfo(execution, field, fieldPath))
      : true;
    if (isPromise(isTypeOf)) {
      return isTypeOf.then((resolved) => {
        ensure(resolved, type, value);
        return executeFields(execution, fields, value, path);
      });
    }
    ensure(isTypeOf, type, value);
    return executeFields(execution, fields, value, path);
  };
};
