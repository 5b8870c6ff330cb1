import { randomUUID } from 'node:crypto';
import { type Client, createClientUsage, reserveOf, UNKNOWN_CLIENT } from '../../runtime/client-usage.ts';
import { monotonicNow } from '../../runtime/clock.ts';
import type { ProviderState } from '../../telemetry/state.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { isUpstreamError, toAbortError, UpstreamError } from '../errors.ts';
import type { Priority, ProviderRequest } from '../middleware/chain.ts';
import { type RateLimiter, type RateWindow, type Reservation, unitsOf } from './memory.ts';

export type RequestSchedulerOptions = {
  readonly subgraph: string;
  readonly rateLimiter: RateLimiter;
  /** The rate limits that apply to an operation: the same array each time. */
  readonly windowsOf: (operation: string) => readonly RateWindow[];
  /** Maximum number of concurrent requests. */
  readonly concurrency: number;
  readonly telemetry: Telemetry;
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
 * Requests that a client waits for go before background requests. Of these, those of the client that has used the provider
 * least in the recent past go first, for its weight. Within one client, the order is first come, first served, except that of
 * one client request's many provider requests only the first goes before the first of another (start-time fair queueing,
 * Goyal et al., 1996). One permit in 16 goes to the request that would be first in that order if all were of one client, so
 * that heavy clients progress, too.
 *
 * While more than one client is active, clients with more than their fair share leave a quarter of the concurrency and of
 * each rate window to others. A single client has everything.
 *
 * A request that cannot be sent before its deadline is rejected as soon
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
  /** Makes a request that may be waiting already serve another caller too: the later deadline, and the better place. */
  readonly join: (priority: Priority, joining: Priority) => void;
  /** Estimates how long further requests of these operations would wait for their permits in total, in milliseconds. */
  readonly forecast: (requests: ReadonlyMap<string, number>) => number;
  /**
   * Returns the error of a request that reached its caller's deadline while it was queued, and announces that it was not sent;
   * undefined if rate limits did not block its operation at the last attempt.
   */
  readonly refuseLate: (
    request: Pick<RequestToSchedule, 'operation' | 'batch' | 'requestStats'>,
  ) => UpstreamError | undefined;
  /** Returns the numbers of queued and of running requests, and the maximum of the second. */
  readonly state: () => Pick<ProviderState, 'queued' | 'running' | 'concurrency'>;
};

type RequestToSchedule = Pick<ProviderRequest, 'operation' | 'signal' | 'priority' | 'cost' | 'requestStats' | 'batch'>;

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

/**
 * Maximum number of queued requests. Beyond it, the latest request of the client with the most queued requests is
 * rejected. Background requests together count as one client.
 */
const MAX_WAITING = 2_000;

/** Maximum number of consecutive permits that go past an earlier request of a heavier client. */
const MAX_PASSED = 15;

const NO_DEADLINE = (): Priority => ({ deadlineAt: Number.POSITIVE_INFINITY, isBackground: false, flow: {} });

/** The client of background requests, where the number of waiting requests is bounded. */
const BACKGROUND: Client = { id: 'background', weight: 1 };

/** Clients for which an operation is blocked because they leave a reserve, and for how long, in milliseconds. */
type Reserving = { readonly clients: ReadonlySet<string>; readonly waitMs: number };

const NOT_RESERVING: Reserving = { clients: new Set(), waitMs: Number.POSITIVE_INFINITY };

/** Maximum number of such clients to try in one pass: with Redis, each is a command. */
const MAX_RESERVING = 3;

const NONE = new Float64Array();

/** Counts the numbers of a sorted array that are less than `value`. */
const countLess = (sorted: Float64Array, value: number): number => {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
};

const longestWait = ({ windows }: Reservation, waits: ReadonlyMap<string, number>): number =>
  Math.max(0, ...windows.map(({ key }) => waits.get(key) ?? 0));

