import {
  type GraphQLInputType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInputType,
  isListType,
  isNonNullType,
  isRequiredInputField,
  isScalarType,
  type OperationDefinitionNode,
  typeFromAST,
} from 'graphql';

/** Assumed values of numbers, and lengths of lists. */
const NUMBER = 20;

/** How deep assumed input objects nest at most. */
const MAX_DEPTH = 5;

/** Assumed values by the names of variables. */
export type Assumed = Readonly<Record<string, unknown>>;

/**
 * Assumes values for the variables of an operation that have neither a default nor a given value: 20 for numbers and for the
 * length of lists, true for conditions, and otherwise some text, as its content does not change an estimate.
 */
export const assumeVariables = (
  schema: GraphQLSchema,
  { variableDefinitions = [] }: OperationDefinitionNode,
  given: Readonly<Record<string, unknown>>,
): Assumed =>
  Object.fromEntries(
    variableDefinitions.flatMap(({ variable, type, defaultValue }) => {
      const name = variable.name.value;
      if (defaultValue || Object.hasOwn(given, name)) return [];
      const inputType = typeFromAST(schema, type);
      return isInputType(inputType) ? [[name, assume(inputType, MAX_DEPTH)]] : [];
    }),
  );

const assume = (type: GraphQLInputType, depth: number): unknown => {
  if (isNonNullType(type)) return assume(type.ofType, depth);
  if (isListType(type)) return Array.from({ length: NUMBER }, () => assume(type.ofType, depth));
  if (isEnumType(type)) return type.getValues()[0]?.name;
  if (isScalarType(type)) return assumeScalar(type.name);
  if (!isInputObjectType(type) || depth === 0) return null;
  const fields = Object.values(type.getFields());
  const assumed = type.isOneOf ? fields.slice(0, 1) : fields.filter(isRequiredInputField);
  return Object.fromEntries(assumed.map((field) => [field.name, assume(field.type, depth - 1)]));
};

const assumeScalar = (name: string): unknown => {
  if (name === 'Boolean') return true;
  return name === 'Int' || name === 'Float' ? NUMBER : 'example';
};

/** Formats an assumed value as JSON, and the equal items of a list as `20 × "example"`. */
export const formatAssumed = (value: unknown): string =>
  Array.isArray(value) ? `${value.length} × ${JSON.stringify(value[0])}` : JSON.stringify(value);
