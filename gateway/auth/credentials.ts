/** The credentials in the header of a request. */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'api-key'; readonly key: string }
  /** More than one, or none that can be understood. */
  | { readonly kind: 'malformed' };

/** The prefix of every API key. Secret scanners and readers of a log recognize a key by it. */
export const API_KEY_PREFIX = 'trb_';

/**
 * Reads the credentials of a request: `Authorization: Bearer <token or API key>` or, with `apiKeys`, `x-api-key: <API key>`.
 * Repeated headers are malformed: Node would silently use the first one, and another program on the way perhaps the last.
 */
export const readCredentials = (
  { rawHeaders }: { readonly rawHeaders: readonly string[] },
  { apiKeys }: { readonly apiKeys: boolean },
): Credentials => {
  let credentials = NONE;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase();
    if (name !== 'authorization' && !(apiKeys && name === 'x-api-key')) continue;
    if (credentials !== NONE) return MALFORMED;
    const value = rawHeaders[index + 1] ?? '';
    credentials = name === 'authorization' ? readAuthorization(value) : { kind: 'api-key', key: value };
  }
  return credentials;
};

const NONE: Credentials = { kind: 'none' };
const MALFORMED: Credentials = { kind: 'malformed' };

const readAuthorization = (value: string): Credentials => {
  // RFC 6750, section 2.1.
  const token = /^Bearer +([\w.~+/-]+=*)$/i.exec(value)?.[1];
  if (token === undefined) return MALFORMED;
  return token.startsWith(API_KEY_PREFIX) ? { kind: 'api-key', key: token } : { kind: 'token', token };
};
