import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { type GraphQLSchema, isIntrospectionType, isObjectType, parse } from 'graphql';
import type { AnyProvider, ProviderDefinition } from '../../connectors/define-provider.ts';
import type { Infrastructure } from '../../connectors/infrastructure.ts';
import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import { createProvider } from '../../connectors/provider.ts';
import type { Reads } from '../../connectors/reads/read.ts';
import { credentialsOf, readSettings, type SettingsShape } from '../../connectors/settings.ts';
import { type Env, namesOfSet } from '../../runtime/env.ts';
import { withEntity, withField } from './field.ts';
import { scalars } from './scalars.ts';
import { createSession, type Session } from './session.ts';

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

/** A subgraph that can be created in any process. */
export type SubgraphModule = {
  readonly name: string;
  readonly title: string;
  readonly port: number;
  /** The provider behind it. */
  readonly provider: AnyProvider;
  /** Reads the provider's variables, as `create` does. Throws ConfigError naming each that is missing or malformed. */
  readonly readConfig: (env: Env) => unknown;
  /** Throws ConfigError as `readConfig` does. */
  readonly create: (env: Env, infrastructure: Infrastructure) => Subgraph;
};

/** Whether the environment gives access to the provider, so that it is called for real. */
export const hasCredentials = ({ provider }: Pick<SubgraphModule, 'provider'>, env: Env): boolean =>
  namesOfSet(credentialsOf(provider), env).length > 0;

export type SubgraphDefinition<
  Shape extends SettingsShape,
  Policy extends string,
  Client,
  Api,
  Definitions extends Reads<Policy>,
> = {
  /** As in `supergraph.yaml`. */
  readonly name: string;
  /** For people, e.g. `Payments`. */
  readonly title: string;
  /** Where it listens as a container, e.g. 4001. Its provider's sandbox listens ten ports above. */
  readonly port: number;
  /** Where its `schema.graphql` is. */
  readonly folder: string;
  readonly resolvers: object;
  readonly provider: ProviderDefinition<Shape, Policy, Client, Api, Definitions>;
  /** The context of the resolvers, for one client request. */
  readonly createContext: (session: Session<Api, Definitions>) => object;
};

/** Defines a subgraph over a provider. */
export const defineSubgraph = <
  Shape extends SettingsShape,
  Policy extends string,
  Client,
  Api,
  Definitions extends Reads<Policy>,
>({
  name,
  title,
  port,
  folder,
  resolvers,
  provider: definition,
  createContext,
}: SubgraphDefinition<Shape, Policy, Client, Api, Definitions>): SubgraphModule => ({
  name,
  title,
  port,
  provider: definition,
  readConfig: (env) => readSettings(definition, env),
  create: (env, infrastructure) => {
    const settings = readSettings(definition, env);
    const provider = createProvider(infrastructure, definition, { upstream: name, settings });
    return {
      name,
      credentials: namesOfSet(credentialsOf(definition), env),
      schema: buildSchema(folder, resolvers),
      createContext: (options) => createContext(createSession(provider.connect(options), options)),
      warmUp: () => provider.warmUp().catch(() => {}),
      close: provider.close,
    };
  },
});

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
