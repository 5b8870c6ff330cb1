/* Security headers of the gateway's pages. `docs/security.md` explains them. */

import { OWN_FILES, pageHeaders, TRUSTED_TYPES } from '../../runtime/page-headers.ts';

/**
 * The desk shows providers' data. Trusted types keep any text, from anywhere, from becoming markup or code. It also connects to
 * the issuer at which people sign in, if there is one.
 */
export const createDeskHeaders = (issuer: string | undefined) =>
  pageHeaders({
    ...OWN_FILES,
    'connect-src': issuer === undefined ? "'self'" : `'self' ${new URL(issuer).origin}`,
    ...TRUSTED_TYPES,
  });

/** The explorer's editor inserts style sheets, has fonts in them, and runs in workers. */
export const EXPLORER_HEADERS = pageHeaders({
  ...OWN_FILES,
  'font-src': "'self' data:",
  'style-src': "'self' 'unsafe-inline'",
  'worker-src': "'self'",
});

/**
 * Apollo Server's landing page frames Apollo Sandbox. Its own policy, in a `meta` element, restricts scripts to a nonce and
 * Apollo's hosts, and also styles, images and frames. This one restricts the rest. Its login opens a window.
 */
export const LANDING_PAGE_HEADERS = pageHeaders(
  { 'connect-src': "'self'", 'object-src': "'none'", 'worker-src': "'none'" },
  'same-origin-allow-popups',
);
