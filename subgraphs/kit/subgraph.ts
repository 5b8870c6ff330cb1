import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { type GraphQLSchema, isIntrospectionType, isObjectType, parse } from 'graphql';
import type { AnyProvider, ProviderDefinition } from '../../connectors/define-provider.ts';
import type { Infrastructure } from '../../connectors/infrastructure.ts';
import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import { createProvider, noCredential } from '../../connectors/provider.ts';
import type { Changes, Reads } from '../../connectors/reads/read.ts';
import {
  credentialsOf,
  readSettings,
  type Settings,
  type SettingsShape,
  secretsOf,
} from '../../connectors/settings.ts';
import type { AnyDomainEvents } from '../../events/domain-events.ts';
import type { AnyChanges } from '../../events/merge-changes.ts';
import type { PolledValues } from '../../events/poller/polled-values.ts';
import { type Env, namesOfSet } from '../../runtime/env.ts';
import { fileVariables, watchFiles } from '../../runtime/watch-files.ts';
import { toAsciiLowerCase } from './ascii.ts';
import type { SubgraphCosts } from './costs.ts';
import { withEntity, withField } from './field.ts';
import type { Identity } from './identity.ts';
import { scalars } from './scalars.ts';
import { createSession, type Session } from './session.ts';
import { isForTenantsOnly, type TenantSettings, type Tenants } from './tenants.ts';

/** A created subgraph: one domain of the graph, executable in any process. */
export type Subgraph = {
  /** As in `supergraph.yaml`. */
  readonly name: string;
  readonly schema: GraphQLSchema;
  /** The credential variables for a sender, or for one who is not known, which the log names if the provider rejects them. */
  readonly credentialsOf?: (identity?: Identity) => readonly string[];
  /**
   * Creates the resolvers' context for one client request, including its loaders. All fetches of a client request should
   * share one context, each with its own `FieldContext`. A customer's identity is confined to their own data.
   */
  readonly createContext: (request: RequestOptions, identity: Identity) => object;
  /** Estimates how long requests of these operations would wait for the provider's rate limits now, in milliseconds. */
  readonly forecast?: ((requests: ReadonlyMap<string, number>) => number) | undefined;
  /** Invalidates what the provider has reported as changed, with the configured credential. Undefined if there is none. */
  readonly invalidate?: ((changes: AnyChanges) => Promise<void>) | undefined;
  /** The values by which changes of the provider are found, with the configured credential. Undefined if it is not polled. */
  readonly polled?: PolledValues | undefined;
  /** Does the one-time work of the first request ahead of it. Fails silently: the first request tries again. */
  readonly warmUp?: () => Promise<unknown>;
  /** Waits for running provider requests to finish, then closes the connections. */
  readonly close: () => Promise<void>;
};

/** A defined subgraph, which any process can create. */
export type SubgraphModule = {
  readonly name: string;
  readonly title: string;
  readonly port: number;
  /** The provider that the subgraph reads from and writes to. */
  readonly provider: AnyProvider;
  /** Its events for other applications, by the topic of the message to subscribers. */
  readonly events: AnyDomainEvents;
  /** What its fields cost in provider requests, by the provider's settings that are not secret; undefined if that is not known. */
  readonly costs: ((settings: Readonly<Record<string, unknown>>) => SubgraphCosts) | undefined;
  /**
   * Reads the provider's variables, as `create` does. Throws ConfigError naming each that is missing or malformed. Where only
   * tenants have credentials, the file of tenants is checked instead.
   */
  readonly readConfig: (env: Env) => unknown;
  /** Creates the subgraph. Throws ConfigError as `readConfig` does. */
  readonly create: (env: Env, infrastructure: Infrastructure, tenants?: Tenants) => Subgraph;
};

/** Whether the environment has credentials for the provider, so that requests go to the real one. */
export const hasCredentials = ({ provider }: Pick<SubgraphModule, 'provider'>, env: Env): boolean =>
  namesOfSet(credentialsOf(provider), env).length > 0;

export type SubgraphDefinition<
  Shape extends SettingsShape,
  Policy extends string,
  Client,
  Api,
  Definitions extends Reads<Policy>,
  Context extends object,
> = {
  /** As in `supergraph.yaml`. */
  readonly name: string;
  /** Display name, e.g. `Payments`. */
  readonly title: string;
  /** The container's port, e.g. 4001. The port of its provider's sandbox is ten higher. */
  readonly port: number;
  /** The folder with its `schema.graphql`. */
  readonly folder: string;
  readonly resolvers: object;
  readonly provider: ProviderDefinition<Shape, Policy, Client, Api, Definitions>;
  /** Its events for other applications. Default: none. */
  readonly events?: AnyDomainEvents;
  /** What its fields cost in provider requests. Without it, its operations are neither estimated nor limited. */
  readonly costs?: SubgraphCosts | ((settings: Settings<Shape>) => SubgraphCosts);
  /** Creates the resolvers' context for one client request. */
  readonly createContext: (session: Session<Api, Definitions>) => Context;
  /**
   * Confines a context to what the customer with a lower-case address may see: their own records. Other customers' records do
   * not exist there, and nothing can be written.
   */
  readonly confine: (context: Context, customerEmail: string) => Context;
};

