import { GraphQLError } from 'graphql';

/** Creates the error for a request that times out during validation, planning or execution. */
export const timedOut = (): GraphQLError =>
  new GraphQLError('The request timed out (REQUEST_TIMEOUT_MS).', {
    extensions: { code: 'REQUEST_TIMEOUT', http: { status: 504 } },
  });
