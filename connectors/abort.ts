import { raceAbort } from '../runtime/race-abort.ts';
import { toAbortError } from './errors.ts';

/**
 * Waits for something that several callers share, but no longer than this caller's signal allows; what is waited for
 * goes on for the others. Throws UPSTREAM_TIMEOUT or UPSTREAM_CANCELLED.
 */
export const untilAborted = <T>(
  promise: Promise<T>,
  { upstream, operation, signal }: { upstream: string; operation: string; signal?: AbortSignal | undefined },
): Promise<T> => raceAbort(promise, signal, (aborted) => toAbortError(aborted, upstream, { operation }));
