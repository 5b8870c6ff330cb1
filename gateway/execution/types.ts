import {
  doTypesOverlap,
  type GraphQLSchema,
  isAbstractType,
  isCompositeType,
  isInterfaceType,
  isObjectType,
} from 'graphql';

/**
 * Whether what says that it is of the type `typename` is one of `condition`: the same type, or one of its members. An
 * interface counts as a type that something can be of: entities from a subgraph with `@interfaceObject` are.
 */
export const isOfType = (schema: GraphQLSchema, typename: string, condition: string): boolean => {
  if (typename === condition) return true;
  const type = schema.getType(typename);
  const wanted = schema.getType(condition);
  return isAbstractType(wanted) && (isObjectType(type) || isInterfaceType(type)) && schema.isSubType(wanted, type);
};

/** Whether an object of a type, or of a member of it, can be one of `condition`. */
export const canBeOfType = (schema: GraphQLSchema, typename: string, condition: string): boolean => {
  const [type, wanted] = [schema.getType(typename), schema.getType(condition)];
  return isCompositeType(type) && isCompositeType(wanted) && doTypesOverlap(schema, type, wanted);
};
