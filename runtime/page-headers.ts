/* Security headers of pages. `docs/security.md` explains them. */

type Policy = Readonly<Record<string, string>>;

const toText = (policy: Policy): string =>
  Object.entries(policy)
    .map(([directive, sources]) => `${directive} ${sources}`)
    .join('; ');

/** Returns the headers of a page and its files: no frames, no referrer, and no access for pages that open it. */
export const pageHeaders = (policy: Policy, openerPolicy = 'same-origin'): Readonly<Record<string, string>> => ({
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
export const OWN_FILES: Policy = {
  'default-src': "'none'",
  'connect-src': "'self'",
  'font-src': "'self'",
  'img-src': "'self' data:",
  'script-src': "'self'",
  'style-src': "'self'",
};

/** Keeps any text, from anywhere, from becoming markup or code. */
export const TRUSTED_TYPES: Policy = { 'require-trusted-types-for': "'script'", 'trusted-types': "'none'" };
