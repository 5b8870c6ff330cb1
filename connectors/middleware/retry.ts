import { setTimeout as pause } from 'node:timers/promises';
import { ExponentialBackoff } from 'cockatiel';
import { monotonicNow } from '../../runtime/clock.ts';
import { type CallStats, recordCall } from '../call-stats.ts';
import { isUpstreamError, toAbortError, UpstreamError } from '../errors.ts';
import type { Middleware, ProviderRequest } from './chain.ts';

/** How many calls may be sent again. */
export type RetryBudget = {
  /** Counts a call that was sent for the first time. */
  readonly deposit: () => void;
  /** Whether one more may be sent again; counts it if so. */
  readonly withdraw: () => boolean;
};

/**
 * Lets one call in ten be repeated, and one a second where there are few: an outage then costs the provider a tenth more
 * calls, and not three times as many. Up to ten are saved up.
 */
export const createRetryBudget = ({
  ratio = 0.1,
  perSecond = 1,
  reserve = 10,
  now = monotonicNow,
} = {}): RetryBudget => {
  let left = reserve;
  let filledAt = now();
  const fill = (more: number) => {
    const at = now();
    left = Math.min(reserve, left + more + (Math.max(0, at - filledAt) / 1000) * perSecond);
    filledAt = at;
  };
  return {
    deposit: () => fill(ratio),
    withdraw: () => {
      fill(0);
      if (left < 1) return false;
      left -= 1;
      return true;
    },
  };
};

export type RetryOptions = {
  readonly upstream: string;
  readonly callStats: CallStats;
  readonly budget: RetryBudget;
  /** How often a call is sent at most. Default 3; a call that ran out of its own time is sent twice at most. */
  readonly maxAttempts?: number;
  /** How long to wait before the second attempt, in milliseconds: a random time around this, longer each time. Default 100. */
  readonly backoffMs?: number;
  readonly now?: () => number;
};

/** How long a call without a deadline (a login) waits before it is sent again, in milliseconds. */
const MAX_WAIT_MS = 10_000;

/**
 * Sends a call again that failed for no reason of its own: where the provider was not there, did not answer in time, or
 * said 429. Only reads, and writes by whose idempotency key the provider knows a repetition; not where the budget is
 * spent, and not where the wait would outlast the deadline.
 */
export const withRetry =
  ({ upstream, callStats, budget, maxAttempts = 3, backoffMs = 100, now = monotonicNow }: RetryOptions): Middleware =>
  (next) => {
    const backoffs = new ExponentialBackoff({ initialDelay: backoffMs, maxDelay: 20 * backoffMs });
    return async (call) => {
      const mayBeRepeated = !call.write || call.idempotencyKey !== undefined;
      let backoff = backoffs.next();
      let isUncertain = false;
      budget.deposit();
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await next(call);
        } catch (error) {
          if (!isUpstreamError(error)) throw error;
          const waitMs = Math.max(backoff.duration, error.details.retryAfterMs ?? 0);
          const isWorthIt =
            mayBeRepeated &&
            attempt < maxAttempts &&
            isTransient(error, call, attempt) &&
            now() + waitMs < (call.priority?.deadlineAt ?? now() + MAX_WAIT_MS) &&
            budget.withdraw();
          if (!isWorthIt) throw isUncertain ? toUnknownOutcome(error, call) : error;
          isUncertain ||= call.write && mayHaveBeenDone(error);
          try {
            await pause(waitMs, undefined, { signal: call.signal });
          } catch (cause) {
            const left = call.signal
              ? toAbortError(call.signal, upstream, { operation: call.operation, cause })
              : error;
            throw isUncertain ? toUnknownOutcome(left, call) : left;
          }
          backoff = backoff.next(undefined);
          recordCall(call, callStats, upstream, { retries: 1 });
        }
      }
    };
  };

/** Whether the failure may be over the next time. */
const isTransient = (
  { code, details }: UpstreamError,
  { signal, idempotencyKey }: ProviderRequest,
  attempt: number,
): boolean => {
  if (details.isFutile || signal?.aborted) return false;
  if (code === 'UPSTREAM_UNAVAILABLE') return true;
  if (code === 'UPSTREAM_TIMEOUT') return attempt === 1;
  // Refused by the provider, and not for want of room in our own line.
  if (code === 'UPSTREAM_RATE_LIMITED') return details.status === 429;
  // The attempt before this one is still being carried out; its outcome is what we are after.
  return details.status === 409 && idempotencyKey !== undefined && attempt > 1;
};

const mayHaveBeenDone = ({ code, details }: UpstreamError): boolean =>
  (code === 'UPSTREAM_UNAVAILABLE' || code === 'UPSTREAM_TIMEOUT') && details.mayHaveArrived !== false;

/** How a repeated write ends whose earlier attempt may have been carried out: by the provider's word, or unknown. */
const toUnknownOutcome = (error: UpstreamError, { operation }: ProviderRequest): UpstreamError => {
  const isTheProvidersWord = error.code === 'UPSTREAM_REJECTED' && error.details.status !== 409;
  return isTheProvidersWord
    ? error
    : new UpstreamError('UPSTREAM_OUTCOME_UNKNOWN', error.upstream, `${operation} may have been carried out`, {
        operation,
        status: error.details.status,
        cause: error,
      });
};
