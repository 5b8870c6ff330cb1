import type { Schema } from '@apollo/federation-internals';
import type { GraphQLSchema } from 'graphql';
import { withLiveDirective } from '../execution/live-directive.ts';

/** Converts the API schema of a supergraph to the public schema, which also has `@defer` and `@live`. */
export const toPublicSchema = (schema: Schema): GraphQLSchema =>
  withLiveDirective(schema.toGraphQLJSSchema({ includeDefer: true }));
