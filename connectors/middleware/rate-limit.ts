import { LRUCache } from 'lru-cache';
import { monotonicNow } from '../../runtime/clock.ts';
import { type CallStats, recordCall } from '../call-stats.ts';
import { isUpstreamError } from '../errors.ts';
import type {
  Quota,
  RateLimiter,
  RateLimitUnit,
  RateLimitUpdate,
  RateWindow,
  Reservation,
} from '../rate-limits/memory.ts';
import type { RequestScheduler } from '../rate-limits/scheduler.ts';
import { MAX_OPERATIONS, type Middleware, type ProviderResponse } from './chain.ts';
import { isText, onClose, streamOf } from './response.ts';

/** A limit of a provider, as its documentation has it. Infinitely many calls: none, until the operator sets one. */
export type RateLimitRule = Quota & {
  /** What the operator and the provider's answers call it, e.g. `account`. */
  readonly name: string;
  /** Whether each operation has this limit for itself. Default: all that it counts share it. */
  readonly isPerOperation?: boolean | undefined;
  /** The operations that it counts. Default: all. */
  readonly appliesTo?: ((operation: string) => boolean) | undefined;
  /** The operator has set the number, so the provider's own saying does not raise it. */
  readonly isOperatorSet?: boolean | undefined;
  /**
   * What `calls` counts. Default: `request`. With `cost`, a request takes its `cost`, and the `cost` of an update replaces that
   * with what the request did cost.
   */
  readonly unit?: RateLimitUnit | undefined;
};

/** What a provider's answer says about its limits, by the limit's name. `body` is empty for bytes and streams. */
export type ParseRateLimit = (
  response: Pick<ProviderResponse, 'status' | 'headers' | 'body'>,
) => Readonly<Record<string, RateLimitUpdate>>;

export type RateLimits = {
  readonly windowsOf: (operation: string) => readonly RateWindow[];
  /** The operation's bucket under this limit; undefined where the limit does not count it. */
  readonly windowOf: (name: string, operation: string) => RateWindow | undefined;
};

/** The rate limits of one credential. `credentialId` tells credentials apart and holds nothing of them. */
export const createRateLimits = (
  rules: readonly RateLimitRule[],
  { subgraph, credentialId }: { subgraph: string; credentialId: string },
): RateLimits => {
  const known = new LRUCache<string, ReadonlyMap<string, RateWindow>>({ max: MAX_OPERATIONS });
  const find = (operation: string): ReadonlyMap<string, RateWindow> => {
    let windows = known.get(operation);
    if (!windows) {
      windows = new Map(
        rules
          .filter(({ appliesTo, calls }) => Number.isFinite(calls) && (appliesTo?.(operation) ?? true))
          .map(({ name, isPerOperation, calls, windowMs, isOperatorSet, unit }) => [
            name,
            // In braces: what has to be together in a Redis cluster.
            {
              key: `{${subgraph}:${credentialId}}:${name}${isPerOperation ? `:${operation}` : ''}${unit === 'cost' ? ':cost' : ''}`,
              calls,
              windowMs,
              isOperatorSet,
              unit,
            },
          ]),
      );
      known.set(operation, windows);
    }
    return windows;
  };
  return {
    windowsOf: (operation) => [...find(operation).values()],
    windowOf: (name, operation) => find(operation).get(name),
  };
};

/** The longest that calls are held back after refusals that do not say for how long, in milliseconds. */
const MAX_UNSAID_PAUSE_MS = 60_000;

export type RateLimitOptions = {
  readonly subgraph: string;
  readonly scheduler: RequestScheduler;
  readonly rateLimiter: RateLimiter;
  readonly limits: RateLimits;
  readonly parseRateLimit?: ParseRateLimit | undefined;
  readonly callStats: CallStats;
};

/**
 * Lets a call wait for its turn, and learns from its answer: what the provider says about its limits, and that a 429
 * means to leave it alone for as long as it says, or else for longer each time.
 */
export const withRateLimit = ({
  subgraph,
  scheduler,
  rateLimiter,
  limits,
  parseRateLimit,
  callStats,
}: RateLimitOptions): Middleware => {
  /** By bucket: consecutive refusals, and when the last of them was counted. */
  const refusals = new LRUCache<string, { readonly times: number; readonly at: number }>({ max: MAX_OPERATIONS });

  const update = (
    operation: string,
    response: Parameters<ParseRateLimit>[0],
    {
      sentAt,
      reservation,
      retryAfterMs,
    }: {
      readonly sentAt: number;
      readonly reservation: Reservation;
      readonly retryAfterMs?: number | undefined;
    },
  ) => {
    const windows = limits.windowsOf(operation);
    const pauses = new Map<RateWindow, number>();
    for (const [name, { pauseMs, ...update }] of Object.entries(parseRateLimit?.(response) ?? {})) {
      const window = limits.windowOf(name, operation);
      if (!window) continue;
      if (pauseMs !== undefined) pauses.set(window, pauseMs);
      if (update.calls === undefined && update.remaining === undefined && update.cost === undefined) continue;
      rateLimiter.update(window, update, reservation);
    }
    if (response.status !== 429) {
      if (refusals.size > 0) for (const { key } of windows) refusals.delete(key);
      return;
    }
    // Where the answer does not tell which limit it is about, it may be any.
    if (pauses.size === 0) for (const window of windows) pauses.set(window, window.windowMs);
    for (const [window, pauseMs] of pauses) {
      // Concurrent calls that are all refused count as one refusal.
      const before = refusals.get(window.key);
      const isNew = !before || sentAt > before.at;
      const { times } = isNew ? { times: (before?.times ?? 0) + 1 } : before;
      if (isNew) refusals.set(window.key, { times, at: monotonicNow() });
      const longerEachTime = Math.max(pauseMs, Math.min(MAX_UNSAID_PAUSE_MS, pauseMs * 2 ** (times - 1)));
      rateLimiter.update(window, { pauseMs: retryAfterMs ?? longerEachTime });
    }
  };

  return (next) => async (call) => {
    if (call.skipRateLimit) return next(call);
    const permit = call.permit?.claim(call.operation, call.cost) ? call.permit : await scheduler.acquire(call);
    if (permit.waitedMs > 0) recordCall(call, callStats, subgraph, { waitMs: permit.waitedMs });
    const { reservation } = permit;
    const sentAt = monotonicNow();
    try {
      const response = await next(call);
      update(call.operation, isText(response) ? response : { ...response, body: '' }, { sentAt, reservation });
      const stream = streamOf(response);
      if (stream) onClose(stream, () => permit.end(true));
      else permit.end(true);
      return response;
    } catch (error) {
      let wasSent = true;
      if (isUpstreamError(error)) {
        const { status, headers = {}, body = '', retryAfterMs, mayHaveArrived } = error.details;
        wasSent = mayHaveArrived !== false;
        if (status !== undefined)
          update(call.operation, { status, headers, body }, { sentAt, reservation, retryAfterMs });
      }
      permit.end(wasSent);
      throw error;
    }
  };
};
