import type { ErrorCode } from '../telemetry/error-codes.ts';
import type { ProviderResponse } from './middleware/chain.ts';

/** The codes of all provider failures. `docs/errors.md` explains each to clients. */
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
  'BUDGET_EXCEEDED',
] as const satisfies readonly ErrorCode[];

export type UpstreamErrorCode = (typeof UPSTREAM_ERROR_CODES)[number];

/**
 * Reasons for a rejection that any provider may give, sent to clients beside the code. A provider can add its own; all are in
 * `docs/errors.md`.
 */
export const REJECTION_REASONS = ['ALREADY_EXISTS', 'AMBIGUOUS', 'INVALID_VALUE', 'NOT_FOUND'] as const;

export type RejectionReason = (typeof REJECTION_REASONS)[number];

export type UpstreamErrorDetails = {
  /** The operation, e.g. `GET /v1/customers/search`. Contains no ids and no query values. */
  readonly operation?: string | undefined;
  /** The HTTP status of the provider's response, if there was one. */
  readonly status?: number | undefined;
  /** The provider's `Retry-After`, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /**
   * The response body, from which the provider's own code reads a reason.
   * Never logged and never sent to a client: it can contain personal data.
   */
  readonly body?: string | undefined;
  /** The response headers, for the same purpose. Never logged either. */
  readonly headers?: ProviderResponse['headers'] | undefined;
  /** The code of a SOAP fault, e.g. `101` or `Server`. */
  readonly fault?: string | undefined;
  /** Why the provider rejected the request: one of `REJECTION_REASONS`, or a reason of the provider's own. */
  readonly reason?: string | undefined;
  /** True if there is no credential with which the provider could be called. */
  readonly isWithoutCredential?: boolean | undefined;
  /** False if the request cannot have reached the provider, so that even a write may be retried. */
  readonly mayHaveArrived?: boolean | undefined;
  /**
   * True if the provider accepted a write but its response cannot be used. Repeating the write under the same idempotency
   * key then returns the stored result.
   */
  readonly isAccepted?: boolean | undefined;
  /** False if an immediate retry is known to fail in the same way. Default: decided by the code and the status. */
  readonly isRetryable?: boolean | undefined;
  readonly cause?: unknown;
};

/**
 * The only error that leaves the connectors. Callers read `code`, never `message`. The message is for the log
 * and names the subgraph and the operation, but no URL, credential or content.
 */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
  readonly code: UpstreamErrorCode;
  readonly subgraph: string;
  readonly details: UpstreamErrorDetails;

  constructor(code: UpstreamErrorCode, subgraph: string, message: string, details: UpstreamErrorDetails = {}) {
    super(`${subgraph}: ${message}`, { cause: details.cause });
    this.code = code;
    this.subgraph = subgraph;
    this.details = details;
  }
}

/** Whether an error is an UpstreamError, and with `code`, whether it has that code. */
export const isUpstreamError = (error: unknown, code?: UpstreamErrorCode): error is UpstreamError =>
  error instanceof UpstreamError && (code === undefined || error.code === code);

/** Returns the root cause's error code from the operating system or the HTTP client, e.g. `ECONNREFUSED`. */
export const whyOf = ({ cause }: Error): unknown => {
  if (!(cause instanceof Error)) return undefined;
  return cause instanceof UpstreamError ? whyOf(cause) : ((cause as { code?: unknown }).code ?? cause.name);
};

/** The error for an aborted request: UPSTREAM_TIMEOUT for a passed deadline, UPSTREAM_CANCELLED if the caller left. */
export const toAbortError = (
  { reason }: AbortSignal,
  subgraph: string,
  { operation, cause }: { operation: string; cause?: unknown },
): UpstreamError =>
  (reason as { name?: unknown } | undefined)?.name === 'TimeoutError'
    ? new UpstreamError('UPSTREAM_TIMEOUT', subgraph, `${operation} timed out`, { operation, cause })
    : new UpstreamError('UPSTREAM_CANCELLED', subgraph, `${operation} was cancelled by its caller`, {
        operation,
        cause,
      });

/** The codes of an outage: the provider could not be reached, or its response could not be used. */
export const OUTAGE_CODES = [
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_UNAVAILABLE',
  'UPSTREAM_RATE_LIMITED',
  'UPSTREAM_BAD_RESPONSE',
] as const satisfies readonly UpstreamErrorCode[];

export type OutageCode = (typeof OUTAGE_CODES)[number];

/** The error's code if it is an outage, in which case a stale value may be served; `undefined` for any other error. */
export const outageCodeOf = (error: unknown): OutageCode | undefined =>
  error instanceof UpstreamError ? OUTAGE_CODES.find((code) => code === error.code) : undefined;
