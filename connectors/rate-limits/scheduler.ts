import { randomUUID } from 'node:crypto';
import { monotonicNow } from '../../runtime/clock.ts';
import { toAbortError, UpstreamError } from '../errors.ts';
import type { Priority, ProviderRequest } from '../middleware/chain.ts';
import type { RateLimiter, RateWindow, Reservation } from './memory.ts';

export type RequestSchedulerOptions = {
  readonly subgraph: string;
  readonly rateLimiter: RateLimiter;
  /** The rate limits that apply to an operation: the same array each time. */
  readonly windowsOf: (operation: string) => readonly RateWindow[];
  /** Maximum number of concurrent requests. */
  readonly concurrency: number;
};

/** The right to send one request. */
export type Permit = {
  readonly waitedMs: number;
  readonly reservation: Reservation;
  /** Releases the permit when the request has ended, or was not sent after all. Call it exactly once. */
  readonly end: (wasSent: boolean) => void;
};

/**
 * Fair queue in front of a provider: grants permits as its rate limits and concurrency limit allow.
 *
 * Requests that a client waits for go before background requests. Within each class, the order is first come, first
 * served, except that of one client request's many provider requests only the first goes before the first of another
 * (start-time fair queueing, Goyal et al., 1996). A request that cannot be sent before its deadline is rejected as soon
 * as that is known, with UPSTREAM_RATE_LIMITED and the time after which a retry is worthwhile.
 *
 * A request that waits for units of a limit by cost holds back later requests under that limit: cheaper ones would
 * otherwise take every unit that becomes free.
 */
export type RequestScheduler = {
  /** Waits for a permit to send a request, or returns the one that `acquireAhead` keeps for it. */
  readonly acquire: (request: RequestToSchedule) => Promise<Permit>;
  /**
   * Waits for a permit before its request is known, and keeps it for the next request that has this `priority` object, as
   * all requests of a batch do. A request of another operation, under other limits, releases it: where few requests may run
   * at once, it would wait for its own permit. Returns a function that releases the permit if no request has taken it.
   */
  readonly acquireAhead: (request: RequestToSchedule & { readonly priority: Priority }) => Promise<() => void>;
  /** The error for an operation that its rate limits blocked at the last attempt; undefined if they did not. */
  readonly rateLimitError: (operation: string) => UpstreamError | undefined;
};

type RequestToSchedule = Pick<ProviderRequest, 'operation' | 'signal' | 'priority' | 'cost'>;

type QueuedRequest = {
  readonly reservation: Reservation;
  readonly operation: string;
  readonly priority: Priority;
  readonly since: number;
  /** Start tag in the fair queue. */
  readonly tag: number;
  readonly resolve: (permit: Permit) => void;
  readonly reject: (error: UpstreamError) => void;
};

/** Maximum number of queued requests. Any further request is rejected. */
const MAX_WAITING = 2_000;

const NO_DEADLINE = (): Priority => ({ deadlineAt: Number.POSITIVE_INFINITY, isBackground: false, flow: {} });

const longestWait = ({ windows }: Reservation, waits: ReadonlyMap<string, number>): number =>
  Math.max(0, ...windows.map(({ key }) => waits.get(key) ?? 0));

