import type { GraphQLFormattedError } from 'graphql';
import type { StaleNote } from '../../subgraphs/kit/field.ts';

/** A response to one event, for every subscriber of a group. */
export type SubscriptionMessage = {
  /** The place after which a subscriber can continue. */
  readonly eventId: string | undefined;
  readonly data?: unknown;
  readonly errors?: readonly GraphQLFormattedError[] | undefined;
  readonly stale?: readonly StaleNote[] | undefined;
  /** Set for answers of live queries: their number, their text, and the patch from the one before. */
  readonly live?:
    | { readonly revision: number; readonly text: string; readonly patch?: readonly object[] | undefined }
    | undefined;
};

/** Why a subscription has ended. Undefined: the service has no more events. */
export type EndReason = { readonly message: string; readonly code: string } | undefined;

/** A GraphQL result, as it is sent. */
export type Payload = {
  readonly data?: unknown;
  readonly errors?: readonly GraphQLFormattedError[] | undefined;
  readonly extensions?: Readonly<Record<string, unknown>>;
  /** Of a live query: a patch of the data before, in place of `data`, and the number of the answer. */
  readonly patch?: readonly object[] | undefined;
  readonly revision?: number | undefined;
};

/** Returns the result of an event. `missed` is the number of events that its subscriber has missed before it. */
export const toPayload = ({ eventId, data, errors, stale = [], live }: SubscriptionMessage, missed = 0): Payload => {
  const tributary = {
    ...(eventId !== undefined && { eventId }),
    ...(stale.length > 0 && { stale }),
    ...(missed > 0 && { missed }),
  };
  // Who has missed an answer cannot patch it.
  const patch = missed > 0 ? undefined : live?.patch;
  return {
    ...(patch ? { patch } : { data }),
    ...(live && { revision: live.revision }),
    ...(errors && { errors }),
    ...(Object.keys(tributary).length > 0 && { extensions: { tributary } }),
  };
};

/** Returns the result that tells why a subscription has ended. */
export const toEndPayload = ({ message, code }: NonNullable<EndReason>): Payload => ({
  errors: [{ message, extensions: { code } }],
});

const texts = new WeakMap<SubscriptionMessage, string>();

/** Returns the result of an event as JSON, which is the same for all subscribers but those that have missed events. */
export const writeMessage = (message: SubscriptionMessage, missed = 0): string => {
  if (missed > 0) return JSON.stringify(toPayload(message, missed));
  const text = texts.get(message) ?? JSON.stringify(toPayload(message));
  texts.set(message, text);
  return text;
};
