import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { type GraphQLSchema, isIntrospectionType, isObjectType, parse } from 'graphql';
import type { z } from 'zod';
import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import type { Infrastructure } from '../../connectors/provider.ts';
import { type Env, namesOfSet } from '../../runtime/env.ts';
import { withEntity, withField } from './field.ts';
import { scalars } from './scalars.ts';

/** One domain of the graph, ready to be executed in any process. */
export type Subgraph = {
  /** As in `supergraph.yaml`. */
  readonly name: string;
  readonly schema: GraphQLSchema;
  /** The variables that access to the provider is configured by, to be named in the log where it is refused. */
  readonly credentials?: readonly string[];
  /**
   * What resolvers need for one client request: loaders that live as long as it does. Every fetch that belongs to the
   * same client request should be given the same one, with a `FieldContext` of its own.
   */
  readonly createContext: (request: RequestOptions) => object;
  /** Does ahead what the first request would otherwise wait for. Fails silently: that request will try again. */
  readonly warmUp?: () => Promise<unknown>;
  /** Lets running provider calls finish and closes the connections. */
  readonly close: () => Promise<void>;
};

/** How a subgraph is known before it is made. */
export type SubgraphModule = {
  readonly name: string;
  /** The provider behind it, by the name of its sandbox. */
  readonly provider: string;
  /** The variables that it reads, and those of them that may come from files. */
  readonly variables: z.ZodObject;
  readonly secrets: readonly string[];
  /** The variables that give access to the provider. None of them set means: use the sandbox. */
  readonly credentials: readonly string[];
  /** Reads `variables` from an environment, as `create` does. Throws ConfigError naming each that is missing or malformed. */
  readonly readConfig: (env: Env) => unknown;
  /** Throws ConfigError as `readConfig` does. */
  readonly create: (env: Env, infrastructure: Infrastructure) => Subgraph;
};

/** Whether anything in the environment gives access to the provider, so that it is to be called for real. */
export const hasCredentials = ({ credentials }: Pick<SubgraphModule, 'credentials'>, env: Env): boolean =>
  namesOfSet(credentials, env).length > 0;

type Resolvers = NonNullable<Extract<Parameters<typeof buildSubgraphSchema>[0], { resolvers?: unknown }>['resolvers']>;

/** Builds a subgraph's executable schema from the `schema.graphql` beside it. */
export const buildSchema = (folder: string, resolvers: object): GraphQLSchema => {
  const schema = buildSubgraphSchema([
    {
      typeDefs: parse(readFileSync(join(folder, 'schema.graphql'), 'utf8')),
      resolvers: { ...scalars, ...mapValues(resolvers, withEntities) } as Resolvers,
    },
  ]);
  // So that what is stale can be named by its place in the answer.
  for (const type of Object.values(schema.getTypeMap())) {
    // These belong to no schema: graphql-js has one of each for all of them.
    if (!isObjectType(type) || isIntrospectionType(type)) continue;
    for (const field of Object.values(type.getFields())) if (field.resolve) field.resolve = withField(field.resolve);
  }
  return schema;
};

const mapValues = (object: object, change: (value: object) => object): object =>
  Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));

const withEntities = (type: object): object =>
  '__resolveReference' in type
    ? { ...type, __resolveReference: withEntity(type.__resolveReference as (reference: unknown) => unknown) }
    : type;
