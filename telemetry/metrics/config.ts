import { z } from 'zod';
import { HttpUrl } from '../../runtime/env.ts';
import { type OTLP_SHAPE, type OtlpConfig, urlOf } from '../otlp.ts';

/** The variables of every process that sends metrics, beside those in `OTLP_SHAPE`. */
export const METRICS_SHAPE = {
  OTEL_METRICS_EXPORTER: z.enum(['otlp', 'none']).default('otlp'),
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: HttpUrl.optional(),
  OTEL_METRIC_EXPORT_INTERVAL: z.coerce.number().int().min(100).max(3_600_000).default(60_000),
};

export type MetricsConfig = OtlpConfig & {
  /** Where metrics are sent. */
  readonly url: string;
  /** The interval at which they are sent, in milliseconds. */
  readonly intervalMs: number;
};

type Values = z.output<z.ZodObject<typeof OTLP_SHAPE & typeof METRICS_SHAPE>>;

/** Returns how the process sends metrics; undefined if it does not. */
export const toMetricsConfig = (values: Values, otlp: OtlpConfig): MetricsConfig | undefined => {
  const url = urlOf(values.OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, values.OTEL_EXPORTER_OTLP_ENDPOINT, 'v1/metrics');
  if (url === undefined || values.OTEL_METRICS_EXPORTER === 'none') return undefined;
  return { ...otlp, url, intervalMs: values.OTEL_METRIC_EXPORT_INTERVAL };
};
