import { GraphQLScalarType, Kind, type ValueNode } from 'graphql';

// Scalars do not validate inputs; `inputs.ts` does. So an invalid value gives the same error in a variable and in a literal:
// the code BAD_USER_INPUT, the argument's name and the path of the field.
const takeAsIs = (name: string) =>
  new GraphQLScalarType({
    name,
    parseValue: (value) => value,
    parseLiteral: (node: ValueNode) =>
      node.kind === Kind.STRING || node.kind === Kind.ENUM
        ? node.value
        : 'value' in node
          ? Number(node.value)
          : undefined,
  });

/** The scalars that several subgraphs share, by name. */
export const scalars = {
  DateTime: takeAsIs('DateTime'),
  Decimal: takeAsIs('Decimal'),
  SafeInt: takeAsIs('SafeInt'),
};
