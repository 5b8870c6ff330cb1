/** The headers that tell where a request comes from. */
type Headers = {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  readonly 'sec-fetch-site'?: string | string[] | undefined;
};

/**
 * Returns whether a request may come from a web page of another origin. Clients that are not browsers send neither `Origin` nor
 * `Sec-Fetch-Site`, and a page cannot omit or change them.
 */
export const isCrossSite = ({ host, origin, 'sec-fetch-site': site = 'none' }: Headers): boolean =>
  (origin !== undefined && URL.parse(origin)?.host !== host) || (site !== 'none' && site !== 'same-origin');
