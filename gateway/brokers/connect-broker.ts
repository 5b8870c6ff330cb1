import { z } from 'zod';
import type { Broker } from '../../events/brokers/broker.ts';
import { startIntake } from '../../events/brokers/intake.ts';
import { openBroker } from '../../events/brokers/open-broker.ts';
import { type Outbox, startOutbox } from '../../events/brokers/outbox.ts';
import { BROKER_SECRETS, BROKER_SHAPE, type BrokerConfig } from '../../events/brokers/settings.ts';
import { eventTypeOf } from '../../events/domain-events.ts';
import type { Inbox } from '../../events/inbox/inbox.ts';
import type { InboxStore } from '../../events/inbox/store.ts';
import { type Env, readEnv } from '../../runtime/env.ts';
import type { Log } from '../../runtime/log.ts';
import { fileVariables, watchFiles } from '../../runtime/watch-files.ts';
import type { SubgraphModule } from '../../subgraphs/kit/subgraph.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';

export type ConnectBrokerOptions = {
  readonly config: BrokerConfig;
  readonly env: Env;
  readonly store: InboxStore;
  readonly inbox: Inbox;
  /** All subgraphs of the graph, also those of other processes. */
  readonly modules: readonly Pick<SubgraphModule, 'provider' | 'events'>[];
  readonly telemetry: Telemetry;
  readonly log: Log;
};

export type BrokerLink = {
  /** Details for `/health/ready`. */
  readonly health: () => Readonly<Record<string, string>>;
  readonly close: () => Promise<void>;
};

const UrlEnv = z.object({ BROKER_URL: BROKER_SHAPE.BROKER_URL });

/** Connects the inbox with a message broker: publishes its effects, and receives the domain events of other applications. */
export const connectBroker = async ({
  config,
  env,
  store,
  inbox,
  modules,
  telemetry,
  log,
}: ConnectBrokerOptions): Promise<BrokerLink> => {
  const { storeId } = await store.effectRange();
  const { channels } = config;
  let { url } = config;
  let broker = await openBroker(url, channels, log);
  let receive: Parameters<Broker['subscribe']>[0] | undefined;
  /** The broker at the present URL. */
  const current: Pick<Broker, 'publish' | 'subscribe' | 'status'> = {
    publish: (messages) => broker.publish(messages),
    subscribe: (handle) => {
      receive = handle;
      broker.subscribe(handle);
    },
    status: () => broker.status(),
  };
  const stopWatching = watchFiles(fileVariables(BROKER_SECRETS), {
    env,
    log,
    reload: async () => {
      const next = readEnv(UrlEnv, env, BROKER_SECRETS).BROKER_URL ?? url;
      if (next === url) return false;
      const before = broker;
      broker = await openBroker(next, channels, log);
      url = next;
      if (receive) broker.subscribe(receive);
      await before.close();
      return true;
    },
  });
  if (config.receives) {
    const providers = new Map(
      modules.flatMap(({ provider: { name, domainEvents = {} } }) =>
        Object.keys(domainEvents).map((topic) => [eventTypeOf(topic), name] as const),
      ),
    );
    startIntake({ broker: current, inbox, storeId, providers, telemetry, log });
  }
  const events = Object.assign({}, ...modules.map((module) => module.events));
  let outbox: Outbox | undefined;
  try {
    if (config.publishes) outbox = await startOutbox({ store, inbox, broker: current, events, telemetry, log });
  } catch (error) {
    stopWatching();
    await broker.close();
    throw error;
  }
  const stopDescribing = telemetry.describe('broker', () => ({
    status: broker.status(),
    waiting: outbox?.waiting() ?? 0,
  }));
  return {
    health: () => ({ broker: broker.status() === 'up' ? 'ok' : 'down' }),
    close: async () => {
      stopDescribing();
      stopWatching();
      await outbox?.close();
      await broker.close();
    },
  };
};
