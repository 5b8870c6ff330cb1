import { CompressionAlgorithm, OTLPExporterBase } from '@opentelemetry/otlp-exporter-base';
import { createOtlpHttpExportDelegate, httpAgentFactoryFromOptions } from '@opentelemetry/otlp-exporter-base/node-http';
import type { IExporterMetricsHelper, ISerializer } from '@opentelemetry/otlp-transformer';
import type { OtlpConfig } from './otlp.ts';

/** Timeout of one export with its retries, in milliseconds. */
export const EXPORT_TIMEOUT_MS = 10_000;

/** Maximum number of exports at the same time. Further ones fail. */
const MAX_CONCURRENT = 30;

export type OtlpExporterOptions<Data, Response> = Pick<OtlpConfig, 'headers'> & {
  readonly url: string;
  /** Writes a request, as JSON. */
  readonly serializer: ISerializer<Data, Response>;
  /** Counts what is exported, for OpenTelemetry's metrics of the exporter itself, which are off. */
  readonly counter: IExporterMetricsHelper<Data>;
};

/**
 * Creates an exporter by OTLP over HTTP, as JSON. It is put together from the parts of OpenTelemetry's exporters, because these
 * also read the environment: headers, certificates and timeouts, neither checked nor from files. Import this module only where
 * something is exported: it loads OpenTelemetry's packages.
 */
export const createOtlpExporter = <Data, Response>({
  url,
  headers,
  serializer,
  counter,
}: OtlpExporterOptions<Data, Response>): OTLPExporterBase<Data> =>
  new OTLPExporterBase(
    createOtlpHttpExportDelegate(
      {
        url,
        headers: async () => ({ ...headers(), 'content-type': 'application/json' }),
        timeoutMillis: EXPORT_TIMEOUT_MS,
        concurrencyLimit: MAX_CONCURRENT,
        compression: CompressionAlgorithm.NONE,
        agentFactory: httpAgentFactoryFromOptions({ keepAlive: true }),
      },
      serializer,
      'otlp_http_json_exporter',
      counter,
      undefined,
    ),
  );
