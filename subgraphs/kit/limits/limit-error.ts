import { GraphQLError } from 'graphql';

/** The code of every request that exceeds a limit of this process. */
export const LIMIT_EXCEEDED = 'OPERATION_LIMIT_EXCEEDED';

/** A limit that a request exceeds. */
export type ExceededLimit = {
  /** The counted noun in plural, as in "The operation has 12,000 tokens". */
  readonly what: string;
  readonly value: number;
  readonly limit: number;
  /** The environment variable that sets the limit. */
  readonly variable: string;
};

/** Creates the error for a request over a limit. Names the limit, the request's value and the variable that sets it. */
export const limitError = ({ what, value, limit, variable }: ExceededLimit): GraphQLError =>
  new GraphQLError(`The operation has ${format(value)} ${what}; at most ${format(limit)} are allowed (${variable}).`, {
    extensions: { code: LIMIT_EXCEEDED, limit, value: toFinite(value), variable, http: { status: 400 } },
  });

/** Replaces Infinity, which JSON cannot represent. */
const toFinite = (value: number): number => Math.min(value, Number.MAX_SAFE_INTEGER);

const format = (value: number): string =>
  value >= Number.MAX_SAFE_INTEGER ? 'more than can be counted' : value.toLocaleString('en-US');
