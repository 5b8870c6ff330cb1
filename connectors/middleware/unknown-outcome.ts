import { isUpstreamError, UpstreamError } from '../errors.ts';
import type { Middleware, ProviderRequest, ResponseType } from './chain.ts';

/**
 * Reports a write that may have been carried out as UPSTREAM_OUTCOME_UNKNOWN: after a timeout, a broken connection or a 5xx,
 * and after a response that cannot be read, unless its status (4xx) rejects the write.
 */
export const withUnknownOutcome: Middleware = (next) => async (request) => {
  try {
    return await next(request);
  } catch (error) {
    throw isUpstreamError(error) ? withOutcome(error, request) : error;
  }
};

/** Converts the error of a write that may have been carried out to UPSTREAM_OUTCOME_UNKNOWN; returns any other as it is. */
export const withOutcome = (
  error: UpstreamError,
  { operation, write }: Pick<ProviderRequest<ResponseType>, 'operation' | 'write'>,
): UpstreamError => {
  if (!write || !mayHaveBeenCarriedOut(error)) return error;
  const { status } = error.details;
  return new UpstreamError('UPSTREAM_OUTCOME_UNKNOWN', error.subgraph, `${operation} may have been carried out`, {
    operation,
    status,
    isAccepted: status !== undefined && status >= 200 && status < 300,
    cause: error,
  });
};

const mayHaveBeenCarriedOut = ({ code, details: { mayHaveArrived, status = 0 } }: UpstreamError): boolean => {
  if (mayHaveArrived === false) return false;
  // Stripe's documentation calls the result of a 5xx indeterminate. The same goes for a lost connection or a timeout.
  if (code === 'UPSTREAM_TIMEOUT' || code === 'UPSTREAM_UNAVAILABLE') return true;
  // The response is too large, or a redirect, which can follow a write that was carried out (RFC 9110, 15.4.4).
  return code === 'UPSTREAM_BAD_RESPONSE' && (status < 400 || status >= 500);
};
