import { createHmac } from 'node:crypto';
import type { Identity } from '../../subgraphs/kit/identity.ts';

/*
 * Tokens made by hand from RFC 7515, not by the product's code.
 */

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Signs claims with HMAC-SHA256. `header` replaces parts of the token's own header. */
export const signToken = (claims: object, secret: string, header: object = {}): string => {
  const signed = `${base64({ alg: 'HS256', typ: 'JWT', ...header })}.${base64(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
};

const SECRET = 'a-secret-of-more-than-32-characters';
const [ISSUER, AUDIENCE] = ['https://issuer.example', 'https://graph.example'];

/** The variables of a gateway that accepts the tokens of `headersOf`. Requests without a token are anonymous. */
export const TOKEN_ENV = {
  AUTH: 'optional',
  JWT_ISSUER: ISSUER,
  JWT_AUDIENCE: AUDIENCE,
  JWT_SECRET: SECRET,
  JWT_CUSTOMER_EMAIL_CLAIM: 'customer_email',
};

/** Returns the header with a token of somebody. */
export const headersOf = ({
  subject = 'somebody',
  scopes = [],
  customerEmail,
  lifetimeS = 3_600,
}: Partial<Pick<Identity, 'subject' | 'customerEmail'>> & {
  readonly scopes?: Iterable<string>;
  readonly lifetimeS?: number;
}): Record<string, string> => {
  const exp = Math.floor(Date.now() / 1_000) + lifetimeS;
  const claims = { iss: ISSUER, aud: AUDIENCE, exp, sub: subject, scope: [...scopes].join(' ') };
  return { authorization: `Bearer ${signToken({ ...claims, customer_email: customerEmail }, SECRET)}` };
};
