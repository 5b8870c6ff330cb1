import { randomBytes } from 'node:crypto';
import type { StartedSandbox } from '../../connectors/define-provider.ts';
import { createFeed } from '../../events/feed.ts';
import { openInbox } from '../../events/inbox/inbox.ts';
import { openStore } from '../../events/inbox/open-store.ts';
import { IN_MEMORY } from '../../events/inbox/sqlite.ts';
import type { Effect } from '../../events/inbox/store.ts';
import { type AnyChanges, mergeChanges } from '../../events/merge-changes.ts';
import type { Log } from '../../runtime/log.ts';
import type { Subgraph, SubgraphModule } from '../../subgraphs/kit/subgraph.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { EventsConfig } from '../config.ts';
import type { WebhookSource, Webhooks } from '../http/webhooks.ts';
import type { ProviderEvents } from '../transports/in-process.ts';
import { mappingOf, openPollers } from './open-pollers.ts';
import type { WebhookSecrets } from './settings.ts';

/** A subgraph of this process whose provider reports changes, with configured secrets or from a sandbox, or is polled for them. */
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
  /** Returns the subgraph that serves now, by name. */
  readonly subgraphNamed: (name: string) => Subgraph | undefined;
  /** Whether cached values outlive this process. */
  readonly hasSharedCache: boolean;
  readonly telemetry: Telemetry;
  readonly log: Log;
};

export type OpenWebhooks = Webhooks & {
  /** Returns the events of a subgraph's provider. Undefined if they are not received. */
  readonly eventsOf: (subgraph: string) => ProviderEvents | undefined;
  /** Makes the sandboxes report changes to the gateway at this URL. */
  readonly connectSandboxes: (url: string) => void;
  /** Uses the subgraphs that serve from now on. */
  readonly attach: () => void;
  /** Ends polling, before the subgraphs are closed. */
  readonly stopPolling: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** The consumer whose place is kept for a cache in Redis. A cache in memory ends with the process. */
const INVALIDATION = 'invalidation';

/** Opens the inbox, and invalidates what its events change. Undefined without webhooks and polling. Throws ConfigError. */
export const openWebhooks = async (options: OpenWebhooksOptions): Promise<OpenWebhooks | undefined> => {
  const { subgraphs, config, subgraphNamed, hasSharedCache, telemetry, log } = options;
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
    return [{ name: module.name, webhook, secrets, sandbox, generated, source }];
  });
  const polled = subgraphs.flatMap(({ module, sandbox, pollMs }) =>
    pollMs === undefined || !module.provider.poll ? [] : [{ module, sandbox, intervalMs: pollMs }],
  );
  if (active.length === 0 && polled.length === 0) return undefined;
  // Sandboxes forget everything at the end of the process, and so may their events.
  const isForSandboxes =
    active.every(({ generated }) => generated !== undefined) && polled.every(({ sandbox }) => sandbox !== undefined);
  const { url, file = isForSandboxes ? IN_MEMORY : undefined } = config;
  const store = await openStore({ url, file });
  const inbox = await openInbox({
    store,
    webhooks: new Map(active.map(({ source, webhook }) => [source.provider, webhook])),
    polls: new Map(polled.map(({ module }) => [module.provider.name, mappingOf(module)])),
    limits: config.limits,
    telemetry,
    log,
  });
  const feed = createFeed(store, await store.effectRange());
  const pollers = openPollers({ subgraphs: polled, subgraphNamed, store: store.polls, inbox, telemetry, log });
  pollers.attach();
  /** The providers whose events are received, by subgraph, and the other way round. */
  const providers = new Map([
    ...active.map(({ name, source }) => [name, source.provider] as const),
    ...polled.map(({ module }) => [module.name, module.provider.name] as const),
  ]);
  const names = new Map([...providers].map(([name, provider]) => [provider, name]));
  await inbox.follow({
    consumer: hasSharedCache ? INVALIDATION : undefined,
    handle: async (effects) => {
      for (const [provider, own] of Map.groupBy(effects, (effect) => effect.provider)) {
        // Of another gateway with the same store.
        const subgraph = subgraphNamed(names.get(provider) ?? '');
        await subgraph?.invalidate?.(mergeChanges(own.map(changesOf)));
        for (const { order, receivedAt } of own) {
          const lagMs = Math.max(0, Date.now() - receivedAt);
          telemetry.emit({ type: 'event.applied', provider, order, lagMs });
        }
      }
      // Subscribers read what has changed.
      feed.publish(effects);
    },
  });
  const stopWatching = active.map(({ secrets }) => secrets?.watch(log));
  return {
    sources: active.map(({ source }) => source),
    inbox,
    eventsOf: (subgraph) => {
      const provider = providers.get(subgraph);
      if (provider === undefined) return undefined;
      return {
        place: feed.place,
        select: (selection) => feed.subscribe({ ...selection, provider }),
        watch: pollers.of(subgraph)?.watch,
      };
    },
    attach: pollers.attach,
    stopPolling: pollers.stop,
    connectSandboxes: (url) => {
      for (const { source, sandbox, generated } of active) {
        if (generated) sandbox?.sendWebhooks?.({ url: `${url}/webhooks/${source.provider}`, secret: generated });
      }
    },
    close: async () => {
      for (const stop of stopWatching) stop?.();
      await pollers.stop();
      await pollers.close();
      await inbox.close();
    },
  };
};

/** An older event, too, invalidates: its change may not be part of the newer one, and what is read again is up to date. */
const changesOf = ({ changes }: Effect): AnyChanges => JSON.parse(changes);