export const createRequestScheduler = ({
  subgraph,
  rateLimiter,
  windowsOf,
  concurrency,
  telemetry: { emit },
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
  // In seconds of the scarcest limit of each request: a search that is allowed four times a second counts for more than a read.
  const usage = createClientUsage();
  let running = 0;
  /** The number of consecutive permits that went past an earlier request of a heavier client. */
  let passed = 0;
  let isDispatching = false;
  let isDispatchDue = false;
  let timer: NodeJS.Timeout | undefined;
  let isDispatchPlanned = false;
  // The operations blocked at the last attempt, and for how long, in milliseconds.
  let lastWaits: ReadonlyMap<string, number> = new Map();

  const correctCost = (reservation: Reservation, cost: number | undefined) => {
    if (cost === undefined || cost === reservation.cost) return;
    for (const window of reservation.windows) {
      if (window.unit === 'cost') rateLimiter.update(window, { cost }, reservation);
    }
  };

  const clientOf = ({ client = UNKNOWN_CLIENT }: Priority): Client => client;

  const shareOf = (priority: Priority): Client => (priority.isBackground ? BACKGROUND : clientOf(priority));

  const chargeOf = ({ windows, cost }: Reservation): number =>
    Math.max(
      1 / concurrency,
      ...windows.map((window) => (unitsOf(window, cost) / window.calls) * (window.windowMs / 1_000)),
    );

  const grant = (queued: QueuedRequest) => {
    const client = queued.priority.isBackground ? undefined : clientOf(queued.priority);
    const use = chargeOf(queued.reservation);
    if (client) usage.add(client, use);
    waiting.delete(queued);
    running += 1;
    lastTag = Math.max(lastTag, queued.tag);
    queued.resolve({
      waitedMs: monotonicNow() - queued.since,
      reservation: queued.reservation,
      end: (wasSent) => {
        running -= 1;
        if (client && !wasSent) usage.add(client, -use);
        rateLimiter.settle(queued.reservation, wasSent);
        if (waiting.size > 0) void dispatch();
      },
    });
  };

  const nextTag = (flow: object): number => {
    const tag = Math.max(lastTag, tags.get(flow) ?? 0) + 1;
    tags.set(flow, tag);
    return tag;
  };

  /** The next request of an operation that is not blocked, and whether it goes past an earlier one of a heavier client. */
  const nextOf = (
    waits: ReadonlyMap<string, number>,
    reserving: ReadonlyMap<string, Reserving>,
  ): { queued: QueuedRequest; passes: boolean } | undefined => {
    const uses = new Map<string, number>();
    let first: QueuedRequest | undefined;
    let firstUse = 0;
    let earliest: QueuedRequest | undefined;
    // The set is in order of arrival, which decides between equal tags.
    for (const queued of waiting) {
      if (waits.has(queued.operation)) continue;
      if (reserving.get(queued.operation)?.clients.has(shareOf(queued.priority).id)) continue;
      const use = recentUse(queued, uses);
      if (!first || use < firstUse || (use === firstUse && queued.tag < first.tag)) [first, firstUse] = [queued, use];
      const isEarlier =
        !earliest ||
        (queued.priority.isBackground === earliest.priority.isBackground
          ? queued.tag < earliest.tag
          : earliest.priority.isBackground);
      if (isEarlier) earliest = queued;
    }
    if (!first || !earliest) return undefined;
    if (passed >= MAX_PASSED) return { queued: earliest, passes: false };
    return { queued: first, passes: clientOf(first.priority).id !== clientOf(earliest.priority).id };
  };

  /** The recent use by the client of a waiting request. Infinity for background requests. */
  const recentUse = ({ priority }: QueuedRequest, uses: Map<string, number>): number => {
    if (priority.isBackground) return Number.POSITIVE_INFINITY;
    const client = clientOf(priority);
    const known = uses.get(client.id);
    if (known !== undefined) return known;
    const use = usage.of(client);
    uses.set(client.id, use);
    return use;
  };

  /** Whether the request has to leave the last free places to other clients. */
  const leavesReserve = ({ priority }: QueuedRequest): boolean =>
    priority.isBackground ? usage.isShared() : usage.standingOf(clientOf(priority)) === 'heavy';

  /**
   * Estimates the number of requests of the same operation that go before each waiting request. Requests of one client are in
   * order of arrival; between clients, each permit counts for its client as if it were used now.
   */
  const positionsOf = (waits: ReadonlyMap<string, number>): Map<QueuedRequest, number> => {
    const orders = new Map<QueuedRequest, number>();
    const nextOrders = new Map<string, number>();
    const byOperation = new Map<string, number[]>();
    for (const queued of waiting) {
      const { operation, priority, reservation } = queued;
      if (!waits.has(operation) || priority.isBackground) continue;
      const client = clientOf(priority);
      const key = `${client.id} ${operation}`;
      const order = nextOrders.get(key) ?? usage.of(client);
      nextOrders.set(key, order + chargeOf(reservation) / client.weight);
      orders.set(queued, order);
      const all = byOperation.get(operation);
      if (all) all.push(order);
      else byOperation.set(operation, [order]);
    }
    const sorted = new Map([...byOperation].map(([operation, all]) => [operation, Float64Array.from(all).sort()]));
    const backgrounds = new Map<string, number>();
    const positions = new Map<QueuedRequest, number>();
    for (const queued of waiting) {
      const all = sorted.get(queued.operation) ?? NONE;
      const order = orders.get(queued);
      if (order !== undefined) positions.set(queued, countLess(all, order));
      else if (waits.has(queued.operation)) {
        const position = backgrounds.get(queued.operation) ?? all.length;
        backgrounds.set(queued.operation, position + 1);
        positions.set(queued, position);
      }
    }
    return positions;
  };

  const rejectHopeless = (waits: ReadonlyMap<string, number>) => {
    for (const [queued, position] of positionsOf(waits)) {
      const waitMs = waits.get(queued.operation) ?? 0;
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
    // The operations that are blocked only for clients that leave a reserve.
    const reserving = new Map<string, Reserving>();
    let recheckMs = Number.POSITIVE_INFINITY;
    while (running < concurrency) {
      const next = nextOf(waits, reserving);
      if (!next) break;
      const { queued, passes } = next;
      const isForced = passed >= MAX_PASSED;
      // Those behind it are heavier.
      if (!isForced && running >= concurrency - reserveOf(concurrency) && leavesReserve(queued)) break;
      const heldMs = awaited.size > 0 ? longestWait(queued.reservation, awaited) : 0;
      if (heldMs > 0) {
        waits.set(queued.operation, heldMs);
        continue;
      }
      queued.reservation.client = queued.priority.isBackground ? undefined : clientOf(queued.priority);
      queued.reservation.mayUseReserve = isForced;
      const response = rateLimiter.acquire(queued.reservation);
      const blocked = response instanceof Promise ? await response : response;
      if (blocked) {
        const { waitMs, costWindows, leavesReserve } = blocked;
        recheckMs = Math.min(recheckMs, blocked.recheckMs ?? recheckMs);
        if (leavesReserve) {
          const { clients, waitMs: otherMs } = reserving.get(queued.operation) ?? NOT_RESERVING;
          const next = {
            clients: new Set([...clients, shareOf(queued.priority).id]),
            waitMs: Math.min(otherMs, waitMs),
          };
          reserving.set(queued.operation, next);
          if (next.clients.size >= MAX_RESERVING) waits.set(queued.operation, next.waitMs);
          continue;
        }
        if (costWindows.length > 0 && monotonicNow() + waitMs >= queued.priority.deadlineAt) {
          // Cheaper requests behind it may still be sent.
          if (waiting.delete(queued)) queued.reject(notInTime(queued.operation, Math.ceil(waitMs)));
          continue;
        }
        waits.set(queued.operation, waitMs);
        for (const { key } of costWindows) awaited.set(key, waitMs);
      } else if (waiting.has(queued)) {
        passed = passes ? passed + 1 : 0;
        grant(queued);
      }
      // The request was cancelled during the wait for the rate limiter.
      else rateLimiter.settle(queued.reservation, false);
    }
    for (const [operation, { waitMs }] of reserving) if (!waits.has(operation)) waits.set(operation, waitMs);
    lastWaits = waits;
    if (waits.size === 0) return;
    rejectHopeless(waits);
    clearTimeout(timer);
    timer = setTimeout(() => void dispatch(), Math.max(1, Math.min(recheckMs, ...waits.values())));
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

  // Requests that arrive together for a blocked operation are looked at together.
  const dispatchSoon = () => {
    if (isDispatchPlanned) return;
    isDispatchPlanned = true;
    setImmediate(() => {
      isDispatchPlanned = false;
      void dispatch();
    });
  };

  const rateLimitError = (operation: string): UpstreamError | undefined => {
    const waitMs = lastWaits.get(operation);
    return waitMs === undefined ? undefined : notInTime(operation, Math.ceil(waitMs));
  };

  /** Rejects the latest request of the client with the most waiting. Returns false if it is the client of `priority`. */
  const rejectOther = (priority: Priority): boolean => {
    const own = shareOf(priority);
    const counts = new Map([[own.id, 1]]);
    let [most, longest] = [1 / own.weight, own.id];
    let latest: QueuedRequest | undefined;
    for (const queued of waiting) {
      const { id, weight } = shareOf(queued.priority);
      const count = (counts.get(id) ?? 0) + 1;
      counts.set(id, count);
      if (count / weight > most || (id === own.id && count / weight === most)) [most, longest] = [count / weight, id];
    }
    if (longest === own.id) return false;
    for (const queued of waiting) if (shareOf(queued.priority).id === longest) latest = queued;
    if (!latest) return false;
    waiting.delete(latest);
    latest.reject(notInTime(latest.operation, 1_000));
    return true;
  };

  const enqueue = async ({ operation, signal, priority = NO_DEADLINE(), cost }: RequestToSchedule): Promise<Permit> => {
    if (signal?.aborted) throw toAbortError(signal, subgraph, { operation });
    if (waiting.size >= MAX_WAITING && !rejectOther(priority)) throw notInTime(operation, 1_000);
    if (!priority.isBackground) usage.add(clientOf(priority), 0);
    reservations += 1;
    const reservation: Reservation = { id: `${self} ${reservations}`, windows: windowsOf(operation), cost };
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
    if (lastWaits.has(operation)) dispatchSoon();
    else void dispatch();
    try {
      return await permit.promise;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  };

  const announceRefusal = ({
    operation,
    batch,
    requestStats,
  }: Pick<RequestToSchedule, 'operation' | 'batch' | 'requestStats'>): void =>
    emit({ type: 'provider.refusal', subgraph, operation, batch, reason: 'rate_limit' }, requestStats);

  const enqueueOrAnnounce = async (request: RequestToSchedule): Promise<Permit> => {
    try {
      return await enqueue(request);
    } catch (error) {
      if (isUpstreamError(error, 'UPSTREAM_RATE_LIMITED')) announceRefusal(request);
      throw error;
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

  const forecast = (requests: ReadonlyMap<string, number>): number => {
    // Each operation has window objects of its own.
    const byKey = new Map<string, { readonly window: RateWindow; count: number }>();
    for (const [operation, count] of requests) {
      for (const window of windowsOf(operation)) {
        const known = byKey.get(window.key);
        if (known) known.count += count;
        else byKey.set(window.key, { window, count });
      }
    }
    for (const { reservation } of waiting) {
      for (const { key } of reservation.windows) {
        const known = byKey.get(key);
        if (known) known.count += 1;
      }
    }
    return Math.max(0, ...[...byKey.values()].map(({ window, count }) => rateLimiter.forecast(window, count)));
  };

  return {
    forecast,
    refuseLate: (request) => {
      const error = rateLimitError(request.operation);
      if (error) announceRefusal(request);
      return error;
    },
    state: () => ({ queued: waiting.size, running, concurrency }),
    join: (priority, joining) => {
      const { isBackground } = priority;
      priority.deadlineAt = Math.max(priority.deadlineAt, joining.deadlineAt);
      priority.isBackground &&= joining.isBackground;
      if (joining.isBackground) return;
      usage.add(clientOf(joining), 0);
      if (!isBackground && usage.of(clientOf(joining)) >= usage.of(clientOf(priority))) return;
      priority.client = joining.client;
      // A place that its former client had to leave to others may be free.
      if (waiting.size > 0) void dispatch();
    },
    acquire: async (request) => takeAcquired(request) ?? enqueueOrAnnounce(request),
    acquireAhead: async (request) => {
      const permit = await enqueueOrAnnounce(request);
      acquiredAhead.set(request.priority, permit);
      return () => {
        if (acquiredAhead.delete(request.priority)) permit.end(false);
      };
    },
  };
};
