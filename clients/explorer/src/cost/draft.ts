import { tryParseJSONC } from '@graphiql/react';
import { type DocumentNode, GraphQLError, type GraphQLSchema, getVariableValues, Kind, parse, validate } from 'graphql';

/** The content of the editors. */
export type Draft = {
  readonly query: string;
  readonly operationName: string | undefined;
  readonly variables: string;
  readonly headers: string;
};

/** A request for the operation in the editors. */
export type Request = {
  readonly body: { readonly query: string; readonly operationName: string | null; readonly variables: Values };
  readonly headers: Headers;
};

type Values = Readonly<Record<string, unknown>>;

/** The operation cannot be sent. The message says why. */
class Incomplete extends Error {}

/** Returns the request that the editors describe, or why there is none. Without a schema, only the gateway can validate it. */
export const toRequest = (draft: Draft, schema: GraphQLSchema | null): Request | string => {
  try {
    if (/^(\s|#.*)*$/.test(draft.query)) throw new Incomplete('write an operation.');
    const document = readDocument(draft.query, schema);
    const { name, variableDefinitions = [] } = chooseOperation(document, draft.operationName);
    const variables = readObject(draft.variables, 'the variables');
    const [error] =
      (schema && getVariableValues(schema, variableDefinitions, variables, { maxErrors: 1 }).errors) ?? [];
    if (error) throw new Incomplete(asClause(error.message));
    return {
      body: { query: draft.query, operationName: name?.value ?? null, variables },
      headers: readHeaders(draft.headers),
    };
  } catch (error) {
    if (error instanceof Incomplete) return error.message;
    throw error;
  }
};

const readDocument = (query: string, schema: GraphQLSchema | null): DocumentNode => {
  const [error, ...others] = findErrors(query, schema);
  if (!error) return parse(query);
  const [at] = error.locations ?? [];
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  throw new Incomplete(`the document has an error${at ? ` in line ${at.line}` : ''}: ${error.message}${more}`);
};

const findErrors = (query: string, schema: GraphQLSchema | null): readonly GraphQLError[] => {
  try {
    const document = parse(query);
    return schema ? validate(schema, document) : [];
  } catch (error) {
    if (error instanceof GraphQLError) return [error];
    throw error;
  }
};

const chooseOperation = ({ definitions }: DocumentNode, wanted: string | undefined) => {
  const operations = definitions.filter((one) => one.kind === Kind.OPERATION_DEFINITION);
  const operation = operations.find(({ name }) => name?.value === wanted) ?? operations[0];
  if (!operation) throw new Incomplete('the document has no operation.');
  return operation;
};

const readHeaders = (text: string): Headers => {
  const headers = readObject(text, 'the request headers');
  try {
    return new Headers(headers as Record<string, string>);
  } catch {
    throw new Incomplete('the request headers have an invalid name or value.');
  }
};

const readObject = (text: string, what: string): Values => {
  try {
    return (tryParseJSONC(text) ?? {}) as Values;
  } catch (error) {
    throw new Incomplete(`${what} ${(error as Error).message}`);
  }
};

/** Converts a sentence to the end of another one. */
export const asClause = (sentence: string): string => `${sentence[0]?.toLowerCase() ?? ''}${sentence.slice(1)}`;
