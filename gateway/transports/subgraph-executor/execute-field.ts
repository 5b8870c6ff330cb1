import {
  defaultFieldResolver,
  type FieldNode,
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNullableType,
  isEnumType,
  isNonNullType,
  isScalarType,
  isSpecifiedScalarType,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
} from 'graphql';
import { compileArguments } from './argument-values.ts';
import { completeLeaf, writeLeafTest } from './complete-leaf.ts';
import { compileValue } from './complete-value.ts';
import type { CompiledField, ExecuteField, PropertyField } from './execute-fields.ts';
import { type CompleteValue, createInfo, type Field, isPromise, type SelectFields } from './execution.ts';
import { compilePosition, setValue } from './position.ts';

/**
 * Compiles a field of an object type, except `__typename`. Returns undefined if the type has no such field.
 * Source: GraphQL specification (October 2021), section 6.4, ExecuteField.
 */
export const compileField = (
  schema: GraphQLSchema,
  parentType: GraphQLObjectType,
  responseName: string,
  nodes: readonly FieldNode[],
  selectFields: SelectFields,
): CompiledField | undefined => {
  const [node, ...others] = nodes;
  const definition = node && findDefinition(schema, parentType, node.name.value);
  if (!definition) return undefined;
  const field: Field = { definition, parentType, responseName, nodes: [node, ...others] };
  const compileResolved = (resolve?: GraphQLFieldResolver<unknown, unknown>): ExecuteField =>
    compileResolvedField(field, compileValue(definition.type, field, selectFields), resolve);
  const isProperty = !definition.resolve && definition.args.length === 0;
  const property = isProperty ? compileProperty(field, compileResolved) : undefined;
  return {
    responseName,
    property,
    execute: property ? (...args) => compileResolved()(...args) : compileResolved(),
  };
};

/** Compiles a field whose value comes from a resolver. */
const compileResolvedField = (
  field: Field,
  completeValue: CompleteValue,
  resolve = field.definition.resolve ?? defaultFieldResolver,
): ExecuteField => {
  const { definition, parentType, responseName } = field;
  const position = compilePosition(definition.type, completeValue, field);
  const coerceArguments = compileArguments(field);
  return (execution, source, parentPath, target) => {
    const path = { prev: parentPath, key: responseName, typename: parentType.name };
    const info = createInfo(execution, field, path);
    let value: unknown;
    try {
      value = resolve(source, coerceArguments(execution), execution.contextValue, info);
    } catch (error) {
      position.fail(execution, error, path, target);
      return undefined;
    }
    return position.complete(execution, value, path, info, target);
  };
};

/**
 * Compiles a field of a scalar or enum type whose value is a property of its object. Returns undefined for other types. Falls
 * back to the code for resolvers only if a value turns out to be a method, a promise or an error.
 */
const compileProperty = (
  field: Field,
  compileResolved: (resolve: GraphQLFieldResolver<unknown, unknown>) => ExecuteField,
): PropertyField | undefined => {
  const { definition, responseName } = field;
  const isNullable = !isNonNullType(definition.type);
  const type = getNullableType(definition.type);
  if (!isEnumType(type) && !(isScalarType(type) && isSpecifiedScalarType(type))) return undefined;
  return {
    name: definition.name,
    isNullable,
    writeTest: (value) => writeLeafTest(type, value),
    complete: (execution, source, parentPath, target, value) => {
      try {
        if (isPlain(value)) {
          setValue(target, responseName, completeLeaf(type, value));
          return undefined;
        }
      } catch {
        // Fails again below, where the error gets its path.
      }
      // The property is not read again: it may be a getter.
      const resolve =
        typeof value === 'function' ? (...args: unknown[]) => Reflect.apply(value, source, args.slice(1)) : () => value;
      return compileResolved(resolve)(execution, source, parentPath, target);
    },
    fail: (execution, source, parentPath, target, error) =>
      compileResolved(() => {
        throw error;
      })(execution, source, parentPath, target),
  };
};

const findDefinition = (
  schema: GraphQLSchema,
  parentType: GraphQLObjectType,
  name: string,
): GraphQLField<unknown, unknown> | undefined => {
  if (parentType === schema.getQueryType()) {
    if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef;
    if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef;
  }
  return parentType.getFields()[name];
};

/** Returns whether a property's value is the field's result, and neither an error nor null. */
const isPlain = (value: unknown): boolean =>
  value !== null &&
  value !== undefined &&
  typeof value !== 'function' &&
  !(value instanceof Error) &&
  !isPromise(value);
