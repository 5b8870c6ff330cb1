import { randomUUID } from 'node:crypto';
import type { Call, Standing } from './chain.ts';
import { toAbortError, UpstreamError } from './errors.ts';
import type { Bucket, Limiter, Place } from './quota.ts';

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

/** A call's permission to go. `end` has to be called once, when it has ended or was not sent after all. */
export type Turn = { readonly waitedMs: number; readonly end: (wasSent: boolean) => void };

/**
 * The line before a provider: lets calls go as its quotas and the number of calls at once allow.
 *
 * Who has had fewer turns goes first, what somebody waits for goes before what nobody waits for, and otherwise first
 * come, first served. A call that cannot have its turn before its deadline is refused as soon as that is known, with
 * UPSTREAM_RATE_LIMITED and the time after which it is worth trying again.
 */
export type Turns = { readonly take: (call: Call) => Promise<Turn> };

type Waiter = {
  readonly place: Place;
  readonly operation: string;
  readonly standing: Standing;
  readonly since: number;
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
  now = () => Date.now(),
}: TurnsOptions): Turns => {
  const waiting = new Set<Waiter>();
  // Turns that a flow has had; it is forgotten with its request.
  const turnsOf = new WeakMap<object, number>();
  // Replicas in containers share process ids.
  const self = randomUUID();
  let places = 0;
  let running = 0;
  let isPumping = false;
  let isCalledAgain = false;
  let timer: NodeJS.Timeout | undefined;

  const grant = (waiter: Waiter) => {
    waiting.delete(waiter);
    running += 1;
    const { flow } = waiter.standing;
    turnsOf.set(flow, (turnsOf.get(flow) ?? 0) + 1);
    let isOver = false;
    waiter.start({
      waitedMs: now() - waiter.since,
      end: (wasSent) => {
        if (isOver) return;
        isOver = true;
        running -= 1;
        limiter.settle(waiter.place, wasSent);
        if (waiting.size > 0) void pump();
      },
    });
  };

  const goesBefore = (one: Waiter, other: Waiter): boolean => {
    const [a, b] = [one.standing, other.standing];
    if (a.isBackground !== b.isBackground) return b.isBackground;
    // The set is in order of arrival, so equals stay in it.
    return (turnsOf.get(a.flow) ?? 0) < (turnsOf.get(b.flow) ?? 0);
  };

  const nextOf = (blocked: ReadonlyMap<string, number>): Waiter | undefined => {
    let first: Waiter | undefined;
    for (const waiter of waiting) {
      if (!blocked.has(waiter.operation) && (!first || goesBefore(waiter, first))) first = waiter;
    }
    return first;
  };

  const refuseHopeless = (blocked: ReadonlyMap<string, number>) => {
    const before = new Map<string, number>();
    for (const waiter of waiting) {
      const waitMs = blocked.get(waiter.operation);
      if (waitMs === undefined) continue;
      const position = before.get(waiter.operation) ?? 0;
      before.set(waiter.operation, position + 1);
      // As many as the tightest window holds go each time that it has passed.
      const rounds = waiter.place.buckets.map(({ calls, windowMs }) => Math.floor(position / calls) * windowMs);
      const retryAfterMs = Math.ceil(waitMs + Math.max(0, ...rounds));
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

  return {
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
        start: turn.resolve,
        refuse: turn.reject,
      };
      waiting.add(waiter);
      const leave = () => {
        if (!waiting.delete(waiter) || !signal) return;
        const error = toAbortError(signal, upstream, { operation });
        waiter.refuse(
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
