import { buildASTSchema, type GraphQLSchema, parse } from 'graphql';
import { withLiveDirective } from '../execution/live-directive.ts';
import { toPlannable } from '../execution/plannable.ts';
import type { Planner } from '../planning/planner.ts';
import { toSupergraphError } from './supergraph-error.ts';

type Schemas = {
  /** The public schema. */
  readonly apiSchema: GraphQLSchema;
  /** The schema with the elements that clients cannot see. */
  readonly schema: GraphQLSchema;
};

/** A supergraph that can be served. */
export type LoadedSupergraph = Schemas & {
  /** The text, as it is planned and executed. */
  readonly sdl: string;
  /** Plans operations over it. Release it. */
  readonly planner: Planner;
};

// Gateways in one process share it, as in tests.
let latest: { readonly sdl: string; readonly schemas: Promise<Schemas> } | undefined;

/** Reads a supergraph. Its planner validates it, unless it is the latest one, which is valid. Rejects with SupergraphError. */
export const loadSupergraph = async (
  text: string,
  createPlanner: (sdl: string) => Planner,
): Promise<LoadedSupergraph> => {
  let planner: Planner | undefined;
  try {
    const sdl = toPlannable(text);
    planner = createPlanner(sdl);
    if (latest?.sdl !== sdl) latest = { sdl, schemas: readSchemas(sdl, planner) };
    return { sdl, planner, ...(await latest.schemas) };
  } catch (error) {
    latest = undefined;
    planner?.release();
    throw toSupergraphError(error);
  }
};

const readSchemas = async (sdl: string, planner: Planner): Promise<Schemas> => ({
  apiSchema: withLiveDirective(buildSchema(await planner.readPublicSchema())),
  schema: buildSchema(sdl),
});

/** Builds a schema that the planner has validated. */
const buildSchema = (sdl: string): GraphQLSchema =>
  buildASTSchema(parse(sdl, { noLocation: true }), { assumeValidSDL: true });
