import type { ProviderResponse } from './middleware/chain.ts';

/** Every way in which a provider call can fail. `docs/errors.md` says what each means to a client. */
export const UPSTREAM_ERROR_CODES = [
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_UNAVAILABLE',
  'UPSTREAM_RATE_LIMITED',
  'UPSTREAM_UNAUTHORIZED',
  'UPSTREAM_NOT_FOUND',
  'UPSTREAM_REJECTED',
  'UPSTREAM_BAD_RESPONSE',
  'UPSTREAM_OUTCOME_UNKNOWN',
  'UPSTREAM_CANCELLED',
] as const;

export type UpstreamErrorCode = (typeof UPSTREAM_ERROR_CODES)[number];

/** Why a provider refused, in words that stay the same whatever the provider's are. Sent to clients beside the code. */
export const REJECTION_REASONS = [
  'ALREADY_EXISTS',
  'ALREADY_REFUNDED',
  'AMBIGUOUS',
  'AMOUNT_TOO_LARGE',
  'AMOUNT_TOO_SMALL',
  'CARD_DECLINED',
  'CARD_EXPIRED',
  'IDEMPOTENCY_KEY_IN_USE',
  'IDEMPOTENCY_KEY_REUSED',
  'INSUFFICIENT_FUNDS',
  'INVALID_VALUE',
  'NOT_FOUND',
  'WRONG_STATE',
] as const;

export type RejectionReason = (typeof REJECTION_REASONS)[number];

export type UpstreamErrorDetails = {
  /** The operation that was called, e.g. `GET /v1/customers/search`. Holds no ids and no query values. */
  readonly operation?: string | undefined;
  /** The HTTP status of the provider's answer, where there was one. */
  readonly status?: number | undefined;
  /** How long the provider asks to be left alone, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /**
   * The provider's own words, for the code that knows this provider to read a reason from.
   * Never logged and never sent to a client: it can hold personal data.
   */
  readonly body?: string | undefined;
  /** The headers of the provider's answer, for the same code. Never logged either. */
  readonly headers?: ProviderResponse['headers'] | undefined;
  /** The code of a SOAP fault, e.g. `101` or `Server`. */
  readonly fault?: string | undefined;
  readonly reason?: RejectionReason | undefined;
  /** False where the request cannot have reached the provider, so that even a write may be sent again. */
  readonly mayHaveArrived?: boolean | undefined;
  /**
   * True where the provider answered a write with success and only the answer cannot be used: a repetition under the same
   * idempotency key then returns the stored result.
   */
  readonly isAccepted?: boolean | undefined;
  /** True where it is known that asking again at once would fail in the same way. */
  readonly isFutile?: boolean | undefined;
  readonly cause?: unknown;
};

/**
 * The only error that leaves the connectors. Callers read `code`, never `message`; the message is for the log
 * and names the upstream and the operation, but no URL, credential or content.
 */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
  readonly code: UpstreamErrorCode;
  readonly upstream: string;
  readonly details: UpstreamErrorDetails;

  constructor(code: UpstreamErrorCode, upstream: string, message: string, details: UpstreamErrorDetails = {}) {
    super(`${upstream}: ${message}`, { cause: details.cause });
    this.code = code;
    this.upstream = upstream;
    this.details = details;
  }
}

/** True for an UpstreamError, and with `code` only for one with that code. */
export const isUpstreamError = (error: unknown, code?: UpstreamErrorCode): error is UpstreamError =>
  error instanceof UpstreamError && (code === undefined || error.code === code);

/** What a call ends with whose signal has fired: UPSTREAM_TIMEOUT for a deadline, UPSTREAM_CANCELLED where the caller left. */
export const toAbortError = (
  { reason }: AbortSignal,
  upstream: string,
  { operation, cause }: { operation: string; cause?: unknown },
): UpstreamError =>
  (reason as { name?: unknown } | undefined)?.name === 'TimeoutError'
    ? new UpstreamError('UPSTREAM_TIMEOUT', upstream, `${operation} gave no answer in time`, { operation, cause })
    : new UpstreamError('UPSTREAM_CANCELLED', upstream, `${operation} was given up by its caller`, {
        operation,
        cause,
      });

/** The codes of a provider that could not be asked or gave nothing to be used. */
export const OUTAGE_CODES = [
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_UNAVAILABLE',
  'UPSTREAM_RATE_LIMITED',
  'UPSTREAM_BAD_RESPONSE',
] as const satisfies readonly UpstreamErrorCode[];

export type OutageCode = (typeof OUTAGE_CODES)[number];

/** The code of an outage, where what the provider said before is the best there is; `undefined` for any other error. */
export const outageCodeOf = (error: unknown): OutageCode | undefined =>
  error instanceof UpstreamError ? OUTAGE_CODES.find((code) => code === error.code) : undefined;
