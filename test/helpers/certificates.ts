import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The paths of a certificate and its key, as PEM. */
export type CertificateFiles = { readonly cert: string; readonly key: string };

export type Authority = CertificateFiles & {
  /** Issues a certificate, for servers at 127.0.0.1 and for clients. `days` may be negative. */
  readonly issue: (subject: string, days?: number) => CertificateFiles;
};

export type CertificateFolder = {
  readonly path: string;
  /** Creates a certificate authority with a key of its own. */
  readonly createAuthority: () => Authority;
  readonly remove: () => void;
};

/** Creates a folder for certificates that `openssl` makes. */
export const createCertificateFolder = (): CertificateFolder => {
  const path = mkdtempSync(join(tmpdir(), 'certificates-'));
  let count = 0;
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
  const createFiles = (): CertificateFiles & { readonly name: string } => {
    count += 1;
    const name = join(path, String(count));
    return { name, cert: `${name}.pem`, key: `${name}.key` };
  };
  const createKey = ({ key }: CertificateFiles) =>
    openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', key);

  const createAuthority = (): Authority => {
    const authority = createFiles();
    createKey(authority);
    openssl('req', '-x509', '-key', authority.key, '-out', authority.cert, '-subj', `/CN=Authority ${count}`);
    return {
      ...authority,
      issue: (subject, days = 2) => {
        const files = createFiles();
        createKey(files);
        const request = [
          '-new',
          '-utf8',
          '-key',
          files.key,
          '-subj',
          subject,
          '-addext',
          'subjectAltName=IP:127.0.0.1',
        ];
        openssl('req', ...request, '-out', `${files.name}.csr`);
        const issuer = ['-CA', authority.cert, '-CAkey', authority.key, '-CAcreateserial', '-copy_extensions', 'copy'];
        openssl('x509', '-req', '-in', `${files.name}.csr`, ...issuer, '-days', String(days), '-out', files.cert);
        return files;
      },
    };
  };

  return { path, createAuthority, remove: () => rmSync(path, { recursive: true }) };
};

/** Reads a certificate and its key for a TLS client. */
export const readCertificate = ({ cert, key }: CertificateFiles) => ({
  cert: readFileSync(cert),
  key: readFileSync(key),
});
