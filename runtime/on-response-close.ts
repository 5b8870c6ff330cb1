import type { EventEmitter } from 'node:events';

const callbacks = new WeakMap<EventEmitter, (() => void)[]>();

/**
 * Calls back once when a response has been sent or its connection is lost, in the order of registration. A response has one
 * listener for all: Node warns of more than ten, and Fastify adds one for each async function that returns its reply.
 */
export const onResponseClose = (response: EventEmitter, callback: () => void): void => {
  const known = callbacks.get(response);
  if (known) {
    known.push(callback);
    return;
  }
  const all = [callback];
  callbacks.set(response, all);
  response.once('close', () => {
    for (const one of all) one();
  });
};
