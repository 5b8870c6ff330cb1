import { readFile } from 'node:fs/promises';
import {
  concatAST,
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  parse,
  Source,
  separateOperations,
  validate,
} from 'graphql';

/** An operation of a file, with the fragments that it uses. */
export type FoundOperation = {
  /** Empty for an anonymous operation. */
  readonly name: string;
  readonly definition: OperationDefinitionNode;
  readonly document: DocumentNode;
  /** The file with the operation. */
  readonly file: string;
};

/** Files cannot be read, or their operations are not valid. The message names the positions. */
export class DocumentError extends Error {}

/** Parses GraphQL text. `file` is its name in messages. Throws DocumentError. */
export const parseDocument = (text: string, file: string): DocumentNode => {
  try {
    return parse(new Source(text, file));
  } catch (error) {
    throw error instanceof GraphQLError ? new DocumentError(formatGraphQLError(error)) : error;
  }
};

/** Reads and parses files. Throws DocumentError. */
export const readDocuments = (files: readonly string[]): Promise<DocumentNode[]> =>
  Promise.all(
    files.map(async (file) => {
      const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
        throw new DocumentError(`${file} cannot be read: ${error.code}.`);
      });
      return parseDocument(text, file);
    }),
  );

/** Returns the operations of documents, which may use each other's fragments. Throws DocumentError if two have the same name. */
export const findOperations = (documents: readonly DocumentNode[]): FoundOperation[] => {
  const whole = concatAST(documents);
  const separated = separateOperations(whole);
  const seen = new Set<string>();
  return whole.definitions.flatMap((definition) => {
    if (definition.kind !== Kind.OPERATION_DEFINITION) return [];
    const name = definition.name?.value ?? '';
    const file = definition.loc?.source.name ?? '';
    if (seen.has(name)) {
      throw new DocumentError(`${file} has another ${name ? `operation ${name}` : 'operation without a name'}.`);
    }
    seen.add(name);
    return [{ name, definition, document: separated[name] as DocumentNode, file }];
  });
};

/** Returns the validation errors of an operation, each with its position. */
export const validateOperation = (schema: GraphQLSchema, { document }: FoundOperation): string[] =>
  validate(schema, document).map((error) => {
    const hint = error.message.startsWith('Unknown fragment') ? ' Name the file that defines it, too.' : '';
    return `${formatGraphQLError(error)}${hint}`;
  });

const formatGraphQLError = ({ message, source, locations: [at] = [] }: GraphQLError): string =>
  at ? `${source?.name}:${at.line}:${at.column}: ${message}` : message;
