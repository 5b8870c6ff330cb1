import { raceAbort } from '../runtime/race-abort.ts';
import { toAbortError } from './errors.ts';

/**
 * Waits for a promise that several callers share until this caller's signal aborts. The shared work continues for the
 * others. Throws UPSTREAM_TIMEOUT or UPSTREAM_CANCELLED.
 */
export const untilAborted = <T>(
  promise: Promise<T>,
  { subgraph, operation, signal }: { subgraph: string; operation: string; signal?: AbortSignal | undefined },
): Promise<T> => raceAbort(promise, signal, (aborted) => toAbortError(aborted, subgraph, { operation }));
