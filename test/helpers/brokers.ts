import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Broker, BrokerMessage } from '../../events/brokers/broker.ts';
import type { BrokerSystem } from '../../events/brokers/broker-url.ts';
import { openBroker } from '../../events/brokers/open-broker.ts';
import { createLog } from '../../runtime/log.ts';
import { freePort, type Spawned, startProcess } from './processes.ts';
import { hasTool, RABBITMQ_SERVER } from './tools.ts';

/* The servers of brokers, each with a folder of its own, which it finds again when it is started again. */

export type TestBroker = {
  readonly url: string;
  /** Ends the server at once, as a crash does. */
  readonly kill: () => Promise<void>;
  readonly start: () => Promise<void>;
  readonly close: () => Promise<void>;
};

type Server = {
  readonly url: string;
  readonly command: readonly string[];
  readonly env?: Record<string, string>;
  /** Other processes that it needs. */
  readonly with?: readonly (readonly string[])[];
};

const SERVERS: Readonly<Record<Exclude<BrokerSystem, 'kafka'>, (folder: string) => Promise<Server>>> = {
  redis: async (folder) => {
    const port = await freePort();
    const options = ['--dir', folder, '--save', '', '--appendonly', 'yes', '--appendfsync', 'always'];
    return {
      url: `redis://127.0.0.1:${port}`,
      command: ['redis-server', '--bind', '127.0.0.1', '--port', String(port), ...options],
    };
  },
  nats: async (folder) => {
    const port = await freePort();
    return {
      url: `nats://127.0.0.1:${port}`,
      command: ['nats-server', '--addr', '127.0.0.1', '--port', String(port), '--jetstream', '--store_dir', folder],
    };
  },
  rabbitmq: async (folder) => {
    const port = await freePort(3);
    return {
      url: `amqp://guest:guest@127.0.0.1:${port}`,
      command: [RABBITMQ_SERVER],
      env: {
        HOME: folder,
        // Makes the script replace itself by the server, which then gets the signals.
        NOTIFY_SOCKET: join(folder, 'none'),
        RABBITMQ_NODENAME: `tributary-${port}@localhost`,
        RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
        RABBITMQ_NODE_PORT: String(port),
        RABBITMQ_DIST_PORT: String(port + 1),
        ERL_EPMD_PORT: String(port + 2),
        ERL_EPMD_ADDRESS: '127.0.0.1',
        RABBITMQ_MNESIA_BASE: join(folder, 'data'),
        RABBITMQ_LOG_BASE: folder,
        RABBITMQ_LOGS: '-',
        RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
        RABBITMQ_CONF_ENV_FILE: join(folder, 'none'),
        RABBITMQ_CONFIG_FILE: join(folder, 'none'),
      },
      with: [['epmd', '-port', String(port + 2), '-address', '127.0.0.1']],
    };
  },
};

/** Whether the server of a system can be started here. */
export const hasBroker = (system: BrokerSystem): boolean =>
  hasTool(
    (
      {
        redis: 'redis-server',
        nats: 'nats-server',
        rabbitmq: 'rabbitmq-server',
        kafka: 'the servers of Kafka that KAFKA_BROKERS names',
      } as const
    )[system],
  );

/** Starts the server of a broker. That of Kafka runs already. */
export const startBroker = async (system: BrokerSystem): Promise<TestBroker> => {
  if (system === 'kafka') {
    const nothing = async (): Promise<void> => {};
    return {
      url: `kafka://${process.env['KAFKA_BROKERS']}`,
      kill: () => Promise.reject(new Error('This server is not the test’s own.')),
      start: nothing,
      close: nothing,
    };
  }
  const folder = mkdtempSync(join(tmpdir(), `${system}-`));
  chmodSync(folder, 0o777);
  const { url, command, env = {}, with: others = [] } = await SERVERS[system](folder);
  const companions = others.map((one) => startProcess(one, {}, folder));
  let server: Spawned | undefined;
  const kill = async (): Promise<void> => {
    server?.process.kill('SIGKILL');
    await server?.ended;
  };
  const start = async (): Promise<void> => {
    server = startProcess(command, env, folder);
    const { process: child, output } = server;
    while (!(await canBeUsed(url))) {
      if (child.exitCode !== null) throw new Error(output());
      await pause(50);
    }
  };
  const close = async (): Promise<void> => {
    await kill();
    await Promise.all(companions.map((one) => one.stop()));
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await start();
  } catch (error) {
    await close();
    throw error;
  }
  return { url, kill, start, close };
};

/** Whether a client can publish at a URL. */
const canBeUsed = async (url: string): Promise<boolean> => {
  const broker = await connectTo(url, { publishTo: 'ready', receiveFrom: 'ready' });
  try {
    for (let tries = 0; tries < 20 && broker.status() === 'down'; tries += 1) await pause(50);
    return broker.status() === 'up';
  } finally {
    await broker.close();
  }
};

/** Connects to a broker as another application does. */
export const connectTo = (
  url: string,
  channels: { readonly publishTo: string; readonly receiveFrom: string; readonly group?: string },
): Promise<Broker> => openBroker(url, { group: 'test', ...channels }, createLog('silent'));

/** Creates the message of another application about a changed deal. */
export const dealChanged = (dealId: string): BrokerMessage => {
  const id = '1';
  const type = 'tributary.deal.changed.v1';
  return {
    id,
    type,
    key: dealId,
    body: JSON.stringify({ specversion: '1.0', source: '/shop', id, type, data: { id: dealId } }),
  };
};
