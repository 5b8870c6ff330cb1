import { createHash, createSecretKey, type KeyObject } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import type { Identity } from '../identity.ts';

/*
 * The gateway signs each request to a subgraph over HTTP: for which subgraph, for whom, and with which body. A subgraph with
 * the secret takes no other requests. The token is a JWT (RFC 7519) with HMAC-SHA256.
 */

/** The header with the token. */
export const IDENTITY_HEADER = 'x-tributary-identity';

/** The scheme in `WWW-Authenticate` of a subgraph that refuses the gateway, and not a client of it. */
export const IDENTITY_SCHEME = 'Tributary-Identity';

const MIN_SECRET_CHARS = 32;

/** How long a request may be on its way, in seconds. Bounds how long a copy of it is accepted. */
const LIFETIME_S = 30;

/** Accepted difference between the clocks of two machines, in seconds. */
const CLOCK_TOLERANCE_S = 10;

const ALGORITHM = 'HS256';

// Tells the token from one that another program signs with the same secret.
const TYPE = 'tributary-identity+jwt';

/**
 * The secrets that gateway and subgraphs share: the first signs, and all are accepted, so that they can be replaced one
 * process after the other. `none` turns signing off, for a network that only the gateway can reach.
 */
export const SubgraphSecret = z.string().transform((text, { addIssue }) => {
  if (text === 'none') return [];
  const secrets = text.split(',').map((secret) => secret.trim());
  if (secrets.some((secret) => secret.length < MIN_SECRET_CHARS)) {
    addIssue({ code: 'custom', message: `must have at least ${MIN_SECRET_CHARS} characters, or be none` });
  }
  return secrets;
});

/** The problem of a process in production without a secret. */
export const SECRET_REQUIRED =
  'SUBGRAPH_SECRET: is required in production, the same for the gateway and its subgraphs; or none in a network that only the gateway can reach.';

const Claims = z.object({
  sub: z.string(),
  method: z.enum(['none', 'anonymous', 'jwt', 'api-key', 'certificate']),
  scopes: z.array(z.string()),
  tenant: z.string().optional(),
  customerEmail: z.string().optional(),
  body: z.string(),
});

const digestOf = (body: string): string => createHash('sha256').update(body).digest('base64url');

/** Returns the secrets of this process, which may change. */
type SecretsOf = () => readonly string[];

/** Creates a function that returns the keys of the current secrets. */
const createKeys = (secretsOf: SecretsOf): (() => readonly KeyObject[]) => {
  let secrets: readonly string[] | undefined;
  let keys: readonly KeyObject[] = [];
  return () => {
    const current = secretsOf();
    if (current !== secrets) keys = current.map((secret) => createSecretKey(Buffer.from(secret)));
    secrets = current;
    return keys;
  };
};

/** Signs requests to one subgraph. Returns the value of `IDENTITY_HEADER`. */
export type SignRequest = (identity: Identity, body: string) => Promise<string>;

/** Creates the signer of requests to one subgraph. Undefined without secrets. */
export const createRequestSigner = (secretsOf: SecretsOf, subgraph: string): SignRequest | undefined => {
  const keysOf = createKeys(secretsOf);
  if (keysOf().length === 0) return undefined;
  return ({ method, subject, scopes, tenant, customerEmail }, body) => {
    const issuedAt = Math.floor(Date.now() / 1_000);
    const claims: z.input<typeof Claims> = {
      sub: subject,
      method,
      scopes: [...scopes],
      tenant,
      customerEmail,
      body: digestOf(body),
    };
    return new SignJWT(claims)
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPE })
      .setAudience(subgraph)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + LIFETIME_S)
      .sign(keysOf()[0] as KeyObject);
  };
};

/** A request whose token is valid. */
export type SignedRequest = {
  readonly identity: Identity;
  /** SHA-256 of the body that was signed, base64url. */
  readonly bodyDigest: string;
};

/** Verifies the token of a request to one subgraph. Undefined if it is missing or invalid. */
export type VerifyRequest = (token: unknown) => Promise<SignedRequest | undefined>;

/** Creates the verifier of requests to one subgraph. Undefined without secrets. */
export const createRequestVerifier = (secretsOf: SecretsOf, subgraph: string): VerifyRequest | undefined => {
  const keysOf = createKeys(secretsOf);
  if (keysOf().length === 0) return undefined;
  const options = {
    algorithms: [ALGORITHM],
    typ: TYPE,
    audience: subgraph,
    clockTolerance: CLOCK_TOLERANCE_S,
    maxTokenAge: LIFETIME_S,
    requiredClaims: ['exp'],
  };
  return async (token) => {
    if (typeof token !== 'string') return undefined;
    for (const key of keysOf()) {
      const payload = await jwtVerify(token, key, options).then(
        (verified) => verified.payload,
        () => undefined,
      );
      const claims = Claims.safeParse(payload).data;
      if (!claims) continue;
      const { sub: subject, body: bodyDigest, scopes, ...rest } = claims;
      return { identity: { ...rest, subject, scopes: new Set(scopes), claims: {} }, bodyDigest };
    }
    return undefined;
  };
};
