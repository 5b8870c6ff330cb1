/**
 * Returns whether a client accepts `multipart/mixed` with a parameter, e.g. `subscriptionSpec=1.0`. `parameter` matches it after its
 * semicolon. In time linear in the header's length.
 */
export const acceptsMultipart = (accept: string, parameter: RegExp): boolean =>
  accept.split(',').some((range) => /^\s*multipart\/mixed\s*;/i.test(range) && parameter.test(range));
