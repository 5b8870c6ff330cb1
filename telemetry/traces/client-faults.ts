/*
 * The codes of errors that are the client's fault: the request could not be served as it was sent, by anybody. They do not make a
 * trace a failed one. Every other code does, also one that is not known here.
 */
const CLIENT_FAULTS: ReadonlySet<string> = new Set([
  'BAD_REQUEST',
  'BAD_USER_INPUT',
  'BUDGET_EXCEEDED',
  'FORBIDDEN',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'METHOD_NOT_ALLOWED',
  'NOT_FOUND',
  'OPERATION_LIMIT_EXCEEDED',
  'OPERATION_RESOLUTION_FAILURE',
  'OPERATION_TOO_COMPLEX',
  'OPERATION_UNRESOLVABLE',
  'PAYLOAD_TOO_LARGE',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_IN_LIST',
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'QUERY_NOT_IN_SAFELIST',
  'RATE_LIMITED',
  'UNAUTHENTICATED',
  'UNAUTHORIZED_FIELD_OR_TYPE',
  'UPSTREAM_CANCELLED',
  'UPSTREAM_NOT_FOUND',
  'UPSTREAM_REJECTED',
]);

/** Returns the first of these codes that is not the client's fault; undefined if all are. */
export const findFailure = (codes: readonly string[]): string | undefined =>
  codes.find((code) => !CLIENT_FAULTS.has(code));
