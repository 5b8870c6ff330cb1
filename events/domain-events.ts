import type { z } from 'zod';
import type { ChangeMessage, EventMapping } from './webhook.ts';

/* Domain events, as applications exchange them over a message broker: what has changed, by its keys and without values. */

/** A kind of event of a domain, for other applications. */
export type DomainEvent<Key extends string = string> = {
  /** A sentence for the documentation. */
  readonly description: string;
  /** The keys in the event's data, with a sentence for each. */
  readonly keys: Readonly<Record<Key, string>>;
  /** The key of the object that has changed. Events of one object stay in their order. */
  readonly subject: Key;
};

type KeysOf<Message, Topic> = Omit<Extract<Message, { readonly topic: Topic }>, 'topic'>;

/** The events of a domain, by the topic of the message to its subscribers. */
export type DomainEvents<Message extends ChangeMessage> = {
  readonly [Topic in Message['topic']]: DomainEvent<keyof KeysOf<Message, Topic> & string>;
};

export type AnyDomainEvents = Readonly<Record<string, DomainEvent>>;

/**
 * How a provider's reads follow the domain events of other applications, by topic. `Changes` are the reads and scopes to invalidate.
 */
export type DomainEventChanges<Changes, Message extends ChangeMessage> = {
  readonly [Topic in Message['topic']]: {
    /** The schema of the keys. An event that violates it is parked. */
    readonly keys: z.ZodType<KeysOf<Message, Topic>>;
    readonly changes: (keys: KeysOf<Message, Topic>) => Changes;
  };
};

export type AnyDomainEventChanges<Changes> = Readonly<
  Record<string, { readonly keys: z.ZodType; readonly changes: (keys: never) => Changes }>
>;

/** The version of the events' data. A change that is not an addition needs another one. */
const VERSION = 'v1';

/** Returns the CloudEvents type of a topic: `paymentChanged` is `tributary.payment.changed.v1`. */
export const eventTypeOf = (topic: string): string =>
  `tributary.${topic.replace(/[A-Z]/g, (letter) => `.${letter.toLowerCase()}`)}.${VERSION}`;

/** Whether an event of the inbox is a domain event of another application, and not a provider's. */
export const isDomainEventType = (type: string): boolean => /^tributary\..+\.v\d+$/.test(type);

/** Returns what the domain events of others mean for a provider. */
export const toEventMapping = (definitions: AnyDomainEventChanges<unknown>): EventMapping<unknown> => {
  const byType = new Map(
    Object.entries(definitions).map(([topic, definition]) => [eventTypeOf(topic), { topic, ...definition }]),
  );
  const read = (type: string, payload: unknown) => {
    const definition = byType.get(type);
    if (!definition) throw new TypeError('Unknown type.');
    // The keys alone: whatever else is in the data is not kept.
    return { ...definition, values: definition.keys.parse(payload) as Readonly<Record<string, string>> };
  };
  return {
    changes: ({ type, payload }) => {
      const { values, changes } = read(type, payload);
      return changes(values as never);
    },
    messages: ({ type, payload }) => {
      const { values, topic } = read(type, payload);
      return [{ ...values, topic }];
    },
  };
};
