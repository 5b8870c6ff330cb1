import { LRUCache } from 'lru-cache';
import { monotonicNow } from '../../runtime/clock.ts';
import { enter, type Ledger } from '../call-stats.ts';
import { isUpstreamError } from '../errors.ts';
import type { Bucket, Lesson, Limiter, Quota } from '../rate-limits/memory.ts';
import type { Turns } from '../rate-limits/scheduler.ts';
import { type Answer, type Link, MAX_OPERATIONS } from './chain.ts';

/** A limit of a provider, as its documentation has it. Infinitely many calls: none, until the operator sets one. */
export type LimitRule = Quota & {
  /** What the operator and the provider's answers call it, e.g. `account`. */
  readonly name: string;
  /** Whether each operation has this limit for itself. Default: all that it counts share it. */
  readonly isPerOperation?: boolean | undefined;
  /** The operations that it counts. Default: all. */
  readonly counts?: ((operation: string) => boolean) | undefined;
  /** The operator has set the number, so the provider's own saying does not raise it. */
  readonly isFixed?: boolean | undefined;
};

/** What a provider's answer says about its limits, by the limit's name. */
export type ReadLessons = (answer: Pick<Answer, 'status' | 'headers' | 'body'>) => Readonly<Record<string, Lesson>>;

export type Limits = {
  readonly bucketsOf: (operation: string) => readonly Bucket[];
  /** The operation's bucket under this limit; undefined where the limit does not count it. */
  readonly bucketOf: (name: string, operation: string) => Bucket | undefined;
};

/** The limits of one account at one provider. `account` tells accounts apart and holds no credential. */
export const createLimits = (
  rules: readonly LimitRule[],
  { upstream, account }: { upstream: string; account: string },
): Limits => {
  const known = new LRUCache<string, ReadonlyMap<string, Bucket>>({ max: MAX_OPERATIONS });
  const find = (operation: string): ReadonlyMap<string, Bucket> => {
    let buckets = known.get(operation);
    if (!buckets) {
      buckets = new Map(
        rules
          .filter(({ counts, calls }) => Number.isFinite(calls) && (counts?.(operation) ?? true))
          .map(({ name, isPerOperation, calls, windowMs, isFixed }) => [
            name,
            // In braces: what has to be together in a Redis cluster.
            {
              key: `{${upstream}:${account}}:${name}${isPerOperation ? `:${operation}` : ''}`,
              calls,
              windowMs,
              isFixed,
            },
          ]),
      );
      known.set(operation, buckets);
    }
    return buckets;
  };
  return {
    bucketsOf: (operation) => [...find(operation).values()],
    bucketOf: (name, operation) => find(operation).get(name),
  };
};

/** The longest that calls are held back after refusals that do not say for how long, in milliseconds. */
const MAX_UNSAID_PAUSE_MS = 60_000;

export type TurnLinkOptions = {
  readonly upstream: string;
  readonly turns: Turns;
  readonly limiter: Limiter;
  readonly limits: Limits;
  readonly readLessons?: ReadLessons | undefined;
  readonly ledger: Ledger;
};

/**
 * Lets a call wait for its turn, and learns from its answer: what the provider says about its limits, and that a 429
 * means to leave it alone for as long as it says, or else for longer each time.
 */
export const withTurns = ({ upstream, turns, limiter, limits, readLessons, ledger }: TurnLinkOptions): Link => {
  /** By bucket: consecutive refusals, and when the last of them was counted. */
  const refusals = new LRUCache<string, { readonly times: number; readonly at: number }>({ max: MAX_OPERATIONS });

  const learn = (
    operation: string,
    answer: Parameters<ReadLessons>[0],
    { sentAt, retryAfterMs }: { readonly sentAt: number; readonly retryAfterMs?: number | undefined },
  ) => {
    const buckets = limits.bucketsOf(operation);
    const pauses = new Map<Bucket, number>();
    for (const [name, { pauseMs, ...lesson }] of Object.entries(readLessons?.(answer) ?? {})) {
      const bucket = limits.bucketOf(name, operation);
      if (!bucket) continue;
      if (pauseMs !== undefined) pauses.set(bucket, pauseMs);
      if (lesson.calls === undefined && lesson.remaining === undefined) continue;
      limiter.learn(bucket, lesson);
    }
    if (answer.status !== 429) {
      if (refusals.size > 0) for (const { key } of buckets) refusals.delete(key);
      return;
    }
    // Where the answer does not tell which limit it is about, it may be any.
    if (pauses.size === 0) for (const bucket of buckets) pauses.set(bucket, bucket.windowMs);
    for (const [bucket, pauseMs] of pauses) {
      // Concurrent calls that are all refused count as one refusal.
      const before = refusals.get(bucket.key);
      const isNew = !before || sentAt > before.at;
      const { times } = isNew ? { times: (before?.times ?? 0) + 1 } : before;
      if (isNew) refusals.set(bucket.key, { times, at: monotonicNow() });
      const longerEachTime = Math.max(pauseMs, Math.min(MAX_UNSAID_PAUSE_MS, pauseMs * 2 ** (times - 1)));
      limiter.learn(bucket, { pauseMs: retryAfterMs ?? longerEachTime });
    }
  };

  return (next) => async (call) => {
    if (call.isPrerequisite) return next(call);
    const turn = call.turn?.claim(call.operation) ? call.turn : await turns.take(call);
    if (turn.waitedMs > 0) enter(call, ledger, upstream, { waitMs: turn.waitedMs });
    let wasSent = true;
    const sentAt = monotonicNow();
    try {
      const answer = await next(call);
      learn(call.operation, answer, { sentAt });
      return answer;
    } catch (error) {
      if (isUpstreamError(error)) {
        const { status, headers = {}, body = '', retryAfterMs, mayHaveArrived } = error.details;
        wasSent = mayHaveArrived !== false;
        if (status !== undefined) learn(call.operation, { status, headers, body }, { sentAt, retryAfterMs });
      }
      throw error;
    } finally {
      turn.end(wasSent);
    }
  };
};
