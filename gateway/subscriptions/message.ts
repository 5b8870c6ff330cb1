import type { GraphQLFormattedError } from 'graphql';
import type { StaleNote } from '../../subgraphs/kit/field.ts';

/** A response to one event, for every subscriber of a group. */
export type SubscriptionMessage = {
  /** The place after which a subscriber can continue. */
  readonly eventId: string | undefined;
  readonly data?: unknown;
  readonly errors?: readonly GraphQLFormattedError[] | undefined;
  readonly stale?: readonly StaleNote[] | undefined;
};

/** Why a subscription has ended. Undefined: the service has no more events. */
export type EndReason = { readonly message: string; readonly code: string } | undefined;

const texts = new WeakMap<SubscriptionMessage, string>();

/**
 * Returns the result of an event as JSON, the same for all subscribers but those that have missed earlier events. `missed` is
 * their number.
 */
export const writeMessage = (message: SubscriptionMessage, missed = 0): string => {
  const known = missed === 0 ? texts.get(message) : undefined;
  if (known !== undefined) return known;
  const { eventId, data, errors, stale = [] } = message;
  const tributary = { eventId, ...(stale.length > 0 && { stale }), ...(missed > 0 && { missed }) };
  const text = JSON.stringify({ data, errors, extensions: { tributary } });
  if (missed === 0) texts.set(message, text);
  return text;
};

/** Returns the result that tells why a subscription has ended. */
export const writeEnd = ({ message, code }: NonNullable<EndReason>): string =>
  JSON.stringify({ errors: [{ message, extensions: { code } }] });
