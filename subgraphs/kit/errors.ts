import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { UpstreamError, type UpstreamErrorCode, whyOf } from '../../connectors/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { toClientText } from './limits/client-text.ts';

/** Creates a BAD_USER_INPUT error. `argument` names the invalid value, e.g. `input.amount`. */
export const badInput = (argument: string, message: string): GraphQLError =>
  new GraphQLError(`${argument}: ${message}`, { extensions: { code: 'BAD_USER_INPUT', argument } });

const MESSAGES: Readonly<Record<UpstreamErrorCode, (service: string) => string>> = {
  UPSTREAM_TIMEOUT: (service) => `The ${service} service did not respond in time.`,
  UPSTREAM_UNAVAILABLE: (service) => `The ${service} service is unavailable.`,
  UPSTREAM_RATE_LIMITED: (service) => `The ${service} service is over its rate limit. Try again later.`,
  UPSTREAM_UNAUTHORIZED: (service) => `The ${service} service rejected the server's credentials.`,
  UPSTREAM_NOT_FOUND: (service) => `The ${service} service did not find the object.`,
  UPSTREAM_REJECTED: (service) => `The ${service} service rejected the request.`,
  UPSTREAM_BAD_RESPONSE: (service) => `The ${service} service returned an invalid response.`,
  UPSTREAM_OUTCOME_UNKNOWN: (service) =>
    `The outcome at the ${service} service is unknown. Check it before trying again, or repeat the request with the same key.`,
  UPSTREAM_CANCELLED: (service) => `The request to the ${service} service was cancelled.`,
  BUDGET_EXCEEDED: (service) => `The operation has made all calls that it may make to the ${service} service.`,
};

/** The extensions of public errors, besides `code`. A gateway passes on these and no others. */
export const PUBLIC_EXTENSIONS = ['argument', 'reason', 'retryAfterMs'] as const;

type PublicExtensions = { readonly code: unknown } & {
  readonly [Name in (typeof PUBLIC_EXTENSIONS)[number]]?: unknown;
};

const INTERNAL: GraphQLFormattedError = {
  message: 'Something went wrong on our side.',
  extensions: { code: 'INTERNAL_SERVER_ERROR' },
};

/**
 * Converts an error to what clients see: a message, the path and a stable code, but no URL, credential or text from a
 * provider. The only place that does. The details are logged; if the provider rejects the credentials, with the names of the
 * variables in `credentials`.
 */
export const toPublicError = (
  error: GraphQLError,
  log: Log,
  credentials?: readonly string[],
): GraphQLFormattedError => {
  const path = error.path && { path: error.path };
  const cause = causeOf(error);
  if (cause instanceof UpstreamError) {
    const { code, subgraph, details } = cause;
    const { operation, status, retryAfterMs, reason, isWithoutCredential = false } = details;
    // Cancelled and rejected requests are not failures of the provider.
    const level = code === 'UPSTREAM_CANCELLED' || code === 'UPSTREAM_REJECTED' ? 'info' : 'warn';
    const rejected = code === 'UPSTREAM_UNAUTHORIZED' && credentials ? { variables: credentials } : undefined;
    log[level](
      { code, subgraph, operation, status, reason, path: error.path, why: whyOf(cause), ...rejected },
      rejected ? `${cause.message}. Check ${credentials?.join(', ')}.` : cause.message,
    );
    return {
      message: isWithoutCredential ? `There are no credentials for the ${subgraph} service.` : MESSAGES[code](subgraph),
      ...path,
      extensions: { code, retryAfterMs, reason } satisfies PublicExtensions,
    };
  }
  // graphql-js's own errors have no code. Without a path they concern the request's variables; with one, a value that a
  // resolver returned and the schema does not allow.
  if (cause instanceof GraphQLError && (cause.extensions['code'] || !error.path || isAboutArgument(cause))) {
    const { code = 'BAD_USER_INPUT', argument } = cause.extensions;
    return {
      message: toClientText(cause.message),
      ...path,
      extensions: { code, argument } satisfies PublicExtensions,
    };
  }
  log.error({ err: cause, path: error.path }, 'A resolver failed.');
  return { ...INTERNAL, ...path };
};

/**
 * Whether graphql-js rejected an argument's value: null in a variable that is nullable because of a default. In the
 * specification that is an error of the field (6.4.1).
 */
export const isAboutArgument = ({ message, originalError }: GraphQLError): boolean =>
  !originalError && /^Argument "\w+" (of required type|of non-null type|has invalid value)/.test(message);

/** Unwraps the thrown error from the GraphQLErrors of the execution. */
const causeOf = (error: Error): Error => {
  const original = error instanceof GraphQLError ? error.originalError : undefined;
  return original ? causeOf(original) : error;
};
