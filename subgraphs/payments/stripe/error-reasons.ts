import Stripe from 'stripe';
import { isUpstreamError, type RejectionReason, UpstreamError } from '../../../connectors/errors.ts';
import { type Origin, unusableResponse } from '../../../connectors/transports/parse.ts';
import type { StripeOperation } from './client.ts';
import { ApiError } from './wire-types.ts';

// Why a write was refused, in our words, by Stripe's `decline_code`, `code` or `type`, the most telling first.
const REASONS: ReadonlyMap<string, RejectionReason> = new Map([
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

const reasonOf = (body: string | undefined, operation: string): RejectionReason | undefined => {
  const parsed = ApiError.safeParse(parseLeniently(body));
  if (!parsed.success) return undefined;
  const { type, code, decline_code, param } = parsed.data.error;
  for (const word of [decline_code, code, type]) {
    const reason = REASONS.get(word ?? '');
    if (reason) return reason;
  }
  // A refund of more than is left is refused with this parameter's name and no code. Other writes' amounts may be wrong
  // for other reasons.
  return operation === 'POST /v1/refunds' && !code && param === 'amount' ? 'AMOUNT_TOO_LARGE' : undefined;
};

const parseLeniently = (body: string | undefined): unknown => {
  try {
    return JSON.parse(body ?? '');
  } catch {
    return undefined;
  }
};

/** Whether the provider itself says that there is no such object. A 404 of anything else on the way says nothing. */
export const isMissing = (error: unknown): boolean =>
  isUpstreamError(error, 'UPSTREAM_NOT_FOUND') && error.details.reason === 'NOT_FOUND';

/** The error for an answer that cannot be used. `problem` completes "The operation answered with …" and holds no values. */
export const unusableOf = (operation: StripeOperation, problem: string): UpstreamError =>
  unusableResponse({ upstream: 'payments', operation }, problem);

/**
 * The cause of a failed SDK call. The connector's own error comes wrapped into the SDK's; anything else that the SDK throws
 * is about an answer it could not read, so for a write its outcome is unknown.
 */
export const toUpstreamError = (error: unknown, origin: Origin): UpstreamError => {
  const { operation } = origin;
  const inner = error instanceof Stripe.errors.StripeError ? (error as { detail?: unknown }).detail : error;
  if (isUpstreamError(inner)) {
    const { code, upstream, details } = inner;
    if (code !== 'UPSTREAM_REJECTED' && code !== 'UPSTREAM_NOT_FOUND') return inner;
    return new UpstreamError(code, upstream, `${operation} answered ${details.status}`, {
      ...details,
      reason: reasonOf(details.body, operation),
      cause: inner,
    });
  }
  // Not only StripeErrors: an `error` that is a number makes the SDK trip over it with a TypeError.
  return unusableResponse(origin, 'what the SDK cannot read', error);
};
