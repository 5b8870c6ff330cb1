/**
 * Waits for a promise or an abort signal, whichever settles first. On abort, rejects with the result of `toError`, by default the
 * signal's reason. The underlying work is not canceled.
 */
export const raceAbort = async <T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  toError: (signal: AbortSignal) => unknown = ({ reason }) => reason,
): Promise<T> => {
  if (!signal) return promise;
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(toError(signal));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
};

/** Whether a request's signal has fired because it timed out. */
export const hasTimedOut = ({ reason }: AbortSignal): boolean =>
  reason instanceof DOMException && reason.name === 'TimeoutError';

/** Whether a request's signal has fired because its client disconnected: nobody reads the response. */
export const isDisconnected = (signal: AbortSignal): boolean => signal.aborted && !hasTimedOut(signal);
