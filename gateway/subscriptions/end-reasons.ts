import type { EndReason } from './message.ts';

/* Reasons for which the gateway ends a subscription. */

export const EXPIRED: NonNullable<EndReason> = {
  message: 'The events since then are not known any more. Read the current state, and subscribe again.',
  code: 'EVENTS_EXPIRED',
};

export const FORBIDDEN: NonNullable<EndReason> = {
  message: 'You may not read this any more, or may now read more. Subscribe again.',
  code: 'FORBIDDEN',
};

export const LOST: NonNullable<EndReason> = {
  message: 'The subscription was lost. Subscribe again, after the last event that you have.',
  code: 'SUBSCRIPTION_LOST',
};

export const INVALID: NonNullable<EndReason> = {
  message: 'The schema has changed, and the subscription is not valid any more.',
  code: 'GRAPHQL_VALIDATION_FAILED',
};

export const SHUTTING_DOWN: NonNullable<EndReason> = {
  message: 'The server is shutting down. Subscribe again, after the last event that you have.',
  code: 'SUBSCRIPTION_LOST',
};

export const TOO_OLD: NonNullable<EndReason> = {
  message: 'The subscription has reached its maximum age. Subscribe again, after the last event that you have.',
  code: 'SUBSCRIPTION_LOST',
};

export const TOKEN_EXPIRED: NonNullable<EndReason> = {
  message: 'The token has expired. Subscribe again with a new one.',
  code: 'UNAUTHENTICATED',
};
