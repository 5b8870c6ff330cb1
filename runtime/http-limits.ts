import { z } from 'zod';

// `setTimeout` fires immediately for longer delays.
const MAX_TIMER_MS = 2 ** 31 - 1;
const MIB = 1024 * 1024;

/** A positive duration in milliseconds that fits a timer. */
export const Milliseconds = z.coerce.number().int().positive().max(MAX_TIMER_MS);

/** The same, or none. */
export const OptionalMilliseconds = z.coerce.number().int().min(0).max(MAX_TIMER_MS);

const Count = z.coerce.number().int().positive();

/** Host names without ports: only the name of the `Host` header is compared. */
const HostNames = z
  .string()
  .transform((value) =>
    value
      .split(',')
      .map((name) => name.trim().toLowerCase())
      .filter(Boolean),
  )
  .refine(
    (names) => names.every((name) => name === '*' || /^[a-z0-9._-]+$/.test(name)),
    'must be host names without ports, e.g. graph.example,localhost, or * for any',
  );

/** The environment variables of every process that serves HTTP. */
export const HttpEnv = z.object({
  NODE_ENV: z.string().optional(),
  HOST: z.string().default('127.0.0.1'),
  ALLOWED_HOSTS: HostNames.optional(),
  HEADER_TIMEOUT_MS: Milliseconds.default(10_000),
  BODY_TIMEOUT_MS: Milliseconds.default(10_000),
  IDLE_TIMEOUT_MS: Milliseconds.default(72_000),
  WRITE_TIMEOUT_MS: Milliseconds.default(30_000),
  MAX_CONNECTIONS: Count.default(10_000),
  MAX_HEADER_KIB: Count.max(1024).default(16),
  MAX_HEADERS: Count.default(100),
  MAX_BODY_VALUES: Count.default(20_000),
  REQUEST_BUFFER_MAX_MIB: z.coerce.number().min(1).default(64),
  RESPONSE_BUFFER_MAX_MIB: z.coerce.number().min(1).default(128),
});

/** Connection limits, so that slow or silent peers cost little and do not affect others. */
export type HttpLimits = {
  /** Time to receive a request header, from connecting or from the first byte of a later request. */
  readonly headerTimeoutMs: number;
  /** Time to receive the body after the header. */
  readonly bodyTimeoutMs: number;
  /** Time that an idle connection is kept open. */
  readonly idleTimeoutMs: number;
  /** Time that a response may remain unread without progress. */
  readonly writeTimeoutMs: number;
  readonly maxConnections: number;
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  /** Maximum number of values at all levels of a JSON body. Parsing takes up to a microsecond each and cannot be interrupted. */
  readonly maxBodyValues: number;
  /** Total size of all request bodies in memory, complete or partial. */
  readonly maxRequestBufferBytes: number;
  /** Total size of all responses that peers have not read yet. */
  readonly maxResponseBufferBytes: number;
};

/** Converts environment variables to limits. */
export const toHttpLimits = (values: z.output<typeof HttpEnv>): HttpLimits => ({
  headerTimeoutMs: values.HEADER_TIMEOUT_MS,
  bodyTimeoutMs: values.BODY_TIMEOUT_MS,
  idleTimeoutMs: values.IDLE_TIMEOUT_MS,
  writeTimeoutMs: values.WRITE_TIMEOUT_MS,
  maxConnections: values.MAX_CONNECTIONS,
  maxHeaderBytes: values.MAX_HEADER_KIB * 1024,
  maxHeaders: values.MAX_HEADERS,
  maxBodyValues: values.MAX_BODY_VALUES,
  maxRequestBufferBytes: values.REQUEST_BUFFER_MAX_MIB * MIB,
  maxResponseBufferBytes: values.RESPONSE_BUFFER_MAX_MIB * MIB,
});

/**
 * Returns the host names to serve. By default all names in production, where a proxy passes on the names that clients use.
 * Otherwise only the listening host, so that DNS rebinding cannot reach a server on a developer's machine.
 */
export const allowedHosts = (values: Pick<z.output<typeof HttpEnv>, 'ALLOWED_HOSTS' | 'HOST' | 'NODE_ENV'>) =>
  values.ALLOWED_HOSTS ?? (values.NODE_ENV === 'production' ? ['*'] : [values.HOST.toLowerCase()]);
