import { UpstreamError } from '../errors.ts';

/** Keeps whatever a WSDL names within the origins that the operator has configured. */
export type SoapOrigins = {
  /**
   * Throws UPSTREAM_BAD_RESPONSE where an address is of another origin. The message names the origin and the rest of the
   * address never: it can hold credentials.
   */
  readonly check: (url: string, operation: string) => void;
};

/** Origins as in RFC 6454: scheme, host and port. */
export const createSoapOrigins = (upstream: string, urls: readonly (string | undefined)[]): SoapOrigins => {
  const allowed = new Set(urls.flatMap((url) => originOf(url) ?? []));
  return {
    check: (url, operation) => {
      const origin = originOf(url);
      if (origin !== undefined && allowed.has(origin)) return;
      const where = origin ?? 'an address that is no http URL';
      throw new UpstreamError(
        'UPSTREAM_BAD_RESPONSE',
        upstream,
        `the WSDL leads to ${where}, which is not the origin of the configured WSDL or endpoint`,
        { operation },
      );
    },
  };
};

/** Undefined for what is no URL, and for one that is not http or https. */
const originOf = (url: string | undefined): string | undefined => {
  if (url === undefined || !URL.canParse(url)) return undefined;
  const { protocol, origin } = new URL(url);
  return protocol === 'http:' || protocol === 'https:' ? origin : undefined;
};
