import { createMetrics, type Metrics } from './metrics/metrics.ts';
import { watchNode } from './node-state.ts';
import type { OtlpConfig } from './otlp.ts';
import { createTelemetry, type Telemetry } from './telemetry.ts';

export type TelemetryConfig = {
  /** The admin endpoints; undefined if they are off. */
  readonly admin: object | undefined;
  readonly otlp: OtlpConfig;
};

/** The telemetry of a running process. */
export type RunningTelemetry = {
  readonly telemetry: Telemetry;
  /** Undefined if nobody can read them. */
  readonly metrics: Metrics | undefined;
  readonly close: () => void;
};

/** Creates the stream of a process's events with those who listen to it, as far as somebody can read what they record. */
export const startTelemetry = ({ admin, otlp }: TelemetryConfig): RunningTelemetry => {
  const telemetry = createTelemetry();
  if (!admin && !otlp.metrics) return { telemetry, metrics: undefined, close: () => {} };
  const node = watchNode();
  telemetry.describe('node', node.state);
  const metrics = createMetrics(telemetry);
  return {
    telemetry,
    metrics,
    close: () => {
      metrics.close();
      node.close();
    },
  };
};
