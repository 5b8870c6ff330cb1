import { GraphQLError } from 'graphql';
import { hasTimedOut } from '../../../runtime/race-abort.ts';

/** Creates the error for a request that times out during validation, planning or execution. */
export const timedOut = (): GraphQLError =>
  new GraphQLError('The request timed out (REQUEST_TIMEOUT_MS).', {
    extensions: { code: 'REQUEST_TIMEOUT', http: { status: 504 } },
  });

/** Creates the error for a request whose signal has fired: it has timed out, or nobody reads its response any more. */
export const toAbortError = (signal: AbortSignal): GraphQLError =>
  hasTimedOut(signal)
    ? timedOut()
    : new GraphQLError('The client disconnected.', { extensions: { code: 'UPSTREAM_CANCELLED' } });
