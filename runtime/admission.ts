import type { FastifyRequest, RouteHandlerMethod } from 'fastify';
import { OVERLOADED } from './http-errors.ts';
import { sendRefusal } from './send-refusal.ts';

/** Too many requests are waiting, or the request timed out before it was admitted. */
export class OverloadedError extends Error {}

export type Admission = {
  /**
   * Waits until the request may run. Returns an idempotent function that releases its slot.
   * Throws OverloadedError immediately if the queue is full, or when the signal fires before the request is admitted.
   */
  readonly acquire: (signal: AbortSignal) => Promise<() => void>;
};

/** Maximum numbers of running and of waiting requests. */
export type AdmissionLimits = { readonly running: number; readonly waiting: number };

/**
 * Limits the number of running requests and queues further ones in order of arrival. Requests beyond the queue are rejected
 * immediately, because admitting them would slow down all others.
 */
export const createAdmission = ({ running: maxRunning, waiting: maxWaiting }: AdmissionLimits): Admission => {
  // A Set preserves insertion order, and removing an aborted request from the middle takes constant time.
  const queue = new Set<() => void>();
  let running = 0;

  const createRelease = (): (() => void) => {
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      running -= 1;
      const [next] = queue;
      next?.();
    };
  };

  const admit = (): (() => void) => {
    running += 1;
    return createRelease();
  };

  return {
    acquire: async (signal) => {
      // The signal may have fired before the request body arrived; it would not fire again.
      if (signal.aborted) throw new OverloadedError('The request timed out before it was admitted.');
      if (running < maxRunning && queue.size === 0) return admit();
      if (queue.size >= maxWaiting) throw new OverloadedError('Too many requests are waiting.');
      return new Promise((resolve, reject) => {
        const onAbort = () => {
          queue.delete(start);
          reject(new OverloadedError('The request timed out while waiting for admission.'));
        };
        const start = () => {
          queue.delete(start);
          signal.removeEventListener('abort', onAbort);
          resolve(admit());
        };
        signal.addEventListener('abort', onAbort, { once: true });
        queue.add(start);
      });
    },
  };
};

/**
 * Wraps a Fastify handler so that it runs only after admission, when the request has been read completely.
 *
 * The slot is released when the handler has its response, not when the client has read it. It stays occupied while work
 * continues, even if the client has disconnected. Responds with 503 if the request is not admitted.
 */
export const withAdmission = (
  { acquire }: Admission,
  signalOf: (request: FastifyRequest) => AbortSignal,
  handler: RouteHandlerMethod,
): RouteHandlerMethod =>
  async function admitted(request, reply) {
    let release: () => void;
    try {
      release = await acquire(signalOf(request));
    } catch (error) {
      if (error instanceof OverloadedError) return sendRefusal(reply, OVERLOADED);
      throw error;
    }
    try {
      return await handler.call(this, request, reply);
    } finally {
      release();
    }
  };
