import { createMetrics, type Metrics } from './metrics/metrics.ts';
import { watchNode } from './node-state.ts';
import type { OtlpConfig } from './otlp.ts';
import type { ProcessReport } from './status/describe.ts';
import type { Readiness } from './status/readiness.ts';
import { createStatusRecorder } from './status/recorder.ts';
import { createTelemetry, type Telemetry } from './telemetry.ts';

export type TelemetryConfig = {
  /** The admin endpoints; undefined if they are off. */
  readonly admin: object | undefined;
  readonly otlp: OtlpConfig;
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
  readonly close: () => void;
};

export type ReadReport = () => Omit<ProcessReport, 'status'>;

/** Creates the stream of a process's events with those who listen to it, as far as somebody can read what they record. */
export const startTelemetry = ({ admin, otlp, readiness, statusPage = false }: TelemetryConfig): RunningTelemetry => {
  const telemetry = createTelemetry();
  const node = admin || otlp.metrics || statusPage ? watchNode() : undefined;
  if (node) telemetry.describe('node', node.state);
  const metrics = admin || otlp.metrics ? createMetrics(telemetry) : undefined;
  const hasReport = admin !== undefined || statusPage || readiness !== 'process';
  return {
    telemetry,
    metrics,
    report: hasReport ? recordStatus(telemetry) : undefined,
    close: () => {
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
