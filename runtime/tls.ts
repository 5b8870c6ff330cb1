import { constants, X509Certificate } from 'node:crypto';
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { createSecureContext, type Server, type TlsOptions } from 'node:tls';
import { ConfigError } from './env.ts';
import type { Log } from './log.ts';

/** The files that HTTPS needs, as PEM. */
export type TlsFiles = {
  readonly cert: string;
  readonly key: string;
  /** Certificates of the authorities whose client certificates are accepted. Default: none is requested. */
  readonly clientCa?: string | undefined;
};

/** Reads the files. Throws ConfigError naming the variables at fault: `TLS_CERT`, `TLS_KEY` or `TLS_CLIENT_CA`. */
export const readTls = ({ cert, key, clientCa }: TlsFiles): TlsOptions => {
  const pair = { cert: read('TLS_CERT', cert), key: read('TLS_KEY', key) };
  try {
    createSecureContext(pair);
  } catch (cause) {
    throw new ConfigError('TLS_CERT: must be a certificate, and TLS_KEY its key, both as PEM', { cause });
  }
  if (clientCa === undefined) return pair;
  const ca = read('TLS_CLIENT_CA', clientCa);
  try {
    // A secure context ignores what it does not understand.
    new X509Certificate(ca);
  } catch (cause) {
    throw new ConfigError('TLS_CLIENT_CA: must be certificates, as PEM', { cause });
  }
  return {
    ...pair,
    ca,
    requestCert: true,
    // Clients without one may authenticate themselves in another way.
    rejectUnauthorized: false,
    // A resumed session would keep a certificate whose authority is no longer accepted.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
};

const read = (variable: string, path: string): Buffer => {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new ConfigError(`${variable}: the file cannot be read`, { cause });
  }
};

// Polled: file events miss Kubernetes symlink swaps.
const POLL_MS = 500;

/**
 * Serves new connections with the files as they are, and calls `onChange` after each change. Files that do not fit together are
 * logged, and those before stay: they are seldom replaced at the same instant. Returns an unsubscribe function.
 */
export const watchTls = (server: Server, files: TlsFiles, log: Log, onChange: () => void): (() => void) => {
  const reload = (): void => {
    try {
      server.setSecureContext(readTls(files));
      onChange();
      log.info('The TLS certificates have been read again.');
    } catch (error) {
      log.warn({ why: (error as Error).message }, 'The changed TLS files cannot be used; those before stay.');
    }
  };
  const paths = Object.values(files).filter((path) => path !== undefined);
  for (const path of paths) watchFile(path, { interval: POLL_MS }, reload);
  return () => {
    for (const path of paths) unwatchFile(path, reload);
  };
};
