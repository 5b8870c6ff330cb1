import { randomUUID } from 'node:crypto';
import { monotonicNow } from '../../runtime/clock.ts';
import { toAbortError, UpstreamError } from '../errors.ts';
import type { Call, Standing } from '../middleware/chain.ts';
import type { Bucket, Limiter, Place } from './memory.ts';

export type TurnsOptions = {
  readonly upstream: string;
  readonly limiter: Limiter;
  /** The limits that an operation falls under. */
  readonly bucketsOf: (operation: string) => readonly Bucket[];
  /** Calls that may run at once. */
  readonly concurrency: number;
  /** Calls that may wait; one more is refused. Default 2,000. */
  readonly maxWaiting?: number;
  readonly now?: () => number;
};

/** A call's permission to go. */
export type Turn = {
  readonly waitedMs: number;
  /** Says that a call goes by it. False where one has done so before, or it is for another operation. */
  readonly claim: (operation: string) => boolean;
  /** To be called when the call has ended or was not sent after all. Only the first time counts. */
  readonly end: (wasSent: boolean) => void;
};

/**
 * The line before a provider: lets calls go as its quotas and the number of calls at once allow.
 *
 * What somebody waits for goes before what nobody waits for. Otherwise it is first come, first served, but of one client
 * request's many calls only the first goes before another request's first (start-time fair queueing, Goyal and others,
 * 1996). A call that cannot have its turn before its deadline is refused as soon as that is known, with
 * UPSTREAM_RATE_LIMITED and the time after which it is worth trying again.
 */
export type Turns = {
  readonly take: (call: Pick<Call, 'operation' | 'signal' | 'standing'>) => Promise<Turn>;
  /** The error of an operation whose quota had no room when it was last tried; undefined where it had. */
  readonly whyFull: (operation: string) => UpstreamError | undefined;
};

type Waiter = {
  readonly place: Place;
  readonly operation: string;
  readonly standing: Standing;
  readonly since: number;
  /** Its place in the fair order. */
  readonly tag: number;
  readonly start: (turn: Turn) => void;
  readonly refuse: (error: UpstreamError) => void;
};

const NO_DEADLINE = (): Standing => ({ deadlineAt: Number.POSITIVE_INFINITY, isBackground: false, flow: {} });

