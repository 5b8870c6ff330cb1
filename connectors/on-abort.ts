/**
 * Runs `listener` when a signal aborts. Returns a function that removes it. All provider requests of one client request share
 * its signal, and a native listener for each of them would be the largest part of a request's overhead here.
 */
export const onAbort = (signal: AbortSignal, listener: () => void): (() => void) => {
  const listeners = listenersBySignal.get(signal) ?? watch(signal);
  listeners.add(listener);
  return () => void listeners.delete(listener);
};

const listenersBySignal = new WeakMap<AbortSignal, Set<() => void>>();

const watch = (signal: AbortSignal): Set<() => void> => {
  const listeners = new Set<() => void>();
  listenersBySignal.set(signal, listeners);
  signal.addEventListener('abort', () => {
    for (const listener of listeners) listener();
    listeners.clear();
  });
  return listeners;
};
