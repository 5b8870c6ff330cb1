import { UpstreamError, type UpstreamErrorCode } from '../errors.ts';
import type { Answer, Link } from './chain.ts';

/**
 * Turns the statuses that are no regular answer into UpstreamErrors, which carry the body for the code that knows
 * this provider. `isAnswer` tells the regular ones; by default 200 to 299.
 */
export const withStatusErrors =
  (upstream: string, isAnswer: (answer: Answer) => boolean = isSuccess): Link =>
  (next) =>
  async (call) => {
    const answer = await next(call);
    if (isAnswer(answer)) return answer;
    throw new UpstreamError(codeOf(answer.status), upstream, `${call.operation} answered ${answer.status}`, {
      operation: call.operation,
      status: answer.status,
      retryAfterMs: retryAfterMs(answer),
      body: answer.body,
      headers: answer.headers,
    });
  };

const isSuccess = ({ status }: Answer): boolean => status >= 200 && status < 300;

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
const retryAfterMs = ({ headers }: Answer): number | undefined => {
  const value = headers['retry-after'];
  if (typeof value !== 'string') return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.min(MAX_RETRY_AFTER_MS, Math.max(0, ms)) : undefined;
};
