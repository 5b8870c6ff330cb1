import { isUpstreamError, UpstreamError } from '../errors.ts';
import type { Middleware } from './chain.ts';

/**
 * Reports a write that may have been carried out as UPSTREAM_OUTCOME_UNKNOWN instead of a plain failure: after a timeout, a
 * broken connection or a 5xx, and after an answer that cannot be read, unless its status (4xx) refuses the write.
 */
export const withUnknownOutcome: Middleware = (next) => async (call) => {
  try {
    return await next(call);
  } catch (error) {
    if (!call.write || !isUpstreamError(error) || !mayHaveBeenCarriedOut(error)) throw error;
    const { status } = error.details;
    throw new UpstreamError('UPSTREAM_OUTCOME_UNKNOWN', error.upstream, `${call.operation} may have been carried out`, {
      operation: call.operation,
      status,
      isAccepted: status !== undefined && status >= 200 && status < 300,
      cause: error,
    });
  }
};

const mayHaveBeenCarriedOut = ({ code, details: { mayHaveArrived, status = 0 } }: UpstreamError): boolean => {
  if (mayHaveArrived === false) return false;
  // Stripe's documentation calls the result of a 5xx indeterminate; a lost connection or a deadline is no different.
  if (code === 'UPSTREAM_TIMEOUT' || code === 'UPSTREAM_UNAVAILABLE') return true;
  // Too large, or a redirect, which can follow a write that was carried out (RFC 9110, 15.4.4).
  return code === 'UPSTREAM_BAD_RESPONSE' && (status < 400 || status >= 500);
};
