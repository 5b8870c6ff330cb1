import { randomBytes } from 'node:crypto';
import type { StartedSandbox } from '../../connectors/define-provider.ts';
import type { BrokerConfig } from '../../events/brokers/settings.ts';
import { openStore } from '../../events/inbox/open-store.ts';
import { IN_MEMORY } from '../../events/inbox/sqlite.ts';
import type { Env } from '../../runtime/env.ts';
import type { Log } from '../../runtime/log.ts';
import { openEvents } from '../../subgraphs/kit/open-events.ts';
import type { Subgraph, SubgraphModule } from '../../subgraphs/kit/subgraph.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { connectBroker } from '../brokers/connect-broker.ts';
import type { EventsConfig } from '../config.ts';
import type { WebhookSource, Webhooks } from '../http/webhooks.ts';
import { mappingOf, openPollers } from './open-pollers.ts';
import type { WebhookSecrets } from './settings.ts';

/** A subgraph whose provider reports changes, with configured secrets or from a sandbox, or is polled for them. */
export type WebhookSubgraph = {
  readonly module: SubgraphModule;
  readonly secrets: WebhookSecrets | undefined;
  /** The interval of polling, in milliseconds. Undefined if the provider is not polled. */
  readonly pollMs: number | undefined;
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

export type OpenWebhooks = Webhooks & {
  /** Makes the sandboxes report changes to the gateway at this URL. */
  readonly connectSandboxes: (url: string) => void;
  /** Uses the subgraphs that serve from now on. */
  readonly attach: () => void;
  /** Ends polling, before the subgraphs are closed. */
  readonly stopPolling: () => Promise<void>;
  /** Details for `/health/ready`. */
  readonly health: () => Readonly<Record<string, string>>;
  readonly close: () => Promise<void>;
};

/** Opens the inbox, and invalidates what its events change. Undefined without webhooks, polling and broker. Throws ConfigError. */
export const openWebhooks = async (options: OpenWebhooksOptions): Promise<OpenWebhooks | undefined> => {
  const { subgraphs, config, broker, env, subgraphNamed, hasSharedCache, telemetry, log } = options;
  const active = subgraphs.flatMap(({ module, secrets, sandbox }) => {
    const { provider } = module;
    const { webhook } = provider;
    if (!webhook || !(secrets || sandbox?.sendWebhooks)) return [];
    const generated = secrets ? undefined : `whsec_${randomBytes(32).toString('base64')}`;
    const source: WebhookSource = {
      provider: provider.name,
      subgraph: module.name,
      signature: webhook.signature,
      secrets: secrets?.current ?? (() => [generated as string]),
      isLocal: generated !== undefined,
    };
    return [{ module, secrets, sandbox, generated, source }];
  });
  const polled = subgraphs.flatMap(({ module, sandbox, pollMs }) =>
    pollMs === undefined || !module.provider.poll ? [] : [{ module, sandbox, intervalMs: pollMs }],
  );
  const reporting = broker?.receives ? subgraphs.filter(({ module }) => module.provider.domainEvents) : [];
  const modules = [...new Set([...active, ...polled, ...reporting].map(({ module }) => module))];
  if (modules.length === 0 && !broker) return undefined;
  // Sandboxes forget everything at the end of the process, and so may their events. Other applications do not.
  const isForSandboxes =
    !broker &&
    active.every(({ generated }) => generated !== undefined) &&
    polled.every(({ sandbox }) => sandbox !== undefined);
  const { url, file = isForSandboxes ? IN_MEMORY : undefined } = config;
  const store = await openStore({ url, file });
  const { inbox, eventsOf, close } = await openEvents({
    store,
    modules,
    polls: new Map(polled.map(({ module }) => [module.provider.name, mappingOf(module)])),
    invalidate: async (name, changes) => subgraphNamed(name)?.invalidate?.(changes),
    sharedCaches: hasSharedCache ? modules.flatMap(({ name }) => (subgraphNamed(name) ? [name] : [])) : [],
    limits: config.limits,
    telemetry,
    log,
  });
  const pollers = openPollers({ subgraphs: polled, subgraphNamed, store: store.polls, inbox, telemetry, log });
  pollers.attach();
  const link =
    broker &&
    (await connectBroker({
      config: broker,
      env,
      store,
      inbox,
      modules: subgraphs.map(({ module }) => module),
      telemetry,
      log,
    }).catch(async (error: unknown) => {
      await pollers.close();
      await close();
      throw error;
    }));
  const stopWatching = active.map(({ secrets }) => secrets?.watch(log));
  return {
    sources: active.map(({ source }) => source),
    inbox,
    eventsOf: (subgraph) => {
      const events = eventsOf(subgraph);
      return events && { ...events, watch: pollers.of(subgraph)?.watch };
    },
    attach: pollers.attach,
    stopPolling: pollers.stop,
    health: () => link?.health() ?? {},
    connectSandboxes: (url) => {
      for (const { source, sandbox, generated } of active) {
        if (generated) sandbox?.sendWebhooks?.({ url: `${url}/webhooks/${source.provider}`, secret: generated });
      }
    },
    close: async () => {
      for (const stop of stopWatching) stop?.();
      await pollers.stop();
      await pollers.close();
      await link?.close();
      await close();
    },
  };
};
