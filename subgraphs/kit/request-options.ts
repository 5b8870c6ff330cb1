import type { Freshness, RequestOptions } from '../../connectors/middleware/chain.ts';
import { monotonicNow } from '../../runtime/clock.ts';
import { type CallStats, createCallStats } from '../../telemetry/call-stats.ts';
import type { RequestListener } from '../../telemetry/telemetry.ts';
import type { OperationOptions } from './protocol/options.ts';

/** Data collected while a request is executed, for its report. */
export type RequestTelemetry = { readonly callStats: CallStats; readonly freshness: Freshness | undefined };

/**
 * Creates the options of all provider requests of one client request, and the telemetry that they fill. `listeners` receive
 * the events of the request.
 */
export const createRequestOptions = ({
  signal,
  deadlineAt,
  noCache,
  report,
  reportMaxAge,
  client,
  listeners,
  onRead,
}: OperationOptions & {
  readonly listeners?: readonly RequestListener[] | undefined;
  readonly onRead?: RequestOptions['onRead'];
}): RequestTelemetry & {
  readonly call: RequestOptions;
} => {
  const callStats = createCallStats({ keepsSpans: report === 'trace', listeners });
  const freshness = reportMaxAge ? { leftMs: Number.POSITIVE_INFINITY } : undefined;
  return {
    callStats,
    freshness,
    call: {
      signal,
      priority: { deadlineAt, isBackground: false, client, flow: {} },
      ...(noCache && { notBefore: monotonicNow() }),
      requestStats: new Set([callStats]),
      ...(freshness && { freshness }),
      ...(onRead && { onRead }),
    },
  };
};
