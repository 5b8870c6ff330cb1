import type { Log } from '../../runtime/log.ts';
import { createFailureLog } from '../failure-log.ts';
import { waitForLastExport } from '../last-export.ts';
import type { MetricsConfig } from './config.ts';
import type { Snapshot } from './snapshot.ts';

export type PushOptions = {
  /** Reads the metrics of the process, or those of all workers of a cluster. */
  readonly read: () => Snapshot | Promise<Snapshot>;
  readonly log: Log;
};

/**
 * Sends metrics to an OpenTelemetry collector, at intervals. While the collector does not answer, nothing is queued: the values are
 * sums since the start, so that a later export includes what an earlier one could not send. Returns a function that sends them a
 * last time and ends it.
 */
export const pushMetrics = (
  { url, intervalMs, headers, watch, resource }: MetricsConfig,
  { read, log }: PushOptions,
): (() => Promise<void>) => {
  const startedAt = Date.now();
  const failed = createFailureLog(log, {
    message: 'Metrics cannot be sent (OTEL_EXPORTER_OTLP_ENDPOINT).',
    count: 'exports',
  });
  let exporting: Promise<void> | undefined;
  let opened: Promise<Exporter> | undefined;

  const open = () => {
    opened ??= openExporter({ url, headers });
    return opened;
  };

  const exportOnce = async (): Promise<void> => {
    try {
      const { send, toResourceMetrics } = await open();
      const snapshot = await read();
      await send(toResourceMetrics(snapshot, { startedAt, now: Date.now(), resource }));
    } catch (error) {
      failed(error);
    } finally {
      exporting = undefined;
    }
  };

  const stopWatching = watch(log);
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

/** Loads OpenTelemetry's packages. */
const openExporter = async (options: Pick<MetricsConfig, 'url' | 'headers'>) => {
  const [{ JsonMetricsSerializer, MetricsExporterMetricsHelper }, { createOtlpExporter }, { toResourceMetrics }] =
    await Promise.all([
      import('@opentelemetry/otlp-transformer'),
      import('../otlp-exporter.ts'),
      import('./export.ts'),
    ]);
  const exporter = createOtlpExporter({
    ...options,
    serializer: JsonMetricsSerializer,
    counter: MetricsExporterMetricsHelper,
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
