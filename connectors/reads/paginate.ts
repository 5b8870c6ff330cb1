import { UpstreamError } from '../errors.ts';
import type { ResponseContext } from '../transports/parse.ts';

/** Maximum number of pages, more than any list here has. Bounds a provider that always reports another page. */
export const MAX_PAGES = 10;

/**
 * Reads all pages of a list. `fetch` reads one page and returns the token of the next one, or undefined after the last.
 * Throws UPSTREAM_BAD_RESPONSE after 10 pages.
 */
export const readPages = async <Token>(
  first: Token,
  fetch: (token: Token) => Promise<Token | undefined>,
  { subgraph, operation }: ResponseContext,
): Promise<void> => {
  let token: Token | undefined = first;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    token = await fetch(token);
    if (token === undefined) return;
  }
  throw new UpstreamError('UPSTREAM_BAD_RESPONSE', subgraph, `${operation} has more than ${MAX_PAGES} pages`, {
    operation,
  });
};
