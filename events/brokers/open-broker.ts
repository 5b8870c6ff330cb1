import type { Log } from '../../runtime/log.ts';
import type { Broker, BrokerChannels, Driver } from './broker.ts';
import { type BrokerSystem, parseBrokerUrl } from './broker-url.ts';
import { createBroker } from './create-broker.ts';

/** The drivers. Each is loaded only where it is used. */
const DRIVERS: Readonly<Record<BrokerSystem, () => Promise<Driver>>> = {
  redis: async () => (await import('./redis.ts')).redisStreams,
  nats: async () => (await import('./nats.ts')).natsJetStream,
  rabbitmq: async () => (await import('./rabbitmq.ts')).rabbitMq,
  kafka: async () => (await import('./kafka.ts')).kafka,
};

/**
 * Opens the broker at a URL, which `parseBrokerUrl` accepts. Resolves whether or not the broker can be reached, and connects until it
 * is closed.
 */
export const openBroker = async (url: string, channels: BrokerChannels, log: Log): Promise<Broker> => {
  const at = parseBrokerUrl(url);
  if (!at) throw new TypeError('Invalid URL of a message broker.');
  const driver = await DRIVERS[at.system]();
  return createBroker(driver(at, channels), log);
};
