import { monotonicNow } from '../../runtime/clock.ts';
import type { CallStats } from '../../telemetry/call-stats.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { isUpstreamError, UpstreamError } from '../errors.ts';
import type { Middleware, ProviderRequest, ResponseType } from './chain.ts';
import { onClose } from './response.ts';

/**
 * Announces each provider request with its size and duration, once its response has ended. Innermost in the chain, so that each
 * retry counts.
 *
 * A request is sent only if one of the client requests that it serves may still make a call; otherwise BUDGET_EXCEEDED. It
 * counts for each of them that may, and for those that join it while it is running.
 */
export const withTelemetry =
  (subgraph: string, { emit }: Telemetry): Middleware =>
  (next) =>
  async (request) => {
    const { operation, requestStats, batch, method, write: isWrite, isRepeat = false, priority } = request;
    const counting = take(request, subgraph);
    if (counting === 'refused') {
      emit({ type: 'provider.refusal', subgraph, operation, batch, reason: 'budget' }, requestStats);
      throw new UpstreamError('BUDGET_EXCEEDED', subgraph, `${operation} would exceed the calls of the operation`, {
        operation,
        mayHaveArrived: false,
      });
    }
    const startedAt = monotonicNow();
    // UTF-16 units, not bytes: bodies are JSON and XML, nearly all ASCII, and measuring bytes would need another pass.
    const bytesSent = request.body?.length ?? 0;
    const announce = (status: number | undefined, bytesReceived: number, error?: unknown): void => {
      if (counting)
        for (const stats of requestStats ?? []) if (!counting.has(stats)) takeOne(counting, stats, request, subgraph);
      emit(
        {
          type: 'provider.request',
          subgraph,
          operation,
          batch,
          method,
          host: hostOf(request.url),
          isWrite,
          isRepeat,
          isBackground: priority?.isBackground ?? false,
          startedAt,
          durationMs: monotonicNow() - startedAt,
          status,
          code: error === undefined ? undefined : codeOf(error),
          bytesSent,
          bytesReceived,
        },
        counting,
      );
    };
    try {
      const response = await next(request);
      const { body, status } = response;
      if (typeof body === 'string' || body instanceof Uint8Array) announce(status, body.length);
      else onClose(body, (error) => announce(status, body.bytesRead, error ?? undefined));
      return response;
    } catch (error) {
      const { status, body } = isUpstreamError(error) ? error.details : {};
      announce(status, body?.length ?? 0, error);
      throw error;
    }
  };

/** Returns the host in an absolute URL, without credentials. Much cheaper than parsing the URL. */
const hostOf = (url: string): string => {
  const start = url.indexOf('://') + 3;
  const end = url.slice(start).search(/[/?#]/);
  const authority = end < 0 ? url.slice(start) : url.slice(start, start + end);
  return authority.slice(authority.lastIndexOf('@') + 1);
};

const codeOf = (error: unknown): string => (isUpstreamError(error) ? error.code : 'UPSTREAM_UNAVAILABLE');

/** Returns the client requests for which a provider request counts; undefined if it serves none. */
const take = (request: ProviderRequest<ResponseType>, subgraph: string): Set<CallStats> | 'refused' | undefined => {
  const { requestStats } = request;
  if (!requestStats || requestStats.size === 0) return undefined;
  const counting = new Set<CallStats>();
  for (const stats of requestStats) takeOne(counting, stats, request, subgraph);
  return counting.size > 0 ? counting : 'refused';
};

const takeOne = (
  counting: Set<CallStats>,
  stats: CallStats,
  { isRepeat = false }: ProviderRequest<ResponseType>,
  subgraph: string,
): void => {
  if (stats.take(subgraph, isRepeat)) counting.add(stats);
};
