import { type CallStats, recordCall } from '../call-stats.ts';
import { isUpstreamError, UpstreamError } from '../errors.ts';
import type { Middleware, ProviderRequest, ResponseType } from './chain.ts';
import { onClose } from './response.ts';

/**
 * Records each provider request with its size and duration, once its response has ended. Innermost in the chain, so that each
 * retry counts.
 *
 * A request is sent only if one of the client requests that it serves may still make a call; otherwise BUDGET_EXCEEDED. It
 * counts for each of them that may, and for those that join it while it is running.
 */
export const withCallStats =
  (subgraph: string): Middleware =>
  (next) =>
  async (request) => {
    const counting = take(request, subgraph);
    const start = performance.now();
    // UTF-16 units, not bytes: bodies are JSON and XML, nearly all ASCII, and measuring bytes would need another pass.
    const bytesSent = request.body?.length ?? 0;
    const record = (failures: number, bytesReceived: number): void => {
      if (!counting) return;
      const timeMs = performance.now() - start;
      for (const stats of request.requestStats ?? [])
        if (!counting.has(stats)) takeOne(counting, stats, request, subgraph);
      const entry = { calls: 1, failures, timeMs, bytesSent, bytesReceived };
      recordCall({ operation: request.operation, requestStats: counting }, subgraph, entry);
    };
    try {
      const response = await next(request);
      const { body } = response;
      if (typeof body === 'string' || body instanceof Uint8Array) record(0, body.length);
      else onClose(body, (error) => record(error ? 1 : 0, body.bytesRead));
      return response;
    } catch (error) {
      record(1, (isUpstreamError(error) && error.details.body?.length) || 0);
      throw error;
    }
  };

/** Returns the client requests for which a provider request counts; undefined if calls are not counted. */
const take = (request: ProviderRequest<ResponseType>, subgraph: string): Set<CallStats> | undefined => {
  const { requestStats, operation } = request;
  if (!requestStats || requestStats.size === 0) return undefined;
  const counting = new Set<CallStats>();
  for (const stats of requestStats) takeOne(counting, stats, request, subgraph);
  if (counting.size > 0) return counting;
  throw new UpstreamError('BUDGET_EXCEEDED', subgraph, `${operation} would exceed the calls of the operation`, {
    operation,
    mayHaveArrived: false,
  });
};

const takeOne = (
  counting: Set<CallStats>,
  stats: CallStats,
  { isRepeat = false }: ProviderRequest<ResponseType>,
  subgraph: string,
): void => {
  if (stats.take(subgraph, isRepeat)) counting.add(stats);
};
