import { GraphQLError } from 'graphql';

/** The code of every request that is refused because it is over a limit of this process. */
export const LIMIT_EXCEEDED = 'OPERATION_LIMIT_EXCEEDED';

/** One limit that a request is over. */
export type ExceededLimit = {
  /** What is counted, as in "The operation has 12,000 tokens": a plural noun. */
  readonly what: string;
  readonly value: number;
  readonly limit: number;
  /** The environment variable that sets the limit. */
  readonly variable: string;
};

/** Error for a request that is over a limit. Names the limit, the request's value and the variable that sets it. */
export const limitError = ({ what, value, limit, variable }: ExceededLimit): GraphQLError =>
  new GraphQLError(`The operation has ${format(value)} ${what}; at most ${format(limit)} are allowed (${variable}).`, {
    extensions: { code: LIMIT_EXCEEDED, limit, value: toFinite(value), variable, http: { status: 400 } },
  });

/** Infinity is not JSON. */
const toFinite = (value: number): number => Math.min(value, Number.MAX_SAFE_INTEGER);

const format = (value: number): string =>
  value >= Number.MAX_SAFE_INTEGER ? 'more than can be counted' : value.toLocaleString('en-US');
