import { GraphQLScalarType, Kind, type ValueNode } from 'graphql';

// Values come in as they are and are judged by `inputs.ts`, so that a malformed one is refused in one way wherever it
// stands: with the code BAD_USER_INPUT, the argument's name and the path of the field.
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
