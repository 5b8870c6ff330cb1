import type { GraphQLFormattedError } from 'graphql';
import type { StaleNote } from '../../subgraphs/kit/field.ts';
import type { MessageCause } from './cause.ts';

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
  /** What has caused it, for subscribers that want a report. */
  readonly cause?: (() => MessageCause) | undefined;
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

/** What the result of an event says besides it. */
export type PayloadOptions = {
  /** The number of events that the subscriber has missed before it. */
  readonly missed?: number;
  /** Whether the subscriber wants to know what has caused it. */
  readonly hasCause?: boolean;
};

/** Returns the result of an event. */
export const toPayload = (
  { eventId, data, errors, stale = [], live, cause }: SubscriptionMessage,
  { missed = 0, hasCause = false }: PayloadOptions = {},
): Payload => {
  const tributary = {
    ...(eventId !== undefined && { eventId }),
    ...(stale.length > 0 && { stale }),
    ...(missed > 0 && { missed }),
    ...(hasCause && cause && { cause: cause() }),
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

/** Returns the result of an event as JSON, which is the same for all subscribers that have missed none and want no report. */
export const writeMessage = (message: SubscriptionMessage, options: PayloadOptions): string => {
  if (options.missed || options.hasCause) return JSON.stringify(toPayload(message, options));
  const text = texts.get(message) ?? JSON.stringify(toPayload(message));
  texts.set(message, text);
  return text;
};
