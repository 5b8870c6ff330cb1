import type { Link } from './chain.ts';
import { isUpstreamError, UpstreamError } from './errors.ts';

/** Says so where a write may or may not have been carried out: UPSTREAM_OUTCOME_UNKNOWN instead of a plain failure. */
export const withHonestOutcome: Link = (next) => async (call) => {
  try {
    return await next(call);
  } catch (error) {
    if (!call.write || !isUpstreamError(error) || error.details.mayHaveArrived === false) throw error;
    // Stripe's documentation calls the result of a 5xx indeterminate; a lost connection or a deadline is no different.
    if (error.code !== 'UPSTREAM_TIMEOUT' && error.code !== 'UPSTREAM_UNAVAILABLE') throw error;
    throw new UpstreamError('UPSTREAM_OUTCOME_UNKNOWN', error.upstream, `${call.operation} may have been carried out`, {
      operation: call.operation,
      status: error.details.status,
      cause: error,
    });
  }
};
