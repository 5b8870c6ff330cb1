import type { Log } from '../../runtime/log.ts';
import { createErrorLog } from '../error-log.ts';
import { waitForLastExport } from '../last-export.ts';
import type { OtlpConfig } from '../otlp.ts';
import type { Snapshot } from './snapshot.ts';

export type PushOptions = {
  readonly url: string;
  readonly intervalMs: number;
  readonly otlp: OtlpConfig;
  readonly read: () => Snapshot | Promise<Snapshot>;
  readonly log: Log;
};

/** Timeout of one export with its retries, in milliseconds. */
const TIMEOUT_MS = 10_000;

/**
 * Sends metrics to an OpenTelemetry collector, at intervals. While the collector does not answer, nothing is queued: the values are
 * sums since the start, so that a later export includes what an earlier one could not send. Returns a function that sends them a
 * last time and ends it.
 */
export const pushMetrics = ({ url, intervalMs, otlp, read, log }: PushOptions): (() => Promise<void>) => {
  const startedAt = Date.now();
  const failed = createErrorLog(log, 'Metrics cannot be sent (OTEL_EXPORTER_OTLP_ENDPOINT).');
  let exporting: Promise<void> | undefined;
  let opened: Promise<Exporter> | undefined;

  const open = () => {
    opened ??= openExporter(url, otlp.headers);
    return opened;
  };

  const exportOnce = async (): Promise<void> => {
    try {
      const { send, toResourceMetrics } = await open();
      const snapshot = await read();
      await send(toResourceMetrics(snapshot, { startedAt, now: Date.now(), resource: otlp.resource }));
    } catch (error) {
      failed(error);
    } finally {
      exporting = undefined;
    }
  };

  const stopWatching = otlp.watch(log);
  const timer = setInterval(() => {
    exporting ??= exportOnce();
  }, intervalMs).unref();

  return async () => {
    clearInterval(timer);
    stopWatching();
    await waitForLastExport((exporting ?? Promise.resolve()).then(exportOnce));
    void opened?.then(({ close }) => close());
  };
};

type Exporter = Awaited<ReturnType<typeof openExporter>>;

/** Loads OpenTelemetry's exporter. Every option is given: it would otherwise read the environment. */
const openExporter = async (url: string, headers: OtlpConfig['headers']) => {
  const [{ AggregationTemporalityPreference, OTLPMetricExporter }, { CompressionAlgorithm }, { toResourceMetrics }] =
    await Promise.all([
      import('@opentelemetry/exporter-metrics-otlp-http'),
      import('@opentelemetry/otlp-exporter-base'),
      import('./export.ts'),
    ]);
  const exporter = new OTLPMetricExporter({
    url,
    headers: async () => ({ ...headers() }),
    timeoutMillis: TIMEOUT_MS,
    compression: CompressionAlgorithm.NONE,
    concurrencyLimit: 1,
    httpAgentOptions: { keepAlive: true },
    temporalityPreference: AggregationTemporalityPreference.CUMULATIVE,
  });
  return {
    toResourceMetrics,
    send: (metrics: Parameters<typeof exporter.export>[0]): Promise<void> =>
      new Promise((resolve, reject) => {
        exporter.export(metrics, ({ error, code }) => (code === 0 ? resolve() : reject(error)));
      }),
    close: () => exporter.shutdown(),
  };
};
