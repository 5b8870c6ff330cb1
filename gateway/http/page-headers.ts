/* Security headers of the pages. `docs/security.md` explains them. */

type Policy = Readonly<Record<string, string>>;

const toText = (policy: Policy): string =>
  Object.entries(policy)
    .map(([directive, sources]) => `${directive} ${sources}`)
    .join('; ');

/** Returns the headers of a page and its files: no frames, no referrer, and no access for pages that open it. */
const pageHeaders = (policy: Policy, openerPolicy = 'same-origin'): Readonly<Record<string, string>> => ({
  'content-security-policy': toText({
    ...policy,
    'base-uri': "'none'",
    'form-action': "'none'",
    'frame-ancestors': "'none'",
  }),
  'cross-origin-opener-policy': openerPolicy,
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
});

/** A page that loads only its own files and this gateway's responses. */
const OWN_FILES: Policy = {
  'default-src': "'none'",
  'connect-src': "'self'",
  'font-src': "'self'",
  'img-src': "'self' data:",
  'script-src': "'self'",
  'style-src': "'self'",
};

/**
 * The desk shows providers' data. Trusted types keep any text, from anywhere, from becoming markup or code. It also connects to
 * the issuer at which people sign in, if there is one.
 */
export const createDeskHeaders = (issuer: string | undefined) =>
  pageHeaders({
    ...OWN_FILES,
    'connect-src': issuer === undefined ? "'self'" : `'self' ${new URL(issuer).origin}`,
    'require-trusted-types-for': "'script'",
    'trusted-types': "'none'",
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
