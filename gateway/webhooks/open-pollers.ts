import { z } from 'zod';
import type { Inbox } from '../../events/inbox/inbox.ts';
import type { PollStore } from '../../events/poller/poll-store.ts';
import { type Poller, startPoller } from '../../events/poller/poller.ts';
import type { EventMapping } from '../../events/webhook.ts';
import type { Log } from '../../runtime/log.ts';
import type { Subgraph, SubgraphModule } from '../../subgraphs/kit/subgraph.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';

/** A subgraph of this process whose provider is polled for changes. */
export type PolledSubgraph = { readonly module: SubgraphModule; readonly intervalMs: number };

export type OpenPollersOptions = {
  readonly subgraphs: readonly PolledSubgraph[];
  /** Returns the subgraph that serves now, by name. */
  readonly subgraphNamed: (name: string) => Subgraph | undefined;
  readonly store: PollStore;
  readonly inbox: Pick<Inbox, 'isFull' | 'wake'>;
  readonly telemetry: Telemetry;
  readonly log: Log;
};

/** The pollers of a gateway. */
export type Pollers = {
  /** Returns the poller of a subgraph's provider. Undefined if it is not polled. */
  readonly of: (subgraph: string) => Poller | undefined;
  /** Hears of the values that the subgraphs read which serve from now on. */
  readonly attach: () => void;
  /** Ends polling, so that another process goes on. */
  readonly stop: () => Promise<void>;
  /** Stores what was read. */
  readonly close: () => Promise<void>;
};

const Payload = z.object({ key: z.string() });

/** Returns what the events of a provider's poller mean, by its definition. */
export const mappingOf = ({ provider: { poll } }: SubgraphModule): EventMapping<unknown> => ({
  changes: ({ payload }) => poll?.changes(Payload.parse(payload).key) ?? {},
  messages: ({ payload }) => poll?.messages(Payload.parse(payload).key) ?? [],
});

/** Starts a poller for each of these subgraphs. */
export const openPollers = (options: OpenPollersOptions): Pollers => {
  const { subgraphs, subgraphNamed, store, inbox, telemetry, log } = options;
  const pollers = new Map<string, Poller>();
  for (const { module, intervalMs } of subgraphs) {
    const { name, provider } = module;
    const account = subgraphNamed(name)?.polled?.account;
    if (account === undefined) continue;
    const poller = startPoller({
      provider: provider.name,
      account,
      values: () => subgraphNamed(name)?.polled,
      objectOf: provider.poll?.object ?? ((key) => key),
      intervalMs,
      store,
      inbox,
      telemetry,
      log,
    });
    pollers.set(name, poller);
  }
  const stopDescribing = telemetry.describe('polls', () => [...pollers.values()].flatMap((one) => one.state() ?? []));
  let stopListening: (() => void)[] = [];
  return {
    of: (subgraph) => pollers.get(subgraph),
    attach: () => {
      for (const stop of stopListening) stop();
      stopListening = [...pollers].flatMap(([name, poller]) => subgraphNamed(name)?.polled?.listen(poller) ?? []);
    },
    stop: async () => {
      await Promise.all([...pollers.values()].map((poller) => poller.stop()));
    },
    close: async () => {
      stopDescribing();
      for (const stop of stopListening) stop();
      await Promise.all([...pollers.values()].map((poller) => poller.close()));
    },
  };
};
