import {
  defaultFieldResolver,
  type FieldNode,
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  isEnumType,
  isNonNullType,
  isSpecifiedScalarType,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
} from 'graphql';
import { compileArguments } from './argument-values.ts';
import { type CompleteValue, compileValue } from './complete-value.ts';
import type { ExecuteField } from './execute-fields.ts';
import { createInfo, type Field, isPromise, type Path } from './execution.ts';
import { compilePosition, setValue } from './position.ts';
import type { SelectFields } from './select-fields.ts';

/**
 * Compiles a field of an object type, `__typename` aside; undefined if the type does not have it.
 * Source: GraphQL specification (October 2021), section 6.4, ExecuteField.
 */
export const compileField = (
  schema: GraphQLSchema,
  parentType: GraphQLObjectType,
  responseName: string,
  nodes: readonly FieldNode[],
  selectFields: SelectFields,
): ExecuteField | undefined => {
  const [node, ...others] = nodes;
  const definition = node && findDefinition(schema, parentType, node.name.value);
  if (!definition) return undefined;
  const field: Field = { definition, parentType, responseName, nodes: [node, ...others] };
  const completeValue = compileValue(definition.type, field, selectFields);
  const isPlain = !definition.resolve && definition.args.length === 0 && isPlainLeaf(definition.type);
  return isPlain ? compilePlainField(field, completeValue) : compileResolvedField(field, completeValue);
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
    let value: unknown;
    try {
      value = resolve(source, coerceArguments(execution), execution.contextValue, createInfo(execution, field, path));
    } catch (error) {
      position.fail(execution, error, path, target);
      return undefined;
    }
    return position.complete(execution, value, path, path, target);
  };
};

/**
 * Compiles a field whose value is a property of its object. Most fields are, so nothing is created for one, here or in
 * an execution, unless it turns out to be more: a method, a promise, or an error.
 */
const compilePlainField = (field: Field, completeValue: CompleteValue): ExecuteField => {
  const { responseName } = field;
  const { name } = field.definition;
  return (execution, source, parentPath, target) => {
    let resolve: GraphQLFieldResolver<unknown, unknown>;
    try {
      const value = isObjectLike(source) ? source[name] : undefined;
      if (typeof value !== 'function' && !isPromise(value)) {
        setValue(target, responseName, completeValue(execution, value, NO_PATH, NO_PATH));
        return undefined;
      }
      // The property is not read again: it may be a getter.
      resolve = typeof value === 'function' ? (...given) => Reflect.apply(value, source, given.slice(1)) : () => value;
    } catch (error) {
      resolve = () => {
        throw error;
      };
    }
    return compileResolvedField(field, completeValue, resolve)(execution, source, parentPath, target);
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

/** Returns whether the values of a type are completed at once, and without their path. */
const isPlainLeaf = (type: GraphQLOutputType): boolean => {
  const nullable = isNonNullType(type) ? type.ofType : type;
  return isEnumType(nullable) || (!('ofType' in nullable) && isSpecifiedScalarType(nullable));
};

const NO_PATH: Path = { prev: undefined, key: '', typename: undefined };

const isObjectLike = (source: unknown): source is Record<string, unknown> =>
  (typeof source === 'object' && source !== null) || typeof source === 'function';
