import { GraphQLError } from 'graphql';

/** Error for a request whose time is up while it is validated or planned, or while its answer is made. */
export const timedOut = (): GraphQLError =>
  new GraphQLError('The request took longer than it may (REQUEST_TIMEOUT_MS).', {
    extensions: { code: 'REQUEST_TIMEOUT', http: { status: 504 } },
  });
