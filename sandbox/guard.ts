import type { IncomingHttpHeaders } from 'node:http';
import { isCrossSite } from '../runtime/cross-site.ts';
import { type HostPolicy, hostNameOf } from '../runtime/hosts.ts';

/** Status and reason with which a sandbox refuses a request. */
export type SandboxRefusal = { readonly status: number; readonly body: string };

/**
 * Returns the refusal of a request that a web page of another site may have sent, whatever endpoint it is for. The host name is
 * checked because of DNS rebinding.
 */
export const refuseOtherSites = (headers: IncomingHttpHeaders, hosts: HostPolicy): SandboxRefusal | undefined => {
  const hostName = hostNameOf(headers.host ?? '');
  if (hostName === undefined) return { status: 400, body: 'The Host header is missing or malformed.\n' };
  if (!hosts.isAllowed(hostName)) {
    return { status: 421, body: 'This host name is not served here. Name it in ALLOWED_HOSTS.\n' };
  }
  return isCrossSite(headers) ? CROSS_SITE : undefined;
};

const CROSS_SITE: SandboxRefusal = { status: 403, body: 'Web pages of other sites may not use the sandbox.\n' };

/** Returns whether a body is declared as JSON. A page cannot declare that for another site without a preflight request. */
export const isJson = ({ 'content-type': type = '' }: IncomingHttpHeaders): boolean =>
  /^application\/json *(;|$)/i.test(type);
