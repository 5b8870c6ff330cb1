import { LRUCache } from 'lru-cache';
import { monotonicNow } from '../../runtime/clock.ts';
import { MAX_OPERATIONS } from '../../telemetry/max-operations.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
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
import type { Middleware, ProviderResponse } from './chain.ts';
import { isText, onClose, streamOf } from './response.ts';

/** A provider's rate limit, as documented by the provider. Infinite `calls`: none until the operator sets one. */
export type RateLimitRule = Quota & {
  /** The limit's name in the operator's settings and in provider responses, e.g. `account`. */
  readonly name: string;
  /** Whether each operation has its own window. Default: all operations that the limit applies to share one. */
  readonly isPerOperation?: boolean | undefined;
  /** The operations that the limit applies to. Default: all. */
  readonly appliesTo?: ((operation: string) => boolean) | undefined;
  /** The operator has set the number, so a provider's response does not raise it. */
  readonly isOperatorSet?: boolean | undefined;
  /**
   * Unit of `calls`. Default: `request`. With `cost`, a request takes its expected `cost`, and the `cost` of an update
   * replaces that with the actual cost.
   */
  readonly unit?: RateLimitUnit | undefined;
};

/**
 * Parses rate-limit feedback from a provider's response, by the limit's name. `body` is empty for bytes and streams.
 */
export type ParseRateLimit = (
  response: Pick<ProviderResponse, 'status' | 'headers' | 'body'>,
) => Readonly<Record<string, RateLimitUpdate>>;

export type RateLimits = {
  /** The rate windows of an operation: the same array each time. */
  readonly windowsOf: (operation: string) => readonly RateWindow[];
  /** The operation's rate window under this limit; undefined if the limit does not apply to it. */
  readonly windowOf: (name: string, operation: string) => RateWindow | undefined;
  /** Returns the rate windows of all operations so far, each once, by the names of their limits. */
  readonly all: () => readonly (readonly [name: string, window: RateWindow])[];
};

/** The rate limits of one credential. `credentialId` distinguishes credentials and contains no part of them. */
export const createRateLimits = (
  rules: readonly RateLimitRule[],
  { subgraph, credentialId }: { subgraph: string; credentialId: string },
): RateLimits => {
  const toWindow = (
    { name, isPerOperation, calls, windowMs, isOperatorSet, unit }: RateLimitRule,
    operation: string,
  ): RateWindow => ({
    // In braces: the part that must be the same for all keys of a request in a Redis cluster.
    key: `{${subgraph}:${credentialId}}:${name}${isPerOperation ? `:${operation}` : ''}${unit === 'cost' ? ':cost' : ''}`,
    calls,
    windowMs,
    isOperatorSet,
    unit,
  });
  const known = new LRUCache<string, { byName: ReadonlyMap<string, RateWindow>; all: readonly RateWindow[] }>({
    max: MAX_OPERATIONS,
  });
  const find = (operation: string) => {
    let windows = known.get(operation);
    if (!windows) {
      const applying = rules.filter(
        ({ appliesTo, calls }) => Number.isFinite(calls) && (appliesTo?.(operation) ?? true),
      );
      const byName = new Map(applying.map((rule) => [rule.name, toWindow(rule, operation)]));
      windows = { byName, all: [...byName.values()] };
      known.set(operation, windows);
    }
    return windows;
  };
  return {
    windowsOf: (operation) => find(operation).all,
    windowOf: (name, operation) => find(operation).byName.get(name),
    all: () => {
      const byKey = new Map<string, readonly [string, RateWindow]>();
      for (const { byName } of known.values()) {
        for (const entry of byName) byKey.set(entry[1].key, entry);
      }
      return [...byKey.values()];
    },
  };
};

/** Maximum pause after rejections that do not state a time, in milliseconds. */
const MAX_UNSTATED_PAUSE_MS = 60_000;

export type RateLimitOptions = {
  readonly subgraph: string;
  readonly scheduler: RequestScheduler;
  readonly rateLimiter: RateLimiter;
  readonly limits: RateLimits;
  readonly parseRateLimit?: ParseRateLimit | undefined;
  readonly telemetry: Telemetry;
};

/**
 * Acquires a permit for each request and applies the rate-limit feedback in its response. A 429 pauses the rate window
 * for the time that the response states, or else for longer each time.
 */
export const withRateLimit = ({
  subgraph,
  scheduler,
  rateLimiter,
  limits,
  parseRateLimit,
  telemetry: { emit },
}: RateLimitOptions): Middleware => {
  /** By rate window: the number of consecutive rejections, and when the last of them was counted. */
  const rejections = new LRUCache<string, { readonly times: number; readonly at: number }>({ max: MAX_OPERATIONS });

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
      if (rejections.size > 0) for (const { key } of windows) rejections.delete(key);
      return;
    }
    // A response that does not state which limit was exceeded may concern any of them.
    if (pauses.size === 0) for (const window of windows) pauses.set(window, window.windowMs);
    for (const [window, pauseMs] of pauses) {
      // Concurrent requests that are all rejected count as one rejection.
      const before = rejections.get(window.key);
      const isNew = !before || sentAt > before.at;
      const { times } = isNew ? { times: (before?.times ?? 0) + 1 } : before;
      if (isNew) rejections.set(window.key, { times, at: monotonicNow() });
      const longerEachTime = Math.max(pauseMs, Math.min(MAX_UNSTATED_PAUSE_MS, pauseMs * 2 ** (times - 1)));
      const pausedMs = retryAfterMs ?? longerEachTime;
      rateLimiter.update(window, { pauseMs: pausedMs });
      emit({ type: 'provider.pause', subgraph, operation });
    }
  };

  return (next) => async (request) => {
    if (request.skipRateLimit) return next(request);
    const { operation, requestStats, batch } = request;
    const permit = await scheduler.acquire(request);
    const { reservation, waitedMs } = permit;
    if (waitedMs > 0) {
      const isBackground = request.priority?.isBackground ?? false;
      emit({ type: 'provider.permit', subgraph, operation, batch, isBackground, waitedMs }, requestStats);
    }
    const sentAt = monotonicNow();
    try {
      const response = await next(request);
      update(request.operation, isText(response) ? response : { ...response, body: '' }, { sentAt, reservation });
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
          update(request.operation, { status, headers, body }, { sentAt, reservation, retryAfterMs });
      }
      permit.end(wasSent);
      throw error;
    }
  };
};
