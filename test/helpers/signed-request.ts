import { createHash, createHmac } from 'node:crypto';

/*
 * Tokens for requests to a subgraph, made by hand from RFC 7515, not by the product's code.
 */

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

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
export const sign = (claims: object, secret: string, header: object = {}): string => {
  const signed = `${base64({ alg: 'HS256', typ: 'tributary-identity+jwt', ...header })}.${base64(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
};
