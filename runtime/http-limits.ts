import { z } from 'zod';

// `setTimeout` fires at once for anything longer.
const MAX_TIMER_MS = 2 ** 31 - 1;
const MIB = 1024 * 1024;

/** A duration in milliseconds, short enough for a timer. */
export const Milliseconds = z.coerce.number().int().positive().max(MAX_TIMER_MS);

const Count = z.coerce.number().int().positive();

/** Names without ports: `Host` is compared by name alone. */
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

/** The variables of every process that serves HTTP. */
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

/** Bounds on connections, so that a slow or silent peer costs little and others nothing. */
export type HttpLimits = {
  /** How long a connection may take to send the header of a request, from its first byte or from connecting. */
  readonly headerTimeoutMs: number;
  /** How long it may then take to send the body. */
  readonly bodyTimeoutMs: number;
  /** How long a connection may be kept alive without a request. */
  readonly idleTimeoutMs: number;
  /** How long a peer may leave a waiting response unread without making any progress. */
  readonly writeTimeoutMs: number;
  readonly maxConnections: number;
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  /** Values at all levels of a JSON body, as parsing takes up to a microsecond for each and cannot be interrupted. */
  readonly maxBodyValues: number;
  /** The size of all request bodies that are held at a time, read in whole or in part. */
  readonly maxRequestBufferBytes: number;
  /** The size of all responses at a time that peers have not read yet. */
  readonly maxResponseBufferBytes: number;
};

/** The limits as the environment sets them. */
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
 * The host names to serve. In production any, as a proxy in front passes on the names that clients use; otherwise the one
 * to listen at, so that no page of another site reaches a server on a developer's machine by DNS rebinding.
 */
export const allowedHosts = (values: Pick<z.output<typeof HttpEnv>, 'ALLOWED_HOSTS' | 'HOST' | 'NODE_ENV'>) =>
  values.ALLOWED_HOSTS ?? (values.NODE_ENV === 'production' ? ['*'] : [values.HOST.toLowerCase()]);
