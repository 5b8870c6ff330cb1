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

const WORDS: Readonly<Record<string, string>> = {
  UPSTREAM_TIMEOUT: 'It took too long to answer.',
  UPSTREAM_UNAVAILABLE: 'It cannot be reached.',
  UPSTREAM_RATE_LIMITED: 'It is asked too much right now.',
  UPSTREAM_UNAUTHORIZED: 'It does not let us in.',
  UPSTREAM_BAD_RESPONSE: 'Its answer cannot be read.',
  UPSTREAM_OUTCOME_UNKNOWN: 'Whether it was done is not known. Trying again is safe: it is never done twice.',
};

/** Why something failed, in words for who sits at the desk. Source: docs/errors.md. */
export const inWords = ({ code = '', message }: Failure): string => WORDS[code] ?? message;
