import {
  type DocumentNode,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isInputObjectType,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';

/** The schema coordinates that operations use: `Customer`, `Customer.phone`, `Customer.payments.first`, `@include`. */
export type Usage = ReadonlySet<string>;

/** Collects the coordinates that operations use. The operations must be valid against the schema. */
export const readUsage = (schema: GraphQLSchema, documents: readonly DocumentNode[]): Usage => {
  const used = new Set<string>();

  const addType = (type: GraphQLNamedType | null | undefined): void => {
    if (!type || used.has(type.name)) return;
    used.add(type.name);
    // The value of an input-type variable is unknown here: all of its fields may be sent.
    if (!isInputObjectType(type)) return;
    for (const field of Object.values(type.getFields())) addType(getNamedType(field.type));
  };

  for (const document of documents) {
    const info = new TypeInfo(schema);
    visit(
      document,
      visitWithTypeInfo(info, {
        Field: () => {
          const [parent, field] = [info.getParentType(), info.getFieldDef()];
          addType(parent);
          if (parent && field) used.add(`${parent.name}.${field.name}`);
          if (field) addType(getNamedType(field.type));
        },
        Argument: () => {
          const [parent, field, argument] = [info.getParentType(), info.getFieldDef(), info.getArgument()];
          if (parent && field && argument) used.add(`${parent.name}.${field.name}.${argument.name}`);
          if (argument) addType(getNamedType(argument.type));
        },
        VariableDefinition: () => addType(getNamedType(info.getInputType())),
        Directive: ({ name }) => {
          used.add(`@${name.value}`);
        },
      }),
    );
  }
  return used;
};
