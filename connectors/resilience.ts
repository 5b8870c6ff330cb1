import type { Link } from './chain.ts';
import { isUpstreamError, toAbortError, UpstreamError } from './errors.ts';

/**
 * Gives a call at most `timeoutMs`, and less where its own signal ends sooner.
 *
 * UPSTREAM_TIMEOUT when the time is up (this link's or the caller's deadline), UPSTREAM_CANCELLED when the caller left.
 */
export const withTimeout =
  (upstream: string, timeoutMs: number): Link =>
  (next) =>
  async (call) => {
    const controller = new AbortController();
    const { signal } = controller;
    // Not AbortSignal.timeout and .any: their timer would outlive the call, for every call.
    const timer = setTimeout(() => controller.abort(new DOMException('The time is up.', 'TimeoutError')), timeoutMs);
    const follow = () => controller.abort(call.signal?.reason);
    if (call.signal?.aborted) follow();
    call.signal?.addEventListener('abort', follow, { once: true });
    try {
      return await next({ ...call, signal });
    } catch (cause) {
      if (!signal.aborted || cause instanceof UpstreamError) throw cause;
      throw toAbortError(signal, upstream, { operation: call.operation, cause });
    } finally {
      clearTimeout(timer);
      call.signal?.removeEventListener('abort', follow);
    }
  };

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