export const createRequestScheduler = ({
  subgraph,
  rateLimiter,
  windowsOf,
  concurrency,
}: RequestSchedulerOptions): RequestScheduler => {
  const waiting = new Set<QueuedRequest>();
  /** The permits that are kept for a request with this priority. */
  const acquiredAhead = new WeakMap<Priority, Permit>();
  // The tag of the request sent last, and of each flow's latest request; a flow's tag is dropped with its client
  // request.
  let lastTag = 0;
  const tags = new WeakMap<object, number>();
  // Replicas in containers share process ids.
  const self = randomUUID();
  let reservations = 0;
  let running = 0;
  let isDispatching = false;
  let isDispatchDue = false;
  let timer: NodeJS.Timeout | undefined;
  // The operations blocked at the last attempt, and for how long, in milliseconds.
  let lastWaits: ReadonlyMap<string, number> = new Map();

  const correctCost = (reservation: Reservation, cost: number | undefined) => {
    if (cost === undefined || cost === reservation.cost) return;
    for (const window of reservation.windows) {
      if (window.unit === 'cost') rateLimiter.update(window, { cost }, reservation);
    }
  };

  const grant = (queued: QueuedRequest) => {
    waiting.delete(queued);
    running += 1;
    lastTag = Math.max(lastTag, queued.tag);
    queued.resolve({
      waitedMs: monotonicNow() - queued.since,
      reservation: queued.reservation,
      end: (wasSent) => {
        running -= 1;
        rateLimiter.settle(queued.reservation, wasSent);
        if (waiting.size > 0) void dispatch();
      },
    });
  };

  // The set is in order of arrival, which decides between equal tags.
  const goesBefore = (one: QueuedRequest, other: QueuedRequest): boolean =>
    one.priority.isBackground === other.priority.isBackground ? one.tag < other.tag : other.priority.isBackground;

  const nextTag = (flow: object): number => {
    const tag = Math.max(lastTag, tags.get(flow) ?? 0) + 1;
    tags.set(flow, tag);
    return tag;
  };

  const nextOf = (waits: ReadonlyMap<string, number>): QueuedRequest | undefined => {
    let first: QueuedRequest | undefined;
    for (const queued of waiting) {
      if (!waits.has(queued.operation) && (!first || goesBefore(queued, first))) first = queued;
    }
    return first;
  };

  const rejectHopeless = (waits: ReadonlyMap<string, number>) => {
    const positions = new Map<string, number>();
    for (const queued of waiting) {
      const waitMs = waits.get(queued.operation);
      if (waitMs === undefined) continue;
      const position = positions.get(queued.operation) ?? 0;
      positions.set(queued.operation, position + 1);
      // How much of a cost window the requests ahead will leave is unknown.
      const before = queued.reservation.windows.map(({ calls, windowMs, unit }) =>
        unit === 'cost' ? 0 : (position / calls) * windowMs,
      );
      const retryAfterMs = Math.ceil(waitMs + Math.max(0, ...before));
      if (monotonicNow() + retryAfterMs < queued.priority.deadlineAt) continue;
      waiting.delete(queued);
      queued.reject(notInTime(queued.operation, retryAfterMs));
    }
  };

  const notInTime = (operation: string, retryAfterMs: number): UpstreamError =>
    new UpstreamError('UPSTREAM_RATE_LIMITED', subgraph, `${operation} cannot be sent in time under the rate limits`, {
      operation,
      retryAfterMs,
      mayHaveArrived: false,
    });

  const dispatchOnce = async () => {
    // The operations that are blocked, and for how long, in milliseconds.
    const waits = new Map<string, number>();
    // The cost windows that a request waits for, by key, and for how long, in milliseconds.
    const awaited = new Map<string, number>();
    while (running < concurrency) {
      const queued = nextOf(waits);
      if (!queued) break;
      const heldMs = awaited.size > 0 ? longestWait(queued.reservation, awaited) : 0;
      if (heldMs > 0) {
        waits.set(queued.operation, heldMs);
        continue;
      }
      const response = rateLimiter.acquire(queued.reservation);
      const blocked = response instanceof Promise ? await response : response;
      if (blocked) {
        const { waitMs, costWindows } = blocked;
        if (costWindows.length > 0 && monotonicNow() + waitMs >= queued.priority.deadlineAt) {
          // Cheaper requests behind it may still be sent.
          if (waiting.delete(queued)) queued.reject(notInTime(queued.operation, Math.ceil(waitMs)));
          continue;
        }
        waits.set(queued.operation, waitMs);
        for (const { key } of costWindows) awaited.set(key, waitMs);
      } else if (waiting.has(queued)) grant(queued);
      // The request was cancelled during the wait for the rate limiter.
      else rateLimiter.settle(queued.reservation, false);
    }
    lastWaits = waits;
    if (waits.size === 0) return;
    rejectHopeless(waits);
    clearTimeout(timer);
    timer = setTimeout(() => void dispatch(), Math.max(1, Math.min(...waits.values())));
    timer.unref();
  };

  const dispatch = async () => {
    if (isDispatching) {
      isDispatchDue = true;
      return;
    }
    isDispatching = true;
    try {
      do {
        isDispatchDue = false;
        await dispatchOnce();
      } while (isDispatchDue);
    } finally {
      isDispatching = false;
    }
  };

  const rateLimitError = (operation: string): UpstreamError | undefined => {
    const waitMs = lastWaits.get(operation);
    return waitMs === undefined ? undefined : notInTime(operation, Math.ceil(waitMs));
  };

  const enqueue = async ({ operation, signal, priority = NO_DEADLINE(), cost }: RequestToSchedule): Promise<Permit> => {
    if (signal?.aborted) throw toAbortError(signal, subgraph, { operation });
    if (waiting.size >= MAX_WAITING) throw notInTime(operation, 1_000);
    reservations += 1;
    const reservation = { id: `${self} ${reservations}`, windows: windowsOf(operation), cost };
    const permit = Promise.withResolvers<Permit>();
    const queued: QueuedRequest = {
      reservation,
      operation,
      priority,
      since: monotonicNow(),
      tag: nextTag(priority.flow),
      resolve: permit.resolve,
      reject: permit.reject,
    };
    waiting.add(queued);
    const leave = () => {
      if (!waiting.delete(queued) || !signal) return undefined;
      const error = toAbortError(signal, subgraph, { operation });
      const limitError = error.code === 'UPSTREAM_TIMEOUT' ? rateLimitError(operation) : undefined;
      if (limitError) return queued.reject(limitError);
      return queued.reject(
        new UpstreamError(error.code, subgraph, `${operation} was still queued`, {
          operation,
          mayHaveArrived: false,
          cause: error,
        }),
      );
    };
    signal?.addEventListener('abort', leave, { once: true });
    void dispatch();
    try {
      return await permit.promise;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  };

  /** Takes the permit that is kept for this request; undefined if there is none. */
  const takeAcquired = ({ operation, priority, cost }: RequestToSchedule): Permit | undefined => {
    const permit = priority && acquiredAhead.get(priority);
    if (!permit) return undefined;
    acquiredAhead.delete(priority);
    if (permit.reservation.windows === windowsOf(operation)) {
      correctCost(permit.reservation, cost);
      return permit;
    }
    permit.end(false);
    return undefined;
  };

  return {
    rateLimitError,
    acquire: async (request) => takeAcquired(request) ?? enqueue(request),
    acquireAhead: async (request) => {
      const permit = await enqueue(request);
      acquiredAhead.set(request.priority, permit);
      return () => {
        if (acquiredAhead.delete(request.priority)) permit.end(false);
      };
    },
  };
};
