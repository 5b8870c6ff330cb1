import {
  type DocumentNode,
  type GraphQLError,
  type GraphQLSchema,
  NoSchemaIntrospectionCustomRule,
  specifiedRules,
  validate,
} from 'graphql';
import { deferRules } from './defer-rules.ts';
import { operationTooComplex } from './planning-errors.ts';

/** Maximum number of errors reported for one document. */
const MAX_ERRORS = 20;

/**
 * Validates a document by the rules of the GraphQL specification. Returns at most 21 errors; the last one says that validation
 * was stopped. Without `introspection`, introspection is invalid and messages suggest no names of the schema.
 */
export const validateDocument = (
  schema: GraphQLSchema,
  document: DocumentNode,
  { introspection }: { introspection: boolean },
): readonly GraphQLError[] => {
  const rules = [...specifiedRules, ...deferRules, ...(introspection ? [] : [NoSchemaIntrospectionCustomRule])];
  const errors = validate(schema, document, rules, { maxErrors: MAX_ERRORS, hideSuggestions: !introspection });
  return errors.map((error) =>
    error.message === ABORTED ? operationTooComplex('Too many of its fields share a name.') : error,
  );
};

/** The message of graphql-js 16.15 if comparing fields of the same name exceeds its limit. */
const ABORTED = 'Validation aborted.';
