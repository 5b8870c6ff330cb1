import { SignJWT } from 'jose';

/*
 * Tokens of a thousand people, who may read everything. Every gateway gets them; only those with `AUTH_ENV` verify them.
 */

const PEOPLE = 1_000;
const [ISSUER, AUDIENCE] = ['https://issuer.example', 'https://graph.example'];
const SECRET = 'the-secret-of-the-benchmark-and-of-nothing-else';
const SCOPES = ['customers', 'deals', 'payments', 'inventory'].map((domain) => `${domain}:read`).join(' ');

/** The variables of a gateway that verifies the tokens. */
export const AUTH_ENV = { AUTH: 'required', JWT_ISSUER: ISSUER, JWT_AUDIENCE: AUDIENCE, JWT_SECRET: SECRET };

const tokens = await Promise.all(
  Array.from({ length: PEOPLE }, (_, index) =>
    new SignJWT({ scope: SCOPES })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setSubject(`person-${index}`)
      .setExpirationTime('2h')
      .sign(Buffer.from(SECRET)),
  ),
);

let next = 0;

/** Returns the token of another person each time. */
export const nextToken = (): string => tokens[next++ % PEOPLE] as string;
