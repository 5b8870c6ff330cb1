import {
  doTypesOverlap,
  type GraphQLSchema,
  isAbstractType,
  isCompositeType,
  isInterfaceType,
  isObjectType,
} from 'graphql';

/**
 * Returns whether a type matches a type condition: it is the same type, or a member of it. `typename` may be an interface, which
 * is the type of entities from a subgraph with `@interfaceObject`.
 */
export const isOfType = (schema: GraphQLSchema, typename: string, condition: string): boolean => {
  if (typename === condition) return true;
  const type = schema.getType(typename);
  const conditionType = schema.getType(condition);
  return (
    isAbstractType(conditionType) &&
    (isObjectType(type) || isInterfaceType(type)) &&
    schema.isSubType(conditionType, type)
  );
};

/** Returns whether an object of a type, or of one of its members, can match a type condition. */
export const canBeOfType = (schema: GraphQLSchema, typename: string, condition: string): boolean => {
  const [type, conditionType] = [schema.getType(typename), schema.getType(condition)];
  return isCompositeType(type) && isCompositeType(conditionType) && doTypesOverlap(schema, type, conditionType);
};
