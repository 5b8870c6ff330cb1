import type { AnyDomainEventChanges } from '../events/domain-events.ts';
import type { Webhook } from '../events/webhook.ts';
import type { HostPolicy } from '../runtime/hosts.ts';
import type { ProviderResponse } from './middleware/chain.ts';
import type { ParseRateLimit } from './middleware/rate-limit.ts';
import type { Poll } from './poll.ts';
import type { Changes, Reads } from './reads/read.ts';
import type { CommonSettings, ConfigurableProvider, Settings, SettingsShape } from './settings.ts';
import type { HttpConnector } from './transports/http.ts';

/** How requests travel to a provider, and the client that its `api` uses. */
export type Transport<Client, ProviderSettings> = {
  /** Whether a response is a success. Default: status 200 to 299. */
  readonly isSuccess?: ((response: ProviderResponse) => boolean) | undefined;
  readonly connect: (http: HttpConnector, settings: ProviderSettings) => Client;
  /** Does the one-time work of the first request ahead of it, such as reading a WSDL. */
  readonly warmUp?: ((client: Client) => Promise<unknown>) | undefined;
};

/** Where a sandbox reports changes, and the secret that it signs with. */
export type WebhookTarget = { readonly url: string; readonly secret: string };

/** A running sandbox. */
export type StartedSandbox = {
  readonly url: string;
  /** Reports changes to this URL from now on, as the provider's webhooks do. Undefined if the provider has none. */
  readonly sendWebhooks?: ((target: WebhookTarget) => void) | undefined;
  readonly close: () => Promise<void>;
};

/** A provider's sandbox, as its definition refers to it. */
export type SandboxModule<Sandbox> = {
  readonly start: (options?: {
    readonly port?: number | undefined;
    readonly host?: string | undefined;
    readonly hosts?: HostPolicy | undefined;
    readonly control?: boolean | undefined;
  }) => Promise<Sandbox>;
  /** The variables that point the provider's client at a sandbox. */
  readonly environment: (at: { readonly url: string }) => Readonly<Record<string, string>>;
  /** A second credential that the sandbox accepts, by setting name. The conformance suite keeps it apart from the first. */
  readonly otherCredential?: Readonly<Record<string, string>>;
};

/** Defines a provider: settings, limits, cache policies, transport, API and reads. See `docs/add-a-subgraph.md`. */
export type ProviderDefinition<
  Shape extends SettingsShape,
  Policy extends string,
  Client,
  Api,
  Definitions extends Reads<Policy>,
> = ConfigurableProvider<Shape, Policy> & {
  /** E.g. `stripe`. */
  readonly name: string;
  /** Display name, e.g. `Stripe`. */
  readonly title: string;
  /**
   * The values that identify a credential: the provider's address and the secrets. Only a digest is used; the values are never
   * stored or shown. Rate limits, circuit breakers, caches, sessions and batches are separate for each credential.
   */
  readonly identity: (settings: Settings<Shape>) => readonly unknown[];
  /** Rate limits that depend on the settings. */
  readonly adjustRateLimits?: (
    rules: CommonSettings<Policy>['rateLimits'],
    settings: Settings<Shape>,
  ) => CommonSettings<Policy>['rateLimits'];
  readonly parseRateLimit?: ParseRateLimit;
  readonly transport: Transport<Client, Settings<Shape>>;
  /** Creates the provider client: one function for each request that the graph needs. */
  readonly api: (client: Client, settings: Settings<Shape>) => Api;
  /** The objects and lists that are read by key, batched and cached. */
  readonly reads: (api: Api) => Definitions;
  /** The provider's webhook, and the reads that its events invalidate. */
  readonly webhook?: Webhook<Changes<NoInfer<Definitions>>>;
  /** Finds changes that the provider does not report. */
  readonly poll?: Poll<NoInfer<Api>, NoInfer<Definitions>>;
  /** The reads that the domain events of other applications invalidate. Without it, they are not accepted. */
  readonly domainEvents?: AnyDomainEventChanges<Changes<NoInfer<Definitions>>>;
  /** Imports the sandbox. Lazy, so that production never loads it. */
  readonly sandbox?: () => Promise<SandboxModule<StartedSandbox>>;
};

// biome-ignore lint/suspicious/noExplicitAny: any definition; only `any` makes them assignable to each other
export type AnyProvider = ProviderDefinition<any, any, any, any, any>;

/** Defines a provider. Infers the types of its settings, client and reads. */
export const defineProvider = <
  const Shape extends SettingsShape,
  const Policy extends string,
  Client,
  Api,
  Definitions extends Reads<Policy>,
>(
  definition: ProviderDefinition<Shape, Policy, Client, Api, Definitions>,
): ProviderDefinition<Shape, Policy, Client, Api, Definitions> => definition;

/** Plain HTTP: the provider's `api` writes and parses the bodies. */
export const http = (): Transport<HttpConnector, unknown> => ({ connect: (connector) => connector });
