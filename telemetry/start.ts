import cluster from 'node:cluster';
import type { Log } from '../runtime/log.ts';
import { createBreakerLog } from './breaker-log.ts';
import type { MetricsConfig } from './metrics/config.ts';
import { createMetrics, type Metrics } from './metrics/metrics.ts';
import { pushMetrics } from './metrics/push.ts';
import { watchNode } from './node-state.ts';
import type { ProcessReport } from './status/describe.ts';
import type { Readiness } from './status/readiness.ts';
import { createStatusRecorder } from './status/recorder.ts';
import { createTelemetry, type Telemetry } from './telemetry.ts';
import type { TracesConfig } from './traces/config.ts';
import type { Tracing } from './traces/tracing.ts';

export type TelemetryConfig = {
  /** The admin endpoints; undefined if they are off. */
  readonly admin: object | undefined;
  /** Export of metrics to a collector. Undefined if it is off. */
  readonly metrics: MetricsConfig | undefined;
  /** Tracing of requests. Undefined if it is off. */
  readonly traces: TracesConfig | undefined;
  readonly readiness: Readiness;
  /** Whether the status page is served at the main port. */
  readonly statusPage?: boolean;
};

/** The telemetry of a running process. */
export type RunningTelemetry = {
  readonly telemetry: Telemetry;
  /** Undefined if nobody can read them. */
  readonly metrics: Metrics | undefined;
  /** Reads what the status shows and readiness depends on. Undefined if it does neither. */
  readonly report: ReadReport | undefined;
  /** Undefined if requests are not traced. */
  readonly tracing: Tracing | undefined;
  /** Sends a collector what was recorded last, for a bounded time. Call it when nothing more is recorded. */
  readonly close: () => Promise<void>;
};

export type ReadReport = () => Omit<ProcessReport, 'status'>;

/** Creates the stream of a process's events with those who listen to it, as far as somebody can read what they record. */
export const startTelemetry = async (
  { admin, metrics: pushed, traces, readiness, statusPage = false }: TelemetryConfig,
  log: Log,
): Promise<RunningTelemetry> => {
  const telemetry = createTelemetry();
  telemetry.listen(createBreakerLog(log));
  const node = admin || pushed || statusPage ? watchNode() : undefined;
  if (node) telemetry.describe('node', node.state);
  const metrics = admin || pushed ? createMetrics(telemetry) : undefined;
  // The primary process of a cluster sends the metrics of all workers.
  const stopPushing =
    metrics && pushed && !cluster.isWorker ? pushMetrics(pushed, { read: metrics.read, log }) : undefined;
  // Loaded only where it is on.
  const tracing = traces && (await import('./traces/tracing.ts')).startTracing(traces, { telemetry, log });
  const hasReport = admin !== undefined || statusPage || readiness !== 'process';
  return {
    telemetry,
    metrics,
    tracing,
    report: hasReport ? recordStatus(telemetry) : undefined,
    close: async () => {
      await Promise.all([tracing?.close(), stopPushing?.()]);
      metrics?.close();
      node?.close();
    },
  };
};

const recordStatus = (telemetry: Telemetry): ReadReport => {
  const recorder = createStatusRecorder();
  telemetry.listen(recorder);
  return () => ({ pid: process.pid, record: recorder.read(), state: telemetry.state() });
};
