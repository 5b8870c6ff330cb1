import { CombinedGraphQLErrors, type ErrorLike } from '@apollo/client';

type Failure = { readonly message: string; readonly code: string | undefined; readonly path: readonly unknown[] };

/** Returns the errors of a response, with codes and paths; without a response, one error with neither. */
export const failuresOf = (error: ErrorLike | undefined): readonly Failure[] => {
  if (!error) return [];
  if (!CombinedGraphQLErrors.is(error)) return [{ message: error.message, code: undefined, path: [] }];
  return error.errors.map(({ message, extensions, path = [] }) => ({
    message,
    code: typeof extensions?.['code'] === 'string' ? extensions['code'] : undefined,
    path,
  }));
};

const DEFINITE: ReadonlySet<string | undefined> = new Set([
  'BAD_USER_INPUT',
  'BUDGET_EXCEEDED',
  'LIMITS_UNAVAILABLE',
  'OVERLOADED',
  'RATE_LIMITED',
  'UPSTREAM_NOT_FOUND',
  'UPSTREAM_RATE_LIMITED',
  'UPSTREAM_REJECTED',
  'UPSTREAM_UNAUTHORIZED',
]);

const NO_ACCESS = 'UNAUTHORIZED_FIELD_OR_TYPE';

/** Returns whether an error means that this person may not read or do something, which no retry changes. */
export const isNoAccess = ({ code }: Failure): boolean => code === NO_ACCESS;

/** Returns whether a write that failed with this error was certainly not carried out. */
export const isDefinite = (failure: Failure): boolean =>
  // At a longer path, the write was carried out, and a part of its result may not be read.
  isNoAccess(failure) ? failure.path.length === 1 : DEFINITE.has(failure.code);

/** Codes of a provider's failures, as opposed to those of one record or one request. */
export const OUTAGE_CODES: ReadonlySet<string> = new Set([
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_UNAVAILABLE',
  'UPSTREAM_RATE_LIMITED',
  'UPSTREAM_UNAUTHORIZED',
]);

/** Returns whether an error means that a provider or, without a response, the gateway is down. */
export const isOutage = ({ code, path }: Failure): boolean =>
  code === undefined ? path.length === 0 : OUTAGE_CODES.has(code);

const WORDS: Readonly<Record<string, string>> = {
  [NO_ACCESS]: 'You have no access.',
  BUDGET_EXCEEDED: 'You have used up your calls to our systems for now. Try again later.',
  RATE_LIMITED: 'You have sent too many requests. Try again in a minute.',
  LIMITS_UNAVAILABLE: 'Your limits cannot be checked right now. Try again in a moment.',
  OVERLOADED: 'The server is busy. Try again in a moment.',
  UPSTREAM_TIMEOUT: 'The system took too long to answer.',
  UPSTREAM_UNAVAILABLE: 'The system is unavailable.',
  UPSTREAM_RATE_LIMITED: 'The system is at its rate limit.',
  UPSTREAM_UNAUTHORIZED: 'The system rejects our credentials. Contact the operator.',
  UPSTREAM_BAD_RESPONSE: 'The system sent an answer that cannot be read.',
  UPSTREAM_OUTCOME_UNKNOWN: 'It may have been carried out. Trying again is safe: it is never carried out twice.',
};

/** Describes an error for users of the desk. Source: docs/errors.md. */
export const inWords = ({ code = '', message }: Failure): string => WORDS[code] ?? message;
