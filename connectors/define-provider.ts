import type { ProviderResponse } from './middleware/chain.ts';
import type { ParseRateLimit } from './middleware/rate-limit.ts';
import type { Reads } from './reads/read.ts';
import type { CommonSettings, ConfigurableProvider, Settings, SettingsShape } from './settings.ts';
import type { HttpConnector } from './transports/http.ts';

/** How bytes travel to a provider, and the client that its `api` is written over. */
export type Transport<Client, Given> = {
  /** Tells regular responses from failures. Default: status 200 to 299. */
  readonly isSuccess?: ((response: ProviderResponse) => boolean) | undefined;
  readonly connect: (http: HttpConnector, settings: Given) => Client;
  /** Does ahead what the first request would otherwise wait for. */
  readonly warmUp?: ((client: Client) => Promise<unknown>) | undefined;
};

/** A sandbox as its provider's definition names it. */
export type SandboxModule<Sandbox> = {
  readonly start: (options?: {
    readonly port?: number | undefined;
    readonly host?: string | undefined;
  }) => Promise<Sandbox>;
  /** The variables that point the provider's client at a sandbox. */
  readonly environment: (at: { readonly url: string }) => Readonly<Record<string, string>>;
};

/** Everything about a provider that is not code. `docs/add-a-subgraph.md` shows how to write one. */
export type ProviderDefinition<
  Shape extends SettingsShape,
  Policy extends string,
  Client,
  Api,
  Definitions extends Reads<Policy>,
> = ConfigurableProvider<Shape, Policy> & {
  /** E.g. `stripe`. */
  readonly name: string;
  /** For people, e.g. `Stripe`. */
  readonly title: string;
  /**
   * What tells one credential from another: where the provider is and by what it is entered. Digested; nothing of it is stored
   * or shown. Rate limits, circuit breakers, caches, sessions and batches belong to a credential.
   */
  readonly identity: (settings: Settings<Shape>) => readonly unknown[];
  /** Rate limits that depend on the settings. */
  readonly adjustRateLimits?: (
    rules: CommonSettings<Policy>['rateLimits'],
    settings: Settings<Shape>,
  ) => CommonSettings<Policy>['rateLimits'];
  readonly parseRateLimit?: ParseRateLimit;
  readonly transport: Transport<Client, Settings<Shape>>;
  /** The provider client: one function for each request that the graph needs. */
  readonly api: (client: Client, settings: Settings<Shape>) => Api;
  /** What is read by key. */
  readonly reads: (api: Api) => Definitions;
  /** Imported only where it is used. */
  readonly sandbox?: () => Promise<SandboxModule<{ readonly url: string; readonly close: () => Promise<void> }>>;
};

// biome-ignore lint/suspicious/noExplicitAny: whatever the definition is made of; `any` makes them assignable to each other
export type AnyProvider = ProviderDefinition<any, any, any, any, any>;

/** Defines a provider. The types of its settings, client and reads follow from what is given. */
export const defineProvider = <
  const Shape extends SettingsShape,
  const Policy extends string,
  Client,
  Api,
  Definitions extends Reads<Policy>,
>(
  definition: ProviderDefinition<Shape, Policy, Client, Api, Definitions>,
): ProviderDefinition<Shape, Policy, Client, Api, Definitions> => definition;

/** Requests over HTTP without a format of their own. */
export const http = (): Transport<HttpConnector, unknown> => ({ connect: (connector) => connector });
