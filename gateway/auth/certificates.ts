import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { z } from 'zod';
import type { Log } from '../../runtime/log.ts';
import type { Identity } from '../../subgraphs/kit/identity.ts';

/*
 * Client certificates. The TLS handshake has verified that an accepted authority issued them; here, each subject is given its
 * scopes.
 */

/** The rights of a certificate's subject, in `AUTH_CONFIG`. */
export const CertificateGrant = z.strictObject({
  /** The distinguished name as of RFC 4514, e.g. `CN=billing,O=Example`. */
  subject: z.string().min(1),
  scopes: z.array(z.string().min(1)),
  tenant: z.string().min(1).optional(),
});

export type CertificateGrant = z.output<typeof CertificateGrant>;

export type CertificateReader = {
  /** Returns the identity of a connection, `none` without a certificate, and `invalid` for one that is not accepted. */
  readonly identify: (socket: Socket) => Identity | 'none' | 'invalid';
};

type Accepted = { readonly identity: Identity; readonly expiresAtMs: number };

/** Creates the reader of client certificates with their rights. */
export const createCertificateReader = (grants: readonly CertificateGrant[], log: Log): CertificateReader => {
  const identities = new Map(
    grants.map(({ subject, scopes, tenant }): [string, Identity] => [
      subject,
      { method: 'certificate', subject, scopes: new Set(scopes), tenant, claims: {} },
    ]),
  );
  const known = new WeakMap<Socket, Accepted | 'none' | 'invalid'>();

  const read = (socket: Socket): Accepted | 'none' | 'invalid' => {
    const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
    if (!certificate) return 'none';
    const subject = toDistinguishedName(certificate.subject);
    const identity = identities.get(subject);
    if (identity && (socket as TLSSocket).authorized) return { identity, expiresAtMs: Date.parse(certificate.validTo) };
    const why = identity ? (socket as TLSSocket).authorizationError : 'not in AUTH_CONFIG';
    log.debug({ subject, why }, 'Refused a client certificate.');
    return 'invalid';
  };

  return {
    identify: (socket) => {
      const found = known.get(socket) ?? read(socket);
      known.set(socket, found);
      if (typeof found === 'string') return found;
      return Date.now() < found.expiresAtMs ? found.identity : 'invalid';
    },
  };
};

/** Node has one attribute on each line, escaped as of RFC 4514, which has the last one first. */
const toDistinguishedName = (subject: string): string => subject.split('\n').reverse().join(',');