export const createTurns = ({
  upstream,
  limiter,
  bucketsOf,
  concurrency,
  maxWaiting = 2_000,
  now = monotonicNow,
}: TurnsOptions): Turns => {
  const waiting = new Set<Waiter>();
  // The tag of the call that went last, and of each flow's latest call; a flow is forgotten with its request.
  let lastTag = 0;
  const tags = new WeakMap<object, number>();
  // Replicas in containers share process ids.
  const self = randomUUID();
  let places = 0;
  let running = 0;
  let isPumping = false;
  let isCalledAgain = false;
  let timer: NodeJS.Timeout | undefined;
  // The operations that had no room when they were last tried, and for how long.
  let full: ReadonlyMap<string, number> = new Map();

  const grant = (waiter: Waiter) => {
    waiting.delete(waiter);
    running += 1;
    lastTag = Math.max(lastTag, waiter.tag);
    let isOver = false;
    let isClaimed = false;
    waiter.start({
      waitedMs: now() - waiter.since,
      claim: (operation) => {
        if (isClaimed || isOver || operation !== waiter.operation) return false;
        isClaimed = true;
        return true;
      },
      end: (wasSent) => {
        if (isOver) return;
        isOver = true;
        running -= 1;
        limiter.settle(waiter.place, wasSent);
        if (waiting.size > 0) void pump();
      },
    });
  };

  // The set is in order of arrival, so equals stay in it.
  const goesBefore = (one: Waiter, other: Waiter): boolean =>
    one.standing.isBackground === other.standing.isBackground ? one.tag < other.tag : other.standing.isBackground;

  const nextTag = (flow: object): number => {
    const tag = Math.max(lastTag, tags.get(flow) ?? 0) + 1;
    tags.set(flow, tag);
    return tag;
  };

  const nextOf = (blocked: ReadonlyMap<string, number>): Waiter | undefined => {
    let first: Waiter | undefined;
    for (const waiter of waiting) {
      if (!blocked.has(waiter.operation) && (!first || goesBefore(waiter, first))) first = waiter;
    }
    return first;
  };

  const refuseHopeless = (blocked: ReadonlyMap<string, number>) => {
    const positions = new Map<string, number>();
    for (const waiter of waiting) {
      const waitMs = blocked.get(waiter.operation);
      if (waitMs === undefined) continue;
      const position = positions.get(waiter.operation) ?? 0;
      positions.set(waiter.operation, position + 1);
      const before = waiter.place.buckets.map(({ calls, windowMs }) => (position / calls) * windowMs);
      const retryAfterMs = Math.ceil(waitMs + Math.max(0, ...before));
      if (now() + retryAfterMs < waiter.standing.deadlineAt) continue;
      waiting.delete(waiter);
      waiter.refuse(overQuota(waiter.operation, retryAfterMs));
    }
  };

  const overQuota = (operation: string, retryAfterMs: number): UpstreamError =>
    new UpstreamError('UPSTREAM_RATE_LIMITED', upstream, `${operation} has no room in the quota in time`, {
      operation,
      retryAfterMs,
      mayHaveArrived: false,
    });

  const pumpOnce = async () => {
    const blocked = new Map<string, number>();
    while (running < concurrency) {
      const waiter = nextOf(blocked);
      if (!waiter) break;
      const answer = limiter.take(waiter.place);
      const waitMs = typeof answer === 'number' ? answer : await answer;
      if (waitMs > 0) blocked.set(waiter.operation, waitMs);
      else if (waiting.has(waiter)) grant(waiter);
      // It left while the limiter was asked.
      else limiter.settle(waiter.place, false);
    }
    full = blocked;
    if (blocked.size === 0) return;
    refuseHopeless(blocked);
    clearTimeout(timer);
    timer = setTimeout(() => void pump(), Math.max(1, Math.min(...blocked.values())));
    timer.unref();
  };

  const pump = async () => {
    if (isPumping) {
      isCalledAgain = true;
      return;
    }
    isPumping = true;
    try {
      do {
        isCalledAgain = false;
        await pumpOnce();
      } while (isCalledAgain);
    } finally {
      isPumping = false;
    }
  };

  const whyFull = (operation: string): UpstreamError | undefined => {
    const waitMs = full.get(operation);
    return waitMs === undefined ? undefined : overQuota(operation, Math.ceil(waitMs));
  };

  return {
    whyFull,
    take: async ({ operation, signal, standing = NO_DEADLINE() }) => {
      if (signal?.aborted) throw toAbortError(signal, upstream, { operation });
      if (waiting.size >= maxWaiting) throw overQuota(operation, 1_000);
      places += 1;
      const place = { id: `${self} ${places}`, buckets: bucketsOf(operation) };
      const turn = Promise.withResolvers<Turn>();
      const waiter: Waiter = {
        place,
        operation,
        standing,
        since: now(),
        tag: nextTag(standing.flow),
        start: turn.resolve,
        refuse: turn.reject,
      };
      waiting.add(waiter);
      const leave = () => {
        if (!waiting.delete(waiter) || !signal) return undefined;
        const error = toAbortError(signal, upstream, { operation });
        const refusal = error.code === 'UPSTREAM_TIMEOUT' ? whyFull(operation) : undefined;
        if (refusal) return waiter.refuse(refusal);
        return waiter.refuse(
          new UpstreamError(error.code, upstream, `${operation} was still waiting for its turn`, {
            operation,
            mayHaveArrived: false,
            cause: error,
          }),
        );
      };
      signal?.addEventListener('abort', leave, { once: true });
      void pump();
      try {
        return await turn.promise;
      } finally {
        signal?.removeEventListener('abort', leave);
      }
    },
  };
};
