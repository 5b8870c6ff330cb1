import { z } from 'zod';
import { HttpUrl } from '../../runtime/env.ts';
import { type OTLP_SHAPE, type OtlpConfig, urlOf } from '../otlp.ts';

/** OpenTelemetry's samplers that need no server of their own. */
const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

export type SamplerName = (typeof SAMPLERS)[number];

/** The variables of every process that sends traces, beside those in `OTLP_SHAPE`. */
export const TRACES_SHAPE = {
  OTEL_TRACES_EXPORTER: z.enum(['otlp', 'none']).default('otlp'),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: HttpUrl.optional(),
  OTEL_TRACES_SAMPLER: z.enum(SAMPLERS).default('parentbased_always_on'),
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(1),
  SLOW_REQUEST_MS: z.coerce.number().int().positive().default(2_000),
};

export type TracesConfig = OtlpConfig & {
  /** Where traces are sent. */
  readonly url: string;
  readonly sampler: SamplerName;
  /** The share of traces that samplers by ratio export. */
  readonly ratio: number;
  /** The duration from which a request is exported even if it is not sampled, in milliseconds. */
  readonly slowMs: number;
};

type Values = z.output<z.ZodObject<typeof OTLP_SHAPE & typeof TRACES_SHAPE>>;

/** Returns how the process traces requests; undefined if it does not. */
export const toTracesConfig = (values: Values, otlp: OtlpConfig): TracesConfig | undefined => {
  const url = urlOf(values.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, values.OTEL_EXPORTER_OTLP_ENDPOINT, 'v1/traces');
  if (url === undefined || values.OTEL_TRACES_EXPORTER === 'none') return undefined;
  return {
    ...otlp,
    url,
    sampler: values.OTEL_TRACES_SAMPLER,
    ratio: values.OTEL_TRACES_SAMPLER_ARG,
    slowMs: values.SLOW_REQUEST_MS,
  };
};
