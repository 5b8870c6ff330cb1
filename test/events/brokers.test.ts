import { describe } from 'vitest';
import { hasBroker } from '../helpers/brokers.ts';
import { conformance } from './brokers/conformance.ts';

describe.skipIf(!hasBroker('redis'))('Redis Streams', () => conformance('redis', { canStop: true }));

describe.skipIf(!hasBroker('nats'))('NATS JetStream', () => conformance('nats', { canStop: true, keepsOrder: false }));

// Their servers take seconds to start.
describe.skipIf(!hasBroker('rabbitmq'))('RabbitMQ', { tags: ['long'] }, () =>
  conformance('rabbitmq', { canStop: true }),
);

describe.skipIf(!hasBroker('kafka'))('Kafka', { tags: ['long'] }, () => conformance('kafka', { canStop: false }));
