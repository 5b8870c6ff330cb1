import { ExportResultCode } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { BatchSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace';
import { monotonicNow } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { waitForLastExport } from '../last-export.ts';
import type { TracesConfig } from './config.ts';

/** Maximum number of spans that wait to be sent. Further ones are dropped. */
export const MAX_QUEUED = 8_192;

/** Maximum number of spans in one request. */
const MAX_BATCH = 512;

/** How long spans are collected for one request, and how long a request may take, in milliseconds. */
const COLLECT_MS = 1_000;
const TIMEOUT_MS = 10_000;

/** Interval between log entries while the collector fails, in milliseconds. */
const LOG_EVERY_MS = 60_000;

/** The queue of spans that are sent to a collector. */
export type SpanQueue = Pick<BatchSpanProcessor, 'onEnd'> & {
  /** Sends what is queued, for a bounded time. */
  readonly close: () => Promise<void>;
};

/** Sends spans by OTLP over HTTP, as JSON. A collector that fails is logged once a minute, and nothing waits for it. */
export const createSpanQueue = ({ url, headers }: Pick<TracesConfig, 'url' | 'headers'>, log: Log): SpanQueue => {
  const otlp = new OTLPTraceExporter({
    url,
    headers: async () => ({ ...headers() }),
    timeoutMillis: TIMEOUT_MS,
  });
  const processor = new BatchSpanProcessor({
    exporter: withFailureLog(otlp, log),
    maxQueueSize: MAX_QUEUED,
    maxExportBatchSize: MAX_BATCH,
    scheduledDelayMillis: COLLECT_MS,
    exportTimeoutMillis: TIMEOUT_MS,
  });
  return {
    onEnd: (span) => processor.onEnd(span),
    close: () => waitForLastExport(processor.shutdown()),
  };
};

const withFailureLog = (exporter: SpanExporter, log: Log): SpanExporter => {
  let lost = 0;
  let loggedAt = Number.NEGATIVE_INFINITY;
  const note = (spans: number, error: Error | undefined): void => {
    lost += spans;
    if (monotonicNow() - loggedAt < LOG_EVERY_MS) return;
    log.warn({ spans: lost, why: whyOf(error) }, 'Spans were lost: the collector does not take them.');
    loggedAt = monotonicNow();
    lost = 0;
  };
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.code !== ExportResultCode.SUCCESS) note(spans.length, result.error);
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
  };
};

/** Returns the code of an error, which is a status or a system code. Its message can contain the collector's response. */
const whyOf = (error: Error | undefined): unknown => (error && 'code' in error ? error.code : error?.name);
