import Stripe from 'stripe';
import { isUpstreamError, type RejectionReason, UpstreamError } from '../../../connectors/errors.ts';
import { type ResponseContext, unusableResponse } from '../../../connectors/transports/parse.ts';
import type { StripeOperation } from './operations.ts';
import { ApiError } from './wire-types.ts';

/** Reasons for a rejection that only Stripe gives, beside the common ones. */
export const STRIPE_REJECTION_REASONS = [
  'ALREADY_REFUNDED',
  'AMOUNT_TOO_LARGE',
  'AMOUNT_TOO_SMALL',
  'CARD_DECLINED',
  'CARD_EXPIRED',
  'IDEMPOTENCY_KEY_IN_USE',
  'IDEMPOTENCY_KEY_REUSED',
  'INSUFFICIENT_FUNDS',
  'WRONG_STATE',
] as const;

type StripeReason = RejectionReason | (typeof STRIPE_REJECTION_REASONS)[number];

// The reason for a rejection by Stripe's `decline_code`, `code` or `type`; `reasonOf` tries them in that order.
const REASONS: ReadonlyMap<string, StripeReason> = new Map([
  ['insufficient_funds', 'INSUFFICIENT_FUNDS'],
  ['expired_card', 'CARD_EXPIRED'],
  ['card_declined', 'CARD_DECLINED'],
  ['card_error', 'CARD_DECLINED'],
  ['charge_already_refunded', 'ALREADY_REFUNDED'],
  ['payment_intent_unexpected_state', 'WRONG_STATE'],
  ['amount_too_large', 'AMOUNT_TOO_LARGE'],
  ['amount_too_small', 'AMOUNT_TOO_SMALL'],
  ['idempotency_error', 'IDEMPOTENCY_KEY_REUSED'],
  ['idempotency_key_in_use', 'IDEMPOTENCY_KEY_IN_USE'],
  ['resource_missing', 'NOT_FOUND'],
]);

const reasonOf = (body: string | undefined, operation: string): StripeReason | undefined => {
  const parsed = ApiError.safeParse(parseLeniently(body));
  if (!parsed.success) return undefined;
  const { type, code, decline_code, param } = parsed.data.error;
  for (const word of [decline_code, code, type]) {
    const reason = REASONS.get(word ?? '');
    if (reason) return reason;
  }
  // A refund of more than the remaining amount is rejected with this parameter and no code. The amounts of other writes may be
  // invalid for other reasons.
  return operation === 'POST /v1/refunds' && !code && param === 'amount' ? 'AMOUNT_TOO_LARGE' : undefined;
};

const parseLeniently = (body: string | undefined): unknown => {
  try {
    return JSON.parse(body ?? '');
  } catch {
    return undefined;
  }
};

/** Whether Stripe says that an object does not exist. A 404 from anything else on the way says nothing about it. */
export const isMissing = (error: unknown): boolean =>
  isUpstreamError(error, 'UPSTREAM_NOT_FOUND') && error.details.reason === 'NOT_FOUND';

/** Creates the error for a response that cannot be used. `problem` completes "The operation responded with …"; no values. */
export const badResponse = (operation: StripeOperation, problem: string): UpstreamError =>
  unusableResponse({ subgraph: 'payments', operation }, problem);

/**
 * Converts the error of an SDK call. The SDK wraps the connector's error; anything else it throws means that it could not read
 * the response, so the outcome of a write is unknown.
 */
export const toUpstreamError = (error: unknown, context: ResponseContext): UpstreamError => {
  const { operation } = context;
  const inner = error instanceof Stripe.errors.StripeError ? (error as { detail?: unknown }).detail : error;
  if (isUpstreamError(inner)) {
    const { code, subgraph, details } = inner;
    if (code !== 'UPSTREAM_REJECTED' && code !== 'UPSTREAM_NOT_FOUND') return inner;
    return new UpstreamError(code, subgraph, `${operation} responded with ${details.status}`, {
      ...details,
      reason: reasonOf(details.body, operation),
      cause: inner,
    });
  }
  // Not only StripeErrors: a response whose `error` is a number makes the SDK throw a TypeError.
  return unusableResponse(context, 'a body that the SDK cannot read', error);
};
