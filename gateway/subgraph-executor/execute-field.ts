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
  TypeNameMetaFieldDef,
} from 'graphql';
import { compileArguments } from './argument-values.ts';
import { compileValue } from './complete-value.ts';
import type { ExecuteField } from './execute-fields.ts';
import { createInfo, type Execution, type Field, isPromise, type Path, type Target } from './execution.ts';
import { compilePosition, setValue } from './position.ts';
import type { SelectFields } from './select-fields.ts';

/**
 * Compiles a field of an object type; undefined if the type does not have it.
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
  if (definition === TypeNameMetaFieldDef) {
    return (_execution, _source, _path, target) => {
      setValue(target, responseName, parentType.name);
      return undefined;
    };
  }
  const field: Field = { definition, parentType, responseName, nodes: [node, ...others] };
  const completeValue = compileValue(definition.type, field, selectFields);
  const executeResolver = compileResolver(field, completeValue);
  const { name, args, resolve, type } = definition;
  if (resolve || args.length > 0 || !isPlainLeaf(type)) {
    return (...given) => executeResolver(resolve ?? defaultFieldResolver, ...given);
  }

  // Most fields are properties of their object: a path and the like are created only if they turn out to be more.
  return (execution, source, parentPath, target) => {
    let resolver: Resolver;
    try {
      const value = isObjectLike(source) ? source[name] : undefined;
      if (typeof value !== 'function' && !isPromise(value)) {
        setValue(target, responseName, completeValue(execution, value, NO_PATH, NO_PATH));
        return undefined;
      }
      resolver = typeof value === 'function' ? (...given) => Reflect.apply(value, source, given.slice(1)) : () => value;
    } catch (error) {
      resolver = () => {
        throw error;
      };
    }
    return executeResolver(resolver, execution, source, parentPath, target);
  };
};

type Resolver = GraphQLFieldResolver<unknown, unknown>;

/** Compiles a field that is executed by a resolver. */
const compileResolver = (field: Field, completeValue: ReturnType<typeof compileValue>) => {
  const { definition, parentType, responseName } = field;
  const position = compilePosition(definition.type, completeValue, field);
  const coerceArguments = compileArguments(field);
  return (
    resolve: Resolver,
    execution: Execution,
    source: unknown,
    parentPath: Path | undefined,
    target: Target,
  ): Promise<void> | undefined => {
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

const findDefinition = (
  schema: GraphQLSchema,
  parentType: GraphQLObjectType,
  name: string,
): GraphQLField<unknown, unknown> | undefined => {
  if (name === TypeNameMetaFieldDef.name) return TypeNameMetaFieldDef;
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
