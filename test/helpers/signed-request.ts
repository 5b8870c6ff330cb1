import { createHash } from 'node:crypto';
import { signToken } from './tokens.ts';

/* Tokens for requests to a subgraph. */

const seconds = () => Math.floor(Date.now() / 1_000);

/** Claims of a request to the payments subgraph for everybody's data. Times in `changed` are in seconds from now. */
export const claimsFor = (body: string, { iat = 0, exp = 30, ...changed }: Record<string, unknown> = {}) => ({
  aud: 'payments',
  sub: 'anyone',
  method: 'none',
  scopes: [],
  iat: seconds() + Number(iat),
  exp: exp === null ? undefined : seconds() + Number(exp),
  body: createHash('sha256').update(body).digest('base64url'),
  ...changed,
});

/** Signs claims. `header` replaces parts of the token's own header. */
export const sign = (claims: object, secret: string, header: object = {}): string =>
  signToken(claims, secret, { typ: 'tributary-identity+jwt', ...header });
