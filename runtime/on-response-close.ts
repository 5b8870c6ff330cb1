import type { EventEmitter } from 'node:events';

const callbacks = new WeakMap<EventEmitter, (() => void)[]>();
const closed = new WeakSet<EventEmitter>();

/**
 * Calls back once when a response has been sent or its connection is lost, in the order of registration;
 * at once if that has happened since an earlier registration. A response has one
 * listener for all: Node warns of more than ten, and Fastify adds one for each async function that returns its reply.
 */
export const onResponseClose = (response: EventEmitter, callback: () => void): void => {
  if (closed.has(response)) {
    callback();
    return;
  }
  const known = callbacks.get(response);
  if (known) {
    known.push(callback);
    return;
  }
  const all = [callback];
  callbacks.set(response, all);
  response.once('close', () => {
    closed.add(response);
    for (const one of all) one();
  });
};
