import { z } from 'zod';
import { type AnyDomainEvents, eventTypeOf } from '../domain-events.ts';
import type { Effect } from '../inbox/store.ts';
import type { ChangeMessage } from '../webhook.ts';
import type { BrokerMessage } from './broker.ts';

/* Effects as CloudEvents 1.0 in structured JSON. Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md */

/** Returns the source of all events of a store. */
export const sourceOf = (storeId: string): string => `/tributary/${storeId}`;

/** The places of a sequence and of a message within its effect, so that text of equal length sorts as they do. */
const toSequence = (sequence: number, index: number): string =>
  `${String(sequence).padStart(16, '0')}-${String(index).padStart(4, '0')}`;

/**
 * Returns the CloudEvents of an effect, one for each of its messages whose topic is an event of a domain. Their ids are the same
 * whenever they are made. Their data are the keys of the message: nothing of the provider's event is in them.
 */
export const toCloudEvents = (
  { sequence, receivedAt, messages }: Effect,
  { storeId, events }: { readonly storeId: string; readonly events: AnyDomainEvents },
): readonly BrokerMessage[] => {
  const all: readonly ChangeMessage[] = messages === null ? [] : JSON.parse(messages);
  return all.flatMap((message, index) => {
    const definition = events[message.topic];
    if (!definition) return [];
    const data = Object.fromEntries(Object.keys(definition.keys).map((key) => [key, message[key]]));
    const subject = message[definition.subject] ?? '';
    const type = eventTypeOf(message.topic);
    const id = `${storeId}-${sequence}-${index}`;
    const event = {
      specversion: '1.0',
      id,
      source: sourceOf(storeId),
      type,
      subject,
      time: new Date(receivedAt).toISOString(),
      datacontenttype: 'application/json',
      // Source: https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/sequence.md
      sequence: toSequence(sequence, index),
      data,
    };
    return [{ id, type, key: `${type.split('.')[1]} ${subject}`, body: JSON.stringify(event) }];
  });
};

const Attribute = z.string().min(1).max(1_000);

/** The part of a CloudEvent in JSON that is read here. */
const CloudEvent = z.object({
  specversion: z.literal('1.0'),
  id: Attribute,
  source: Attribute,
  type: Attribute,
  subject: Attribute.nullish(),
  time: z.iso.datetime({ offset: true }).nullish(),
  data: z.unknown(),
});

export type CloudEvent = z.output<typeof CloudEvent>;

/** Parses a CloudEvent in JSON. Returns undefined if it is none. */
export const parseCloudEvent = (body: string): CloudEvent | undefined => {
  try {
    return CloudEvent.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
};
