import type { FastifyInstance } from 'fastify';
import { generateKeyPair, SignJWT } from 'jose';
import { z } from 'zod';
import { isCrossSite } from '../../runtime/cross-site.ts';
import { sendError } from '../../runtime/send-refusal.ts';
import type { TokenIssuer } from './tokens.ts';

/*
 * An issuer in this process, so that authentication can be tried without an identity provider. It gives a token to everyone who
 * can reach it, so it never runs in production.
 */

/** The name of the issuer in its tokens. */
export const DEVELOPMENT_ISSUER = 'urn:tributary:development';

const AUDIENCE = 'tributary';
const LIFETIME_S = 600;

type Person = {
  readonly person: string;
  readonly name: string;
  readonly scopes: readonly string[];
  /** The customer to whose data the person is confined. */
  readonly email?: string;
};

const PAYMENTS = ['payments:read', 'payments:write', 'payments:refund'];
const CUSTOMERS = ['customers:read', 'customers:write'];
const DEALS = ['deals:read', 'deals:write'];
const INVENTORY = ['inventory:read', 'inventory:write'];

/** Sample people of the company whose data the sandboxes serve. */
export const PEOPLE: readonly Person[] = [
  { person: 'administrator', name: 'Administrator', scopes: [...PAYMENTS, ...CUSTOMERS, ...DEALS, ...INVENTORY] },
  {
    person: 'support',
    name: 'Customer support',
    scopes: [...CUSTOMERS, 'deals:read', 'payments:read', 'inventory:read'],
  },
  { person: 'finance', name: 'Finance', scopes: [...PAYMENTS, 'customers:read', 'deals:read'] },
  { person: 'warehouse', name: 'Warehouse', scopes: INVENTORY },
  {
    person: 'customer',
    name: 'Ada Lindqvist, a customer',
    scopes: ['self:read'],
    email: 'ada.lindqvist@customers.example',
  },
];

/** A response of the token endpoint, as OAuth 2 defines it (RFC 6749, section 5.1). */
type TokenResponse = {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  readonly expires_in: number;
  readonly scope: string;
};

export type DevelopmentIssuer = {
  /** The settings for verifying its tokens. */
  readonly issuer: TokenIssuer;
  /** Signs a token of a person. Undefined if there is no such person. */
  readonly createToken: (person: string) => Promise<TokenResponse | undefined>;
};

/** Creates the issuer with a new key: tokens become invalid when the process ends, or after ten minutes. */
export const createDevelopmentIssuer = async (): Promise<DevelopmentIssuer> => {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  return {
    issuer: {
      issuer: DEVELOPMENT_ISSUER,
      audiences: [AUDIENCE],
      algorithms: ['ES256'],
      clockToleranceS: 0,
      claims: { subject: 'sub', scopes: ['scope'], customerEmail: 'email' },
      getKey: async () => publicKey,
    },
    createToken: async (wanted) => {
      const found = PEOPLE.find(({ person }) => person === wanted);
      if (!found) return undefined;
      const { person, name, scopes, email } = found;
      const scope = scopes.join(' ');
      const token = new SignJWT({ name, scope, ...(email && { email, email_verified: true }) })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt' })
        .setIssuer(DEVELOPMENT_ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(person)
        .setIssuedAt()
        .setExpirationTime(`${LIFETIME_S}s`);
      return { access_token: await token.sign(privateKey), token_type: 'Bearer', expires_in: LIFETIME_S, scope };
    },
  };
};

const TokenRequest = z.object({ person: z.string() });

/** Registers `GET /auth/development/people` and `POST /auth/development/token`. */
export const registerDevelopmentIssuer = (app: FastifyInstance, { createToken }: DevelopmentIssuer): void => {
  app.get('/auth/development/people', async () => PEOPLE);
  app.route({
    method: 'POST',
    url: '/auth/development/token',
    onRequest: ({ headers }, reply, done) => {
      if (!isCrossSite(headers)) return done();
      sendError(reply, 403, 'Only pages of this gateway may request tokens.', 'FORBIDDEN');
    },
    handler: async (request, reply) => {
      const { data } = TokenRequest.safeParse(request.body);
      const token = data && (await createToken(data.person));
      if (token) return reply.header('cache-control', 'no-store').send(token);
      const people = PEOPLE.map(({ person }) => person).join(', ');
      return sendError(reply, 400, `Send JSON with a person, one of: ${people}.`, 'BAD_REQUEST');
    },
  });
};
