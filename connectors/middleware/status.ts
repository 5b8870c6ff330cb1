import { UpstreamError, type UpstreamErrorCode } from '../errors.ts';
import type { Middleware, ProviderResponse } from './chain.ts';

/**
 * Turns the statuses that are no regular answer into UpstreamErrors, which carry the body for the code that knows
 * this provider. `isSuccess` tells the regular ones; by default 200 to 299.
 */
export const withStatusErrors =
  (upstream: string, isSuccess: (response: ProviderResponse) => boolean = isOk): Middleware =>
  (next) =>
  async (call) => {
    const response = await next(call);
    if (isSuccess(response)) return response;
    throw new UpstreamError(codeOf(response.status), upstream, `${call.operation} answered ${response.status}`, {
      operation: call.operation,
      status: response.status,
      retryAfterMs: retryAfterMs(response),
      body: response.body,
      headers: response.headers,
    });
  };

const isOk = ({ status }: ProviderResponse): boolean => status >= 200 && status < 300;

const codeOf = (status: number): UpstreamErrorCode => {
  if (status === 401 || status === 403) return 'UPSTREAM_UNAUTHORIZED';
  if (status === 404) return 'UPSTREAM_NOT_FOUND';
  if (status === 429) return 'UPSTREAM_RATE_LIMITED';
  if (status >= 500) return 'UPSTREAM_UNAVAILABLE';
  // A redirect is never followed: no provider here sends one, and following it could carry the credential elsewhere.
  return status >= 400 ? 'UPSTREAM_REJECTED' : 'UPSTREAM_BAD_RESPONSE';
};

/** A provider is asked again after an hour, whatever it says. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** `Retry-After` in milliseconds, in seconds or as a date (RFC 9110, 10.2.3); undefined where it is missing or unreadable. */
const retryAfterMs = ({ headers }: ProviderResponse): number | undefined => {
  const value = headers['retry-after'];
  if (typeof value !== 'string') return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.min(MAX_RETRY_AFTER_MS, Math.max(0, ms)) : undefined;
};
