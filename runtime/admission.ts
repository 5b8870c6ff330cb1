import type { FastifyRequest, RouteHandlerMethod } from 'fastify';
import { type Client, createClientUsage, reserveOf, UNKNOWN_CLIENT } from './client-usage.ts';
import { OVERLOADED } from './http-errors.ts';
import { createLoopPacer, type LoopPacer, UNPACED } from './loop-pacer.ts';
import { sendRefusal } from './send-refusal.ts';

/** Too many requests are waiting, or the request timed out before it was admitted. */
export class OverloadedError extends Error {}

/** A request that waits to be admitted. */
export type AdmissionRequest = {
  readonly signal: AbortSignal;
  /** The client that it counts for. Requests without one share one place. */
  readonly client?: Client | undefined;
};

export type Admission = {
  /**
   * Waits until the request may run. Returns an idempotent function that releases its slot.
   * Throws OverloadedError immediately if the queue is full, or when the signal fires before the request is admitted.
   */
  readonly acquire: (request: AdmissionRequest) => Promise<() => void>;
  /** Returns the numbers of running and of queued requests, and the maximum of the first. */
  readonly state: () => { readonly running: number; readonly queued: number; readonly limit: number };
};

/**
 * Maximum numbers of running and of waiting requests. `isPaced`: whether requests also wait while the event loop is busy with
 * those that run. Only as many wait for that as could run.
 */
export type AdmissionLimits = { readonly running: number; readonly waiting: number; readonly isPaced: boolean };

type Waiting = {
  readonly client: Client;
  readonly start: () => void;
  readonly reject: (error: OverloadedError) => void;
};

/**
 * Limits the number of running requests and queues further ones. Requests beyond the queue are rejected immediately, because
 * admitting them would slow down all others. Also queues requests while the event loop is busy with those that run: started
 * together, they would all take as long as all of them.
 *
 * Clients share it fairly. The client with the fewest running requests goes first, or of those with equally few, the one with
 * the fewest admitted recently; its own requests go in order of arrival. From a full queue, the latest request of the client
 * with the most waiting is rejected. While more than one client is active, a client with more than its share of the running
 * requests leaves a quarter of the slots to others. A single client has everything.
 */
export const createAdmission = (
  { running: maxRunning, waiting: maxWaiting, isPaced }: AdmissionLimits,
  pacer: LoopPacer = isPaced ? createLoopPacer() : UNPACED,
): Admission => {
  // Sets preserve insertion order, and removing an aborted request from the middle takes constant time.
  const queues = new Map<string, Set<Waiting>>();
  const runningOf = new Map<string, number>();
  // The use is the number of admitted requests.
  const activity = createClientUsage();
  let running = 0;
  let waiting = 0;

  const mayRun = (client: Client): boolean => {
    if (running >= maxRunning) return false;
    if (running < maxRunning - reserveOf(maxRunning)) return true;
    return !activity.isShared() || (runningOf.get(client.id) ?? 0) < maxRunning * activity.fairShareOf(client);
  };

  const next = (): Waiting | undefined => {
    let first: Waiting | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const [id, [oldest]] of queues) {
      if (!oldest || !mayRun(oldest.client)) continue;
      const share = (runningOf.get(id) ?? 0) / oldest.client.weight;
      const isFirst =
        !first || share < least || (share === least && activity.of(oldest.client) < activity.of(first.client));
      if (isFirst) [first, least] = [oldest, share];
    }
    return first;
  };

  const startWaiting = (): void => {
    while (waiting > 0 && running < maxRunning) {
      if (!pacer.mayStart()) {
        pacer.retry(startWaiting);
        return;
      }
      const queued = next();
      // All that wait leave the free slots to others.
      if (!queued) return;
      queued.start();
    }
  };

  const dequeue = (queued: Waiting): void => {
    const queue = queues.get(queued.client.id);
    if (!queue?.delete(queued)) return;
    waiting -= 1;
    if (queue.size === 0) queues.delete(queued.client.id);
  };

  const admit = (client: Client): (() => void) => {
    const { id } = client;
    activity.add(client, 1);
    pacer.start();
    running += 1;
    runningOf.set(id, (runningOf.get(id) ?? 0) + 1);
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      running -= 1;
      const left = (runningOf.get(id) ?? 0) - 1;
      if (left > 0) runningOf.set(id, left);
      else runningOf.delete(id);
      startWaiting();
    };
  };

  /** Rejects the latest request of the client with the most waiting, or of this one if it has as many. */
  const rejectLatest = (client: Client): void => {
    let longest = queues.get(client.id) ?? new Set();
    let most = longest.size / client.weight;
    for (const queue of queues.values()) {
      const [oldest] = queue;
      const share = oldest ? queue.size / oldest.client.weight : 0;
      if (share > most) [longest, most] = [queue, share];
    }
    [...longest].at(-1)?.reject(new OverloadedError('Too many requests are waiting.'));
  };

  return {
    state: () => ({ running, queued: waiting, limit: maxRunning }),
    acquire: async ({ signal, client = UNKNOWN_CLIENT }) => {
      // The signal may have fired before the request body arrived; it would not fire again.
      if (signal.aborted) throw new OverloadedError('The request timed out before it was admitted.');
      activity.add(client, 0);
      if (waiting === 0 && mayRun(client) && pacer.mayStart()) return admit(client);
      return new Promise((resolve, reject) => {
        const leave = () => {
          dequeue(queued);
          signal.removeEventListener('abort', onAbort);
        };
        const queued: Waiting = {
          client,
          start: () => {
            leave();
            resolve(admit(client));
          },
          reject: (error) => {
            leave();
            reject(error);
          },
        };
        const onAbort = () => queued.reject(new OverloadedError('The request timed out while waiting for admission.'));
        signal.addEventListener('abort', onAbort, { once: true });
        const queue = queues.get(client.id) ?? new Set();
        queues.set(client.id, queue.add(queued));
        waiting += 1;
        startWaiting();
        if (running + waiting > maxRunning + maxWaiting) rejectLatest(client);
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
  toAdmissionRequest: (request: FastifyRequest) => AdmissionRequest,
  handler: RouteHandlerMethod,
): RouteHandlerMethod =>
  async function admitted(request, reply) {
    let release: () => void;
    try {
      release = await acquire(toAdmissionRequest(request));
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
