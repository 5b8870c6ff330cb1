import { toEventMapping } from '../../events/domain-events.ts';
import { createFeed, type FeedEvent, type FeedSelection } from '../../events/feed.ts';
import { type Inbox, type InboxLimits, type InboxOptions, openInbox } from '../../events/inbox/inbox.ts';
import type { Effect, InboxStore } from '../../events/inbox/store.ts';
import { type AnyChanges, mergeChanges } from '../../events/merge-changes.ts';
import type { Log } from '../../runtime/log.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { SubgraphModule } from './subgraph.ts';

/** The events of a subgraph's provider. */
export type ProviderEvents = {
  readonly select: (selection: Omit<FeedSelection, 'provider'>) => AsyncIterable<FeedEvent>;
  /** Returns the place after the last event. */
  readonly place: () => string;
  /** Polls the provider for changes of these keys. Undefined if it is not polled. */
  readonly watch?: ((keys: readonly string[] | 'all') => void) | undefined;
};

export type OpenEventsOptions = {
  readonly store: InboxStore;
  /** The subgraphs whose providers report changes. */
  readonly modules: readonly Pick<SubgraphModule, 'name' | 'provider'>[];
  /** How to read the changes that pollers find, by provider. Default: no provider is polled. */
  readonly polls?: InboxOptions['polls'];
  /** Invalidates what the provider of a subgraph has reported as changed. */
  readonly invalidate: (subgraph: string, changes: AnyChanges) => Promise<void>;
  /** The subgraphs whose cached values outlive this process. It goes on where a process with the same ones was killed. */
  readonly sharedCaches: readonly string[];
  readonly limits: InboxLimits;
  readonly telemetry: Telemetry;
  readonly log: Log;
};

export type OpenEvents = {
  readonly inbox: Inbox;
  /** Returns the events of a subgraph's provider. Undefined if they are not received. */
  readonly eventsOf: (subgraph: string) => ProviderEvents | undefined;
  readonly close: () => Promise<void>;
};

/** Opens the inbox of a process over a store: invalidates what its events change, and then tells subscribers. */
export const openEvents = async ({
  store,
  modules,
  polls,
  invalidate,
  sharedCaches,
  limits,
  telemetry,
  log,
}: OpenEventsOptions): Promise<OpenEvents> => {
  const webhooks = new Map(
    modules.flatMap(({ provider: { name, webhook } }) => (webhook ? [[name, webhook] as const] : [])),
  );
  const reports = new Map(
    modules.flatMap(({ provider: { name, domainEvents } }) =>
      domainEvents ? [[name, toEventMapping(domainEvents)] as const] : [],
    ),
  );
  const names = new Map(modules.map(({ name, provider }) => [provider.name, name]));
  const inbox = await openInbox({ store, webhooks, polls, reports, limits, telemetry, log });
  const feed = createFeed(store, await store.effectRange());
  await inbox.follow({
    consumer: sharedCaches.length > 0 ? `invalidation of ${[...sharedCaches].sort().join()}` : undefined,
    handle: async (effects) => {
      for (const [provider, own] of Map.groupBy(effects, (effect) => effect.provider)) {
        const subgraph = names.get(provider);
        // Of another process with the same store.
        if (subgraph === undefined) continue;
        await invalidate(subgraph, mergeChanges(own.map(changesOf)));
        for (const { order, receivedAt } of own) {
          const lagMs = Math.max(0, Date.now() - receivedAt);
          telemetry.emit({ type: 'event.applied', provider, order, lagMs });
        }
      }
      // Subscribers read what has changed.
      feed.publish(effects);
    },
  });
  return {
    inbox,
    eventsOf: (subgraph) => {
      const provider = modules.find(({ name }) => name === subgraph)?.provider.name;
      return provider === undefined
        ? undefined
        : { place: feed.place, select: (selection) => feed.subscribe({ ...selection, provider }) };
    },
    close: inbox.close,
  };
};

/** An older event, too, invalidates: its change may not be part of the newer one, and what is read again is up to date. */
const changesOf = ({ changes }: Effect): AnyChanges => JSON.parse(changes);
