import { ExportResultCode } from '@opentelemetry/core';
import { JsonTraceSerializer, TraceExporterMetricsHelper } from '@opentelemetry/otlp-transformer';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace';
import type { Log } from '../../runtime/log.ts';
import { createFailureLog } from '../failure-log.ts';
import { waitForLastExport } from '../last-export.ts';
import { createOtlpExporter, EXPORT_TIMEOUT_MS } from '../otlp-exporter.ts';
import type { TracesConfig } from './config.ts';

/** Maximum number of spans that wait to be sent. Further ones are dropped. */
export const MAX_QUEUED = 8_192;

/** Maximum number of spans in one request. */
export const MAX_BATCH = 512;

/** How long spans are collected for one request, in milliseconds. */
const COLLECT_MS = 1_000;

/** The queue of spans that are sent to a collector. */
export type SpanQueue = Pick<BatchSpanProcessor, 'onEnd'> & {
  /** Sends what is queued, for a bounded time. */
  readonly close: () => Promise<void>;
};

/**
 * Sends spans by OTLP over HTTP, as JSON. Nothing waits for the collector. The spans that it does not take, and those dropped
 * because too many wait, are counted in the log, once a minute.
 */
export const createSpanQueue = ({ url, headers }: Pick<TracesConfig, 'url' | 'headers'>, log: Log): SpanQueue => {
  const lose = createFailureLog(log, {
    message: 'Spans were lost: the collector does not take them (OTEL_EXPORTER_OTLP_ENDPOINT).',
    count: 'spans',
  });
  const otlp = createOtlpExporter({
    url,
    headers,
    serializer: JsonTraceSerializer,
    counter: TraceExporterMetricsHelper,
  });
  // The processor drops spans silently, so they are counted here.
  let queued = 0;
  const processor = new BatchSpanProcessor({
    exporter: {
      export: (spans, done) => {
        queued -= spans.length;
        otlp.export(spans, (result) => {
          if (result.code !== ExportResultCode.SUCCESS) lose(result.error, spans.length);
          done(result);
        });
      },
      shutdown: () => otlp.shutdown(),
    },
    maxQueueSize: MAX_QUEUED,
    maxExportBatchSize: MAX_BATCH,
    scheduledDelayMillis: COLLECT_MS,
    exportTimeoutMillis: EXPORT_TIMEOUT_MS,
  });
  return {
    onEnd: (span) => {
      if (queued >= MAX_QUEUED) return lose('queue_full');
      queued += 1;
      processor.onEnd(span);
    },
    close: () => waitForLastExport(processor.shutdown()),
  };
};
