import { toAbortError } from './errors.ts';

/**
 * Waits for something that several callers share, but no longer than this caller's signal allows; what is waited for
 * goes on for the others. Throws UPSTREAM_TIMEOUT or UPSTREAM_CANCELLED.
 */
export const untilAborted = async <T>(
  promise: Promise<T>,
  { upstream, operation, signal }: { upstream: string; operation: string; signal?: AbortSignal | undefined },
): Promise<T> => {
  if (!signal) return promise;
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(toAbortError(signal, upstream, { operation }));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
};
