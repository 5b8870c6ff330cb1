import {
  coerceInputValue,
  GraphQLError,
  type GraphQLSchema,
  isInputType,
  isNonNullType,
  print,
  typeFromAST,
  type VariableDefinitionNode,
  valueFromAST,
} from 'graphql';
import { toClientText } from '../../subgraphs/kit/limits/client-text.ts';

export type CoercedVariables =
  | { readonly coerced: Readonly<Record<string, unknown>>; readonly errors?: undefined }
  | { readonly coerced?: undefined; readonly errors: readonly GraphQLError[] };

export type CoercionOptions = {
  /** Whether messages may suggest fields and values of the schema that the client did not send. */
  readonly suggestions: boolean;
  /** Number of errors after which coercion stops. Default 10. */
  readonly maxErrors?: number;
};

/** Stops the coercion of variables with too many errors. */
class TooManyErrors extends Error {}

/**
 * Coerces a request's variables as defined in section 6.1.2 of the GraphQL specification. Errors have the code BAD_USER_INPUT.
 *
 * Unlike in graphql-js, an error never repeats the object that contains the mistake, and coercion stops at `maxErrors`.
 * graphql-js repeats that object for each of a thousand unknown fields: 10 kB of variables made a response of 9 MB.
 */
export const coerceVariables = (
  schema: GraphQLSchema,
  definitions: readonly VariableDefinitionNode[],
  values: Readonly<Record<string, unknown>>,
  { suggestions, maxErrors = 10 }: CoercionOptions,
): CoercedVariables => {
  // No prototype, because `__proto__` is a legal variable name.
  const coerced: Record<string, unknown> = Object.create(null);
  const errors: GraphQLError[] = [];
  const report = (definition: VariableDefinitionNode, message: string): void => {
    errors.push(
      new GraphQLError(toClientText(`Variable "$${definition.variable.name.value}" ${message}`), {
        nodes: definition,
        extensions: { code: 'BAD_USER_INPUT' },
      }),
    );
    if (errors.length >= maxErrors) throw new TooManyErrors();
  };
  try {
    for (const definition of definitions) {
      const name = definition.variable.name.value;
      const type = typeFromAST(schema, definition.type);
      if (!isInputType(type)) {
        report(definition, `expected value of type "${print(definition.type)}" which cannot be used as an input type.`);
      } else if (!Object.hasOwn(values, name)) {
        if (definition.defaultValue) coerced[name] = valueFromAST(definition.defaultValue, type);
        else if (isNonNullType(type)) report(definition, `of required type "${type}" was not provided.`);
      } else {
        coerced[name] = coerceInputValue(
          values[name],
          type,
          (path, _value, { message }) =>
            report(
              definition,
              `got invalid value${path.length > 0 ? ` at "${name}${printPath(path)}"` : ''}; ${message}`,
            ),
          !suggestions,
        );
      }
    }
  } catch (error) {
    if (!(error instanceof TooManyErrors)) throw error;
  }
  return errors.length > 0 ? { errors } : { coerced: { ...coerced } };
};

const printPath = (path: readonly (string | number)[]): string =>
  path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('');