/** Defines a subgraph over a provider. */
export const defineSubgraph = <
  Shape extends SettingsShape,
  Policy extends string,
  Client,
  Api,
  Definitions extends Reads<Policy>,
  Context extends object,
>({
  name,
  title,
  port,
  folder,
  resolvers,
  provider: definition,
  events = {},
  costs,
  createContext,
  confine,
}: SubgraphDefinition<Shape, Policy, Client, Api, Definitions, Context>): SubgraphModule => ({
  name,
  title,
  port,
  provider: definition,
  events,
  costs: costs && ((settings) => (typeof costs === 'function' ? costs(settings as Settings<Shape>) : costs)),
  readConfig: (env) => (isForTenantsOnly(definition, env) ? undefined : readSettings(definition, env)),
  create: (env, infrastructure, tenants) => {
    const settings = isForTenantsOnly(definition, env) ? undefined : readSettings(definition, env);
    const provider = createProvider(infrastructure, definition, { subgraph: name, settings });
    const configured = namesOfSet(credentialsOf(definition), env);
    const warmUp = () => provider.warmUp().catch(() => {});
    const stopWatching = watchFiles(fileVariables(secretsOf(definition)), {
      env,
      log: infrastructure.log,
      reload: () => {
        const isNew = provider.configure(readSettings(definition, env));
        if (isNew) void warmUp();
        return isNew;
      },
    });
    return {
      name,
      credentialsOf: (identity) => {
        if (identity?.tenant !== undefined) return [`TENANTS (${identity.tenant})`];
        return identity || !tenants ? configured : [...configured, 'TENANTS'];
      },
      schema: schemaOf(folder, resolvers),
      createContext: (options, identity) => {
        const settings = tenantSettings(tenants, identity, { subgraph: name, provider: definition.name });
        const credentials = settings ? new Map([[definition.name, settings]]) : options.credentials;
        const context = createContext(createSession(provider.connect({ credentials }), options));
        const { customerEmail } = identity;
        return customerEmail === undefined ? context : confine(context, toAsciiLowerCase(customerEmail));
      },
      // Tenants have limits of their own.
      forecast: settings && ((requests) => provider.connect().forecast(requests)),
      // The provider's definition has made the changes, from its own reads.
      invalidate: settings && ((changes) => provider.connect().invalidate(changes as Changes<Definitions>)),
      polled: provider.polled,
      warmUp,
      close: () => {
        stopWatching();
        return provider.close();
      },
    };
  },
});

/**
 * Returns the settings of the sender's tenant; undefined for the configured ones. Throws UpstreamError if the tenant has no
 * credential at the provider: it must not read with anybody else's.
 */
const tenantSettings = (
  tenants: Tenants | undefined,
  { tenant }: Identity,
  { subgraph, provider }: { readonly subgraph: string; readonly provider: string },
): TenantSettings | undefined => {
  if (tenant === undefined) return undefined;
  const settings = tenants?.settingsOf(tenant, provider);
  if (settings) return settings;
  return noCredential(subgraph, `tenant ${tenant} has none`);
};

type Resolvers = NonNullable<Extract<Parameters<typeof buildSubgraphSchema>[0], { resolvers?: unknown }>['resolvers']>;

// Gateways in one process share the schemas, as in tests.
const schemas = new WeakMap<object, GraphQLSchema>();

/** Returns a subgraph's executable schema, built from its resolvers and the `schema.graphql` beside it. */
const schemaOf = (folder: string, resolvers: object): GraphQLSchema => {
  const known = schemas.get(resolvers);
  if (known) return known;
  const schema = buildSchema(folder, resolvers);
  schemas.set(resolvers, schema);
  return schema;
};

/** Builds a subgraph's executable schema from the `schema.graphql` beside it. */
const buildSchema = (folder: string, resolvers: object): GraphQLSchema => {
  const schema = buildSubgraphSchema([
    {
      typeDefs: parse(readFileSync(join(folder, 'schema.graphql'), 'utf8')),
      resolvers: { ...scalars, ...mapValues(resolvers, withEntities) } as Resolvers,
    },
  ]);
  // Wrap all resolvers, so that stale values can be reported with their path.
  for (const type of Object.values(schema.getTypeMap())) {
    // Introspection types are shared by all schemas of the process.
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
