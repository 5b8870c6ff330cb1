import { constants, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type Server, type TlsOptions } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import { ConfigError } from './env.ts';
import type { Log } from './log.ts';
import { watchPaths } from './watch-files.ts';

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

/**
 * Serves new connections with the files as they are, and calls `onChange` after each change. `first` is what the server was
 * started with. Returns an unsubscribe function.
 */
export const watchTls = (
  server: Server,
  files: TlsFiles,
  { first, log, onChange }: { readonly first: TlsOptions; readonly log: Log; readonly onChange: () => void },
): (() => void) => {
  let current = first;
  const reload = (): boolean => {
    const next = readTls(files);
    if (isDeepStrictEqual(next, current)) return false;
    server.setSecureContext(next);
    current = next;
    onChange();
    return true;
  };
  const { cert, key, clientCa } = files;
  const paths = clientCa === undefined ? [cert, key] : [cert, key, clientCa];
  const variables = ['TLS_CERT', 'TLS_KEY', 'TLS_CLIENT_CA'].slice(0, paths.length);
  return watchPaths(() => paths, { log, variables, reload });
};
