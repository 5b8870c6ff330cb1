import type { EventCause } from '../execution/subgraph-request.ts';

/** The chain from a provider's event to a message. Times are in ISO 8601, by the clock of this process. It has no values of providers. */
export type MessageCause = Pick<EventCause, 'provider' | 'type' | 'object'> & {
  readonly receivedAt: string;
  readonly invalidatedAt: string | undefined;
  readonly sentAt: string;
  readonly invalidated: ReturnType<EventCause['invalidated']>;
};

/** Creates the function that describes what has caused a message of now. */
export const describeCause = ({
  receivedAt,
  invalidatedAt,
  invalidated,
  ...event
}: EventCause): (() => MessageCause) => {
  const sentAt = Date.now();
  return () => ({
    provider: event.provider,
    type: event.type,
    object: event.object,
    receivedAt: new Date(receivedAt).toISOString(),
    invalidatedAt: invalidatedAt === undefined ? undefined : new Date(invalidatedAt).toISOString(),
    sentAt: new Date(sentAt).toISOString(),
    invalidated: invalidated(),
  });
};
