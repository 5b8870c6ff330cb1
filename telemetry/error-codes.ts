/**
 * Every code that a response error can have, except those of external subgraphs. `docs/errors.md` documents each of them. Listed
 * here because the metrics count each from the start.
 */
export const ERROR_CODES = [
  'INTERNAL_SERVER_ERROR',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'BAD_USER_INPUT',
  'OPERATION_RESOLUTION_FAILURE',
  'BAD_REQUEST',
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
  'NOT_FOUND',
  'METHOD_NOT_ALLOWED',
  'PAYLOAD_TOO_LARGE',
  'OVERLOADED',
  'RATE_LIMITED',
  'LIMITS_UNAVAILABLE',
  'AUDIT_UNAVAILABLE',
  'ERRORS_OMITTED',
  'OPERATION_LIMIT_EXCEEDED',
  'OPERATION_TOO_COMPLEX',
  'OPERATION_UNRESOLVABLE',
  'REQUEST_TIMEOUT',
  'QUERY_NOT_IN_SAFELIST',
  'PERSISTED_QUERY_NOT_IN_LIST',
  'AUTHENTICATION_UNAVAILABLE',
  'UNAUTHENTICATED',
  'UNAUTHORIZED_FIELD_OR_TYPE',
  'FORBIDDEN',
  'WEBHOOK_REFUSED',
  'INBOX_FULL',
  'INBOX_UNAVAILABLE',
  'SUBSCRIPTIONS_UNAVAILABLE',
  'SUBSCRIPTION_LOST',
  'EVENTS_EXPIRED',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/**
 * The codes that are a failure of a provider, or of a subgraph in another process: it could not be reached, or used. The status
 * page and `deploy/prometheus/rules/recording.yml` count by them. Any other code shows that it responds, except for those of
 * requests that were not sent or that nobody waited for. A circuit breaker opens for fewer: a rejected credential, for
 * example, is no reason to wait.
 */
export const FAILURE_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_UNAVAILABLE',
  'UPSTREAM_UNAUTHORIZED',
  'UPSTREAM_BAD_RESPONSE',
  'UPSTREAM_OUTCOME_UNKNOWN',
  'OVERLOADED',
  'INTERNAL_SERVER_ERROR',
]);
