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
  /** Whether messages may name fields and values that the schema has and the client did not write. */
  readonly suggestions: boolean;
  /** Errors that are reported before the rest of the input is left unread. Default 10. */
  readonly maxErrors?: number;
};

/** Ends the coercion of a request whose variables have too many errors. */
class TooManyErrors extends Error {}

/**
 * Coerces a request's variables as the GraphQL specification has it (6.1.2), with errors of code BAD_USER_INPUT.
 *
 * Unlike graphql-js, an error never repeats the object around the mistake, and reading ends at `maxErrors`: there, each of
 * a thousand unknown fields is reported with that object, so 10 kB of variables made an answer of 9 MB.
 */
export const coerceVariables = (
  schema: GraphQLSchema,
  definitions: readonly VariableDefinitionNode[],
  given: Readonly<Record<string, unknown>>,
  { suggestions, maxErrors = 10 }: CoercionOptions,
): CoercedVariables => {
  // Without a prototype: `__proto__` is a legal name of a variable.
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
      } else if (!Object.hasOwn(given, name)) {
        if (definition.defaultValue) coerced[name] = valueFromAST(definition.defaultValue, type);
        else if (isNonNullType(type)) report(definition, `of required type "${type}" was not provided.`);
      } else {
        coerced[name] = coerceInputValue(
          given[name],
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
