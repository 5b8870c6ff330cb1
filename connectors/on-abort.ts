/**
 * Runs `listener` when a signal fires; gives the function that takes it back. The calls of one request share its signal,
 * and a listener of their own for each is what costs most of the little that a call costs here.
 */
export const onAbort = (signal: AbortSignal, listener: () => void): (() => void) => {
  const known = waiting.get(signal) ?? watch(signal);
  known.add(listener);
  return () => void known.delete(listener);
};

const waiting = new WeakMap<AbortSignal, Set<() => void>>();

const watch = (signal: AbortSignal): Set<() => void> => {
  const listeners = new Set<() => void>();
  waiting.set(signal, listeners);
  signal.addEventListener('abort', () => {
    for (const listener of listeners) listener();
    listeners.clear();
  });
  return listeners;
};
