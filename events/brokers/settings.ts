import { z } from 'zod';
import type { BrokerChannels } from './broker.ts';
import { parseBrokerUrl } from './broker-url.ts';

/* The variables of a process that exchanges events with other applications over a message broker. */

/** Maximum length of the names of channels, without their ending. Kafka allows 249 characters. */
const MAX_CHARS = 200;

export const BROKER_SHAPE = {
  BROKER_URL: z
    .string()
    .refine(
      (text) => parseBrokerUrl(text) !== undefined,
      'must be a URL of Redis, NATS, RabbitMQ or Kafka, like redis://user:pass%40word@host:6379, nats://host:4222, amqp://host:5672 or kafka://host:9092',
    )
    .optional(),
  BROKER_TOPIC: z
    .string()
    .max(MAX_CHARS)
    .regex(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/, 'must be words joined by dots, e.g. tributary.events')
    .default('tributary.events'),
  BROKER_EVENTS: z.enum(['out', 'in', 'both']).default('out'),
};

/** The variables that may be read from files. */
export const BROKER_SECRETS = ['BROKER_URL'] as const satisfies (keyof typeof BROKER_SHAPE)[];

export type BrokerConfig = {
  readonly url: string;
  readonly channels: BrokerChannels;
  /** Whether events are published, and whether those of others are received. */
  readonly publishes: boolean;
  readonly receives: boolean;
};

/** Returns the broker. Undefined without one. */
export const toBrokerConfig = ({
  BROKER_URL: url,
  BROKER_TOPIC: topic,
  BROKER_EVENTS: events,
}: z.output<z.ZodObject<typeof BROKER_SHAPE>>): BrokerConfig | undefined =>
  url === undefined
    ? undefined
    : {
        url,
        channels: {
          publishTo: `${topic}.out`,
          receiveFrom: `${topic}.in`,
          isReceiveOnly: events === 'in',
          group: 'tributary',
        },
        publishes: events !== 'in',
        receives: events !== 'out',
      };
