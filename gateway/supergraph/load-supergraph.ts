import { errorCauses, Supergraph } from '@apollo/federation-internals';
import type { GraphQLSchema } from 'graphql';
import { toPlannable } from '../execution/plannable.ts';
import { toPublicSchema } from './public-schema.ts';

/** A supergraph that can be served. */
export type LoadedSupergraph = {
  /** The text, as it is planned and executed. */
  readonly sdl: string;
  /** The public schema. */
  readonly apiSchema: GraphQLSchema;
  /** The schema with the elements that clients cannot see. */
  readonly schema: GraphQLSchema;
};

/** The supergraph cannot be served. The message gives the reason in one line. */
export class SupergraphError extends Error {
  override readonly name = 'SupergraphError';
}

// Gateways in one process share it, as in tests.
let latest: { readonly text: string; readonly loaded: LoadedSupergraph } | undefined;

/** Reads and validates a supergraph. Throws SupergraphError. */
export const loadSupergraph = (text: string): LoadedSupergraph => {
  if (latest?.text !== text) latest = { text, loaded: buildSupergraph(text) };
  return latest.loaded;
};

const buildSupergraph = (text: string): LoadedSupergraph => {
  try {
    const sdl = toPlannable(text);
    // `@apollo/gateway` validates only outside of production, where an invalid supergraph would fail at query time.
    const supergraph = Supergraph.build(sdl, { validateSupergraph: true });
    // Finds what only the planner would reject.
    supergraph.subgraphs();
    return {
      sdl,
      apiSchema: toPublicSchema(supergraph.apiSchema()),
      schema: supergraph.schema.toGraphQLJSSchema(),
    };
  } catch (error) {
    throw toSupergraphError(error);
  }
};

const MAX_CAUSES = 3;
const MAX_CAUSE_LENGTH = 300;

/** Summarizes an error of Apollo's libraries, which report many errors at once, each with its source location on extra lines. */
export const toSupergraphError = (error: unknown): SupergraphError => {
  if (error instanceof SupergraphError) return error;
  const causes = error instanceof Error ? (errorCauses(error) ?? [error]) : [];
  const messages = causes.slice(0, MAX_CAUSES).map(({ message }) => {
    // Errors from extracting the subgraphs follow a preamble "this is either a bug, or the supergraph is corrupted".
    const [line = ''] = message.replace(/^[\s\S]*\nDetails:\n/, '').split(/\n\n|\n(?=GraphQL request)/);
    return line.replaceAll(/\s+/g, ' ').slice(0, MAX_CAUSE_LENGTH).replace(/\.$/, '');
  });
  if (causes.length > MAX_CAUSES) messages.push(`and ${causes.length - MAX_CAUSES} more`);
  return new SupergraphError(messages.join('; ') || 'it cannot be loaded', { cause: error });
};
