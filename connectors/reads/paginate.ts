import { UpstreamError } from '../errors.ts';
import type { Origin } from '../transports/parse.ts';

/** More pages than anything here has. A provider that always promises another one is not followed further. */
const MAX_PAGES = 50;

/**
 * Asks for page after page until there is no next one. `Token` is whatever the next page is asked for by.
 * Throws UPSTREAM_BAD_RESPONSE after 50 pages.
 */
export const readPages = async <Token>(
  first: Token,
  fetch: (token: Token) => Promise<Token | undefined>,
  { upstream, operation }: Origin,
): Promise<void> => {
  let token: Token | undefined = first;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    token = await fetch(token);
    if (token === undefined) return;
  }
  throw new UpstreamError('UPSTREAM_BAD_RESPONSE', upstream, `${operation} has no last page`, { operation });
};
