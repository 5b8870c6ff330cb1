import { randomBytes } from 'node:crypto';
import type { StartedSandbox } from '../../connectors/define-provider.ts';
import type { BrokerConfig } from '../../events/brokers/settings.ts';
import { openStore } from '../../events/inbox/open-store.ts';
import { IN_MEMORY } from '../../events/inbox/sqlite.ts';
import type { Env } from '../../runtime/env.ts';
import type { Log } from '../../runtime/log.ts';
import { type OpenEvents, openEvents } from '../../subgraphs/kit/open-events.ts';
import type { Subgraph, SubgraphModule } from '../../subgraphs/kit/subgraph.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { connectBroker } from '../brokers/connect-broker.ts';
import type { EventsConfig } from '../config.ts';
import type { WebhookSource, Webhooks } from '../http/webhooks.ts';
import type { WebhookSecrets } from './settings.ts';

/** A subgraph whose provider reports changes: with configured secrets, or from a sandbox. */
export type WebhookSubgraph = {
  readonly module: SubgraphModule;
  readonly secrets: WebhookSecrets | undefined;
  readonly sandbox: StartedSandbox | undefined;
};

export type OpenWebhooksOptions = {
  readonly subgraphs: readonly WebhookSubgraph[];
  readonly config: EventsConfig;
  /** The message broker; undefined without one. */
  readonly broker: BrokerConfig | undefined;
  readonly env: Env;
  /** Returns the subgraph of this process that serves now, by name. */
  readonly subgraphNamed: (name: string) => Subgraph | undefined;
  /** Whether cached values outlive this process. */
  readonly hasSharedCache: boolean;
  readonly telemetry: Telemetry;
  readonly log: Log;
};

export type OpenWebhooks = Webhooks &
  Pick<OpenEvents, 'eventsOf'> & {
    /** Makes the sandboxes report changes to the gateway at this URL. */
    readonly connectSandboxes: (url: string) => void;
    /** Details for `/health/ready`. */
    readonly health: () => Readonly<Record<string, string>>;
    readonly close: () => Promise<void>;
  };

/** Opens the inbox, and invalidates what its events change. Undefined without webhooks and broker. Throws ConfigError. */
export const openWebhooks = async (options: OpenWebhooksOptions): Promise<OpenWebhooks | undefined> => {
  const { subgraphs, config, broker, env, subgraphNamed, hasSharedCache, telemetry, log } = options;
  const active = subgraphs.flatMap(({ module, secrets, sandbox }) => {
    const { provider } = module;
    const { webhook } = provider;
    if (!webhook || !(secrets || sandbox?.sendWebhooks)) return [];
    const generated = secrets ? undefined : `whsec_${randomBytes(32).toString('base64')}`;
    const source: WebhookSource = {
      provider: provider.name,
      signature: webhook.signature,
      secrets: secrets?.current ?? (() => [generated as string]),
      isLocal: generated !== undefined,
    };
    return [{ module, secrets, sandbox, generated, source }];
  });
  if (active.length === 0 && !broker) return undefined;
  const receives = new Set([
    ...active.map(({ module }) => module),
    ...(broker?.receives ? subgraphs.flatMap(({ module }) => (module.provider.domainEvents ? [module] : [])) : []),
  ]);
  // Sandboxes forget everything at the end of the process, and so may their events. Other applications do not.
  const isForSandboxes = !broker && active.every(({ generated }) => generated !== undefined);
  const { url, file = isForSandboxes ? IN_MEMORY : undefined } = config;
  const store = await openStore({ url, file });
  const { inbox, eventsOf, close } = await openEvents({
    store,
    modules: [...receives],
    invalidate: async (name, changes) => subgraphNamed(name)?.invalidate?.(changes),
    sharedCaches: hasSharedCache ? [...receives].flatMap(({ name }) => (subgraphNamed(name) ? [name] : [])) : [],
    limits: config.limits,
    telemetry,
    log,
  });
  const modules = subgraphs.map(({ module }) => module);
  const link =
    broker &&
    (await connectBroker({ config: broker, env, store, inbox, modules, telemetry, log }).catch(
      async (error: unknown) => {
        await close();
        throw error;
      },
    ));
  const stopWatching = active.map(({ secrets }) => secrets?.watch(log));
  return {
    sources: active.map(({ source }) => source),
    inbox,
    eventsOf,
    health: () => link?.health() ?? {},
    connectSandboxes: (url) => {
      for (const { source, sandbox, generated } of active) {
        if (generated) sandbox?.sendWebhooks?.({ url: `${url}/webhooks/${source.provider}`, secret: generated });
      }
    },
    close: async () => {
      for (const stop of stopWatching) stop?.();
      await link?.close();
      await close();
    },
  };
};
