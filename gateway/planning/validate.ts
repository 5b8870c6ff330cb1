import {
  type DocumentNode,
  type GraphQLError,
  type GraphQLSchema,
  NoSchemaIntrospectionCustomRule,
  specifiedRules,
  validate,
} from 'graphql';
import { tooComplex } from './planning-errors.ts';

/** Errors that one document is reported at most. */
const MAX_ERRORS = 20;

/**
 * Validates a document by the rules of the GraphQL specification. Returns at most 21 errors, the last saying so. Without
 * `introspection` a document that introspects is invalid, and no message names what the client did not write.
 */
export const validateDocument = (
  schema: GraphQLSchema,
  document: DocumentNode,
  { introspection }: { introspection: boolean },
): readonly GraphQLError[] => {
  const rules = introspection ? specifiedRules : [...specifiedRules, NoSchemaIntrospectionCustomRule];
  const errors = validate(schema, document, rules, { maxErrors: MAX_ERRORS, hideSuggestions: !introspection });
  return errors.map((error) =>
    error.message === ABORTED ? tooComplex('Too many of its fields share a name.') : error,
  );
};

/** How graphql-js 16.15 ends a validation whose comparisons of fields of one name are over its own limit. */
const ABORTED = 'Validation aborted.';
