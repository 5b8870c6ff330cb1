import { resourceFromAttributes } from '@opentelemetry/resources';
import { monotonicNow } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { ProviderRequestEvent } from '../events.ts';
import { createRateBound } from '../rate-bound.ts';
import type { Telemetry } from '../telemetry.ts';
import { findFailure } from './client-faults.ts';
import type { TracesConfig } from './config.ts';
import { createSpanQueue } from './exporter.ts';
import { toRequestSpans } from './request-spans.ts';
import { RequestTrace, type RequestTraceOptions, type TracedRequest, type TracedResponse } from './request-trace.ts';
import { createSampler, MAX_NOTABLE } from './sampling.ts';
import { createSharedRequests } from './shared-requests.ts';
import { createTraceOfSpans, type SpanData, type TraceOfSpans, toReadableSpan, toSpanContext } from './span.ts';
import { providerSpan } from './spans.ts';
import { createTraceId } from './trace-context.ts';

/** The traces of one process. */
export type Tracing = {
  /** Begins the trace of a request, or continues its caller's. */
  readonly begin: (request: TracedRequest) => RequestTrace;
  /** Sends the last spans, for a bounded time. */
  readonly close: () => Promise<void>;
};

/**
 * Traces the requests of a process: exports the sampled ones, and of the others those with errors and the slow ones.
 *
 * Spans are built when a request has ended, and only if it is exported. A provider request that serves several client requests
 * belongs to the first of them that is exported; the others are linked to it. One that serves none, such as the refresh of a
 * cached value, is a trace of its own.
 */
export const startTracing = (config: TracesConfig, { telemetry, log }: { telemetry: Telemetry; log: Log }): Tracing => {
  const queue = createSpanQueue(config, log);
  const resource = resourceFromAttributes({ ...config.resource });
  const isSampled = createSampler(config.sampler, config.ratio);
  const takeNotable = createRateBound(MAX_NOTABLE);
  const shared = createSharedRequests();

  const send = (trace: TraceOfSpans, spans: readonly SpanData[]): void => {
    for (const span of spans) queue.onEnd(toReadableSpan(trace, resource, span));
  };

  const exportRequest = (trace: RequestTrace, response: TracedResponse): void => {
    const isFailed = response.status >= 500 || findFailure(trace.operation?.codes ?? []) !== undefined;
    const isSlow = response.endedAt - trace.request.startedAt >= config.slowMs;
    if (!trace.isSampled && !((isFailed || isSlow) && takeNotable())) return;
    trace.isExported = true;
    const spans = createTraceOfSpans(trace.traceId, trace.state, clockOffset());
    send(
      spans,
      toRequestSpans(trace, response, shared, (spanId) => toSpanContext(spans, spanId)),
    );
  };

  const exportProviderRequest = (trace: TraceOfSpans, event: ProviderRequestEvent, parentId: string | undefined) => {
    const { context, isOwner } = shared.claim(event, (spanId) => toSpanContext(trace, spanId));
    if (isOwner) send(trace, [providerSpan(event, { spanId: context.spanId, parentId })]);
  };

  const requestOptions: RequestTraceOptions = {
    isSampled,
    onEnd: exportRequest,
    onServed: shared.serve,
    // It goes on for the cache, after its client got a stale value or disconnected.
    onLate: (trace, event) => {
      if (!trace.isExported) return;
      exportProviderRequest(createTraceOfSpans(trace.traceId, trace.state, clockOffset()), event, trace.spanId);
    },
  };

  const stopListening = telemetry.listen({
    types: ['provider.request'],
    on: (event, requests) => {
      if (event.type !== 'provider.request' || requests.size > 0) return;
      const traceId = createTraceId();
      if (!isSampled(traceId, undefined) && !(event.code !== undefined && takeNotable())) return;
      exportProviderRequest(createTraceOfSpans(traceId, undefined, clockOffset()), event, undefined);
    },
  });

  const stopWatching = config.watch(log);
  return {
    begin: (request) => new RequestTrace(request, requestOptions),
    close: async () => {
      stopListening();
      stopWatching();
      await queue.close();
    },
  };
};

/** What must be added to `monotonicNow` for the time since 1970, in milliseconds. */
const clockOffset = (): number => Date.now() - monotonicNow();
