import type { FastifyRequest, RouteHandlerMethod } from 'fastify';
import { OVERLOADED } from './http-errors.ts';
import { sendRefusal } from './send-refusal.ts';

/** Thrown where too many requests wait already, or the request's time was up before its turn. */
export class OverloadedError extends Error {}

export type Admission = {
  /**
   * Waits until the request may run and returns a function that gives its place back; calling it again does nothing.
   * Throws OverloadedError: at once where too many wait, and when the signal fires before the request's turn.
   */
  readonly enter: (signal: AbortSignal) => Promise<() => void>;
};

export type AdmissionLimits = { readonly running: number; readonly waiting: number };

/**
 * Lets so many requests run at once and so many more wait, first come first served. More would only make each of them
 * slower: those are better off told at once.
 */
export const createAdmission = ({ running: maxRunning, waiting: maxWaiting }: AdmissionLimits): Admission => {
  // A Set keeps its order, and a request that leaves is taken out of its middle at once.
  const queue = new Set<() => void>();
  let running = 0;

  const leaveOnce = (): (() => void) => {
    let hasLeft = false;
    return () => {
      if (hasLeft) return;
      hasLeft = true;
      running -= 1;
      const [next] = queue;
      next?.();
    };
  };

  const admit = (): (() => void) => {
    running += 1;
    return leaveOnce();
  };

  return {
    enter: async (signal) => {
      // It can be up before the request has arrived in full; the signal would not fire again.
      if (signal.aborted) throw new OverloadedError('The time was up before the request could run.');
      if (running < maxRunning && queue.size === 0) return admit();
      if (queue.size >= maxWaiting) throw new OverloadedError('Too many requests wait already.');
      return new Promise((resolve, reject) => {
        const giveUp = () => {
          queue.delete(takeTurn);
          reject(new OverloadedError('The time was up before its turn.'));
        };
        const takeTurn = () => {
          queue.delete(takeTurn);
          signal.removeEventListener('abort', giveUp);
          resolve(admit());
        };
        signal.addEventListener('abort', giveUp, { once: true });
        queue.add(takeTurn);
      });
    },
  };
};

/**
 * A handler that runs only once it is admitted, which Fastify calls when the whole request has been read. The place is
 * given back when the handler has its answer, not when the client has read it, and is held for as long as work goes on
 * although the client has left. Answers 503 where the request is not admitted.
 */
export const withAdmission = (
  { enter }: Admission,
  signalOf: (request: FastifyRequest) => AbortSignal,
  handler: RouteHandlerMethod,
): RouteHandlerMethod =>
  async function admitted(request, reply) {
    let leave: () => void;
    try {
      leave = await enter(signalOf(request));
    } catch (error) {
      if (error instanceof OverloadedError) return sendRefusal(reply, OVERLOADED);
      throw error;
    }
    try {
      return await handler.call(this, request, reply);
    } finally {
      leave();
    }
  };
