import { UpstreamError } from '../errors.ts';

/** Restricts the URLs that a WSDL refers to to the origins that the operator configured. */
export type SoapOrigins = {
  /**
   * Throws UPSTREAM_BAD_RESPONSE if a URL has another origin. The message contains only the origin: the rest of the
   * URL can contain credentials.
   */
  readonly check: (url: string, operation: string) => void;
};

/** Creates the check. Origins are as in RFC 6454: scheme, host and port. */
export const createSoapOrigins = (subgraph: string, urls: readonly (string | undefined)[]): SoapOrigins => {
  const allowed = new Set(urls.flatMap((url) => originOf(url) ?? []));
  return {
    check: (url, operation) => {
      const origin = originOf(url);
      if (origin !== undefined && allowed.has(origin)) return;
      const where = origin ?? 'a URL that is not http or https';
      throw new UpstreamError(
        'UPSTREAM_BAD_RESPONSE',
        subgraph,
        `the WSDL refers to ${where}, which is not the origin of the configured WSDL or endpoint`,
        { operation },
      );
    },
  };
};

/** Returns the origin of an http or https URL; undefined for anything else. */
const originOf = (url: string | undefined): string | undefined => {
  if (url === undefined || !URL.canParse(url)) return undefined;
  const { protocol, origin } = new URL(url);
  return protocol === 'http:' || protocol === 'https:' ? origin : undefined;
};
