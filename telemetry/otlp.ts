import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import product from '../package.json' with { type: 'json' };
import { type Env, HttpUrl, readEnv } from '../runtime/env.ts';
import type { Log } from '../runtime/log.ts';
import { fileVariables, watchFiles } from '../runtime/watch-files.ts';

/*
 * Where telemetry is sent by the OpenTelemetry protocol (OTLP), as the OpenTelemetry specification names its variables. Nothing is
 * sent unless an endpoint is set.
 */

/** Pairs as in a W3C baggage header: `key=value,key=value`, percent-encoded. */
const Pairs = z.string().transform((text, { addIssue }) => {
  const pairs = new Map<string, string>();
  for (const pair of text.split(',').map((part) => part.trim())) {
    if (pair === '') continue;
    const [, key, value] = /^([^=\s]+)\s*=\s*(.*)$/.exec(pair) ?? [];
    const decoded = [key, value].map(decode);
    if (decoded[0] && decoded[1] !== undefined) pairs.set(decoded[0], decoded[1]);
    // Does not repeat the text, which may be a secret.
    else addIssue({ code: 'custom', message: 'must have the form name=value,name=value, percent-encoded' });
  }
  return pairs;
});

const decode = (text: string | undefined): string | undefined => {
  try {
    return text && decodeURIComponent(text);
  } catch {
    return undefined;
  }
};

const Headers = Pairs.refine(
  (pairs) => [...pairs].every(([name, value]) => /^[\w!#$%&'*+.^`|~-]+$/.test(name) && /^[\t -~]*$/.test(value)),
  'must be headers, e.g. authorization=Bearer%20secret',
);

/** The variables of every process that sends telemetry, whichever kind. */
export const OTLP_SHAPE = {
  OTEL_EXPORTER_OTLP_ENDPOINT: HttpUrl.optional(),
  OTEL_EXPORTER_OTLP_HEADERS: Headers.default(new Map()),
  OTEL_SERVICE_NAME: z.string().optional(),
  OTEL_RESOURCE_ATTRIBUTES: Pairs.default(new Map()),
};

/** Those that may be read from files. */
export const OTLP_SECRETS = ['OTEL_EXPORTER_OTLP_HEADERS'] as const;

/** The settings that metrics and traces share. */
export type OtlpConfig = {
  /** Returns the headers of each request. Secrets. */
  readonly headers: () => Readonly<Record<string, string>>;
  /** Uses the new content of OTEL_EXPORTER_OTLP_HEADERS_FILE when it changes. Returns an unsubscribe function. */
  readonly watch: (log: Log) => () => void;
  /** The attributes of this process, by OpenTelemetry's names. */
  readonly resource: Readonly<Record<string, string>>;
};

const HeadersEnv = z.object({ OTEL_EXPORTER_OTLP_HEADERS: OTLP_SHAPE.OTEL_EXPORTER_OTLP_HEADERS });

/** Returns the configuration of a process with this name, e.g. `tributary-gateway`, which has read `values` from `env`. */
export const toOtlpConfig = (
  values: z.output<z.ZodObject<typeof OTLP_SHAPE>>,
  { defaultServiceName, env }: { readonly defaultServiceName: string; readonly env: Env },
): OtlpConfig => {
  let headers = Object.fromEntries(values.OTEL_EXPORTER_OTLP_HEADERS);
  const reload = (): boolean => {
    const next = Object.fromEntries(readEnv(HeadersEnv, env, OTLP_SECRETS).OTEL_EXPORTER_OTLP_HEADERS);
    const isNew = !isDeepStrictEqual(next, headers);
    headers = next;
    return isNew;
  };
  return {
    headers: () => headers,
    watch: (log) => watchFiles(fileVariables(OTLP_SECRETS), { env, log, reload }),
    resource: {
      'service.name': defaultServiceName,
      'service.version': product.version,
      'service.instance.id': randomUUID(),
      ...Object.fromEntries(values.OTEL_RESOURCE_ATTRIBUTES),
      ...(values.OTEL_SERVICE_NAME && { 'service.name': values.OTEL_SERVICE_NAME }),
    },
  };
};

/** Returns the URL of a signal: its own endpoint as it is, or its path below the common one. Undefined without either. */
export const urlOf = (own: string | undefined, common: string | undefined, path: string): string | undefined =>
  own ?? (common && `${common.replace(/\/$/, '')}/${path}`);
