import { CombinedGraphQLErrors, type ErrorLike } from '@apollo/client';

type Failure = { readonly message: string; readonly code: string | undefined; readonly path: readonly unknown[] };

/** The errors of an answer, each with its code and its place; one without either where no answer came at all. */
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
  'OVERLOADED',
  'UPSTREAM_NOT_FOUND',
  'UPSTREAM_RATE_LIMITED',
  'UPSTREAM_REJECTED',
  'UPSTREAM_UNAUTHORIZED',
]);

/** Whether a write that failed so was surely not carried out. */
export const isDefinite = ({ code }: Failure): boolean => DEFINITE.has(code);

/** The failures of a provider, as opposed to those of one record or one request. */
export const OUTAGE_CODES: ReadonlySet<string> = new Set([
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_UNAVAILABLE',
  'UPSTREAM_RATE_LIMITED',
  'UPSTREAM_UNAUTHORIZED',
]);

/** Whether a provider is down, or the gateway, which then has sent no answer. */
export const isOutage = ({ code, path }: Failure): boolean =>
  code === undefined ? path.length === 0 : OUTAGE_CODES.has(code);

const WORDS: Readonly<Record<string, string>> = {
  UPSTREAM_TIMEOUT: 'The system took too long to answer.',
  UPSTREAM_UNAVAILABLE: 'The system is unavailable.',
  UPSTREAM_RATE_LIMITED: 'The system is at its rate limit.',
  UPSTREAM_UNAUTHORIZED: 'The system rejects our credentials. Contact the operator.',
  UPSTREAM_BAD_RESPONSE: 'The system sent an answer that cannot be read.',
  UPSTREAM_OUTCOME_UNKNOWN: 'It may have been carried out. Trying again is safe: it is never carried out twice.',
};

/** Why something failed, in words for people at the desk. Source: docs/errors.md. */
export const inWords = ({ code = '', message }: Failure): string => WORDS[code] ?? message;
