import { setTimeout as pause } from 'node:timers/promises';
import { ExponentialBackoff } from 'cockatiel';
import { monotonicNow } from '../../runtime/clock.ts';
import { mayRepeat } from '../../telemetry/call-stats.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { isUpstreamError, toAbortError, UpstreamError } from '../errors.ts';
import type { Middleware, ProviderRequest, ResponseType } from './chain.ts';

/** Limits the share of requests that may be retried. */
export type RetryBudget = {
  /** Counts the first attempt of a request. */
  readonly deposit: () => void;
  /** Takes one retry from the budget; false if it is spent. */
  readonly withdraw: () => boolean;
  /** Returns the retries that it grants now, whole and in part. */
  readonly left: () => number;
};

/** Retries that the budget grants per request, and per second where there are few requests. */
const RETRIES_PER_REQUEST = 0.1;
const RETRIES_PER_SECOND = 1;

/** Maximum number of unused retries that the budget saves up. */
const MAX_SAVED_RETRIES = 10;

/**
 * Creates a retry budget of one request in ten, and of one a second where there are few. During an outage the provider then
 * gets a tenth more requests, instead of three times as many.
 */
export const createRetryBudget = (): RetryBudget => {
  let left = MAX_SAVED_RETRIES;
  let filledAt = monotonicNow();
  const fill = (more: number) => {
    const at = monotonicNow();
    left = Math.min(MAX_SAVED_RETRIES, left + more + (Math.max(0, at - filledAt) / 1000) * RETRIES_PER_SECOND);
    filledAt = at;
  };
  return {
    deposit: () => fill(RETRIES_PER_REQUEST),
    withdraw: () => {
      fill(0);
      if (left < 1) return false;
      left -= 1;
      return true;
    },
    left: () => {
      fill(0);
      return left;
    },
  };
};

export type RetryOptions = {
  readonly subgraph: string;
  readonly budget: RetryBudget;
  readonly telemetry: Telemetry;
};

/** Maximum number of attempts; two if the first one timed out. */
const MAX_ATTEMPTS = 3;

/** Backoff before the second attempt, in milliseconds. Randomized, and longer before each further attempt. */
const BACKOFF_MS = 100;

/** Maximum backoff of a request without a deadline (a login), in milliseconds. */
const MAX_WAIT_MS = 10_000;

/**
 * Retries transient failures: the provider was unavailable, timed out or responded 429. Retries only reads and writes with
 * an idempotency key, only within the budget, and only if the backoff ends before the deadline. A stream has succeeded once it
 * begins.
 */
export const withRetry =
  ({ subgraph, budget, telemetry: { emit } }: RetryOptions): Middleware =>
  (next) => {
    const backoffs = new ExponentialBackoff({ initialDelay: BACKOFF_MS, maxDelay: 20 * BACKOFF_MS });
    return async (request) => {
      const isSafeToRetry = !request.write || request.idempotencyKey !== undefined;
      let backoff = backoffs.next();
      let isUncertain = false;
      budget.deposit();
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await next(attempt === 1 ? request : { ...request, isRepeat: true });
        } catch (error) {
          if (!isUpstreamError(error)) throw error;
          const waitMs = Math.max(backoff.duration, error.details.retryAfterMs ?? 0);
          const willRetry =
            isSafeToRetry &&
            attempt < MAX_ATTEMPTS &&
            isTransient(error, request, attempt) &&
            mayRepeat(subgraph, request) &&
            monotonicNow() + waitMs < (request.priority?.deadlineAt ?? monotonicNow() + MAX_WAIT_MS) &&
            budget.withdraw();
          if (!willRetry) throw isUncertain ? toUnknownOutcome(error, request) : error;
          isUncertain ||= request.write && mayHaveBeenDone(error);
          try {
            await pause(waitMs, undefined, { signal: request.signal });
          } catch (cause) {
            const aborted = request.signal
              ? toAbortError(request.signal, subgraph, { operation: request.operation, cause })
              : error;
            throw isUncertain ? toUnknownOutcome(aborted, request) : aborted;
          }
          backoff = backoff.next(undefined);
          const { operation, batch, requestStats } = request;
          emit(
            { type: 'provider.retry', subgraph, operation, batch, code: error.code, waitedMs: waitMs },
            requestStats,
          );
        }
      }
    };
  };

/** Whether a retry may succeed. */
const isTransient = (
  { code, details }: UpstreamError,
  { signal, idempotencyKey }: ProviderRequest<ResponseType>,
  attempt: number,
): boolean => {
  if (details.isRetryable === false || signal?.aborted) return false;
  if (code === 'UPSTREAM_UNAVAILABLE') return true;
  if (code === 'UPSTREAM_TIMEOUT') return attempt === 1;
  // Rejected by the provider, not by our own rate limit.
  if (code === 'UPSTREAM_RATE_LIMITED') return details.status === 429;
  // The previous attempt is still in progress under the same idempotency key; retry to get its outcome.
  return details.status === 409 && idempotencyKey !== undefined && attempt > 1;
};

const mayHaveBeenDone = ({ code, details }: UpstreamError): boolean =>
  (code === 'UPSTREAM_UNAVAILABLE' || code === 'UPSTREAM_TIMEOUT') && details.mayHaveArrived !== false;

/** The error of a retried write whose earlier attempt may have been carried out: the provider's rejection, or unknown. */
const toUnknownOutcome = (error: UpstreamError, { operation }: Pick<ProviderRequest, 'operation'>): UpstreamError => {
  const isRejection = error.code === 'UPSTREAM_REJECTED' && error.details.status !== 409;
  return isRejection
    ? error
    : new UpstreamError('UPSTREAM_OUTCOME_UNKNOWN', error.subgraph, `${operation} may have been carried out`, {
        operation,
        status: error.details.status,
        cause: error,
      });
};
