import { UpstreamError, type UpstreamErrorCode } from '../errors.ts';
import type { Middleware, ProviderResponse } from './chain.ts';
import { isOk, isText } from './response.ts';

/**
 * Converts error statuses to UpstreamErrors, with headers and body for the provider's own code. `isSuccess` defines
 * which responses are successes; by default status 200 to 299, and always so for bytes and streams.
 */
export const withStatusErrors =
  (subgraph: string, isSuccess: (response: ProviderResponse) => boolean = isOk): Middleware =>
  (next) =>
  async (request) => {
    const response = await next(request);
    // The wire returns bytes and streams only for these statuses, and text for all others.
    if (!isText(response)) return response;
    if ((request.responseType ?? 'text') === 'text' && isSuccess(response)) return response;
    throw new UpstreamError(
      codeOf(response.status),
      subgraph,
      `${request.operation} responded with ${response.status}`,
      {
        operation: request.operation,
        status: response.status,
        retryAfterMs: retryAfterMs(response),
        body: response.body,
        headers: response.headers,
      },
    );
  };

const codeOf = (status: number): UpstreamErrorCode => {
  if (status === 401 || status === 403) return 'UPSTREAM_UNAUTHORIZED';
  if (status === 404) return 'UPSTREAM_NOT_FOUND';
  if (status === 429) return 'UPSTREAM_RATE_LIMITED';
  if (status >= 500) return 'UPSTREAM_UNAVAILABLE';
  // Redirects are not followed: no provider here sends one, and following it could leak the credential to another host.
  return status >= 400 ? 'UPSTREAM_REJECTED' : 'UPSTREAM_BAD_RESPONSE';
};

/** Maximum `Retry-After` that is obeyed: one hour. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** Parses `Retry-After`, given in seconds or as a date (RFC 9110, 10.2.3), to milliseconds; undefined if missing or invalid. */
const retryAfterMs = ({ headers }: ProviderResponse): number | undefined => {
  const value = headers['retry-after'];
  if (typeof value !== 'string') return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.min(MAX_RETRY_AFTER_MS, Math.max(0, ms)) : undefined;
};
