import { createHash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, errors, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { monotonicNow } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Identity } from '../../subgraphs/kit/identity.ts';
import { type ClaimNames, toIdentity } from './claims.ts';
import { AuthenticationUnavailableError } from './unavailable.ts';

/** An issuer of tokens (JWT, RFC 7519) and the rules by which they are verified. */
export type TokenIssuer = {
  readonly issuer: string;
  readonly audiences: readonly string[];
  /** The accepted signature algorithms. Either asymmetric ones or HMAC ones, never both. */
  readonly algorithms: readonly string[];
  /** Tolerated difference of clocks, in seconds. */
  readonly clockToleranceS: number;
  readonly claims: ClaimNames;
  readonly getKey: JWTVerifyGetKey;
  /** Waits for keys that are fetched after `time`, if the issuer's keys can change. */
  readonly refresh?: ((time: number) => Promise<void>) | undefined;
};

export type TokenVerifier = {
  /** Returns the identity of a valid token, and undefined for any other. Throws AuthenticationUnavailableError. */
  readonly verify: (token: string) => Promise<Identity | undefined>;
  /** Forgets which tokens are valid, because a key has been replaced. */
  readonly clear: () => void;
  /** Returns whether a token claims to be of an issuer. The claim is not verified. */
  readonly claimsIssuer: (token: string, issuer: string) => boolean;
};

/** Maximum length of a token. Real ones have one to four thousand characters. */
const MAX_TOKEN_LENGTH = 8_192;

// A verification takes some 60 µs for RSA and 150 µs for ECDSA, a lookup 3 µs.
const MAX_CACHED = 10_000;
const MAX_CACHED_CHARS = 16 * 1024 * 1024;

type Cached = { readonly identity: Identity; readonly expiresAtMs: number; readonly length: number };

/** Creates the verifier of the tokens of some issuers. Tokens of others are invalid, and nothing is fetched for them. */
export const createTokenVerifier = (issuers: readonly TokenIssuer[], log: Log): TokenVerifier => {
  const byName = new Map(issuers.map((one) => [one.issuer, one]));
  const createCache = () =>
    new LRUCache<string, Cached>({
      max: MAX_CACHED,
      maxSize: MAX_CACHED_CHARS,
      sizeCalculation: ({ length }) => length,
    });
  let verified = createCache();

  const verify = async (token: string): Promise<Cached | undefined> => {
    const issuer = byName.get(issuerOf(token) ?? '');
    if (!issuer) return undefined;
    const { payload } = await verifySignature(token, issuer);
    const identity = toIdentity(payload, issuer.claims);
    if (!identity) log.debug({ issuer: issuer.issuer }, 'Refused a token whose claims cannot be used.');
    return identity && { identity, expiresAtMs: Number(payload.exp) * 1_000, length: token.length };
  };

  return {
    verify: async (token) => {
      if (token.length > MAX_TOKEN_LENGTH) return undefined;
      const digest = createHash('sha256').update(token).digest('base64');
      // A verification that began before `clear` is not remembered after it.
      const cache = verified;
      const cached = cache.get(digest);
      if (cached && Date.now() < cached.expiresAtMs) return cached.identity;
      try {
        const valid = await verify(token);
        if (valid && Date.now() < valid.expiresAtMs) cache.set(digest, valid);
        return valid?.identity;
      } catch (error) {
        if (error instanceof AuthenticationUnavailableError) throw error;
        // jose throws other errors than its own as well, such as a TypeError for a key of another kind.
        log.debug({ why: describe(error) }, 'Refused a token.');
        return undefined;
      }
    },
    clear: () => {
      verified = createCache();
    },
    claimsIssuer: (token, issuer) => issuerOf(token) === issuer,
  };
};

const issuerOf = (token: string): string | undefined => {
  try {
    return token.length > MAX_TOKEN_LENGTH ? undefined : decodeJwt(token).iss;
  } catch {
    return undefined;
  }
};

const verifySignature = async (token: string, issuer: TokenIssuer) => {
  const options: JWTVerifyOptions = {
    issuer: issuer.issuer,
    audience: [...issuer.audiences],
    algorithms: [...issuer.algorithms],
    clockTolerance: issuer.clockToleranceS,
    requiredClaims: ['exp'],
    currentDate: new Date(Date.now()),
  };
  const startedAt = monotonicNow();
  try {
    return await jwtVerify(token, issuer.getKey, options);
  } catch (error) {
    // Without a key ID, the signature is the only sign of a new key.
    const mayBeOfNewKey = error instanceof errors.JWSSignatureVerificationFailed && issuer.refresh;
    if (!mayBeOfNewKey || decodeProtectedHeader(token).kid !== undefined) throw error;
    await issuer.refresh?.(startedAt);
    return jwtVerify(token, issuer.getKey, options);
  }
};

/** Describes a refusal for the log: a code of jose, and the claim at fault. Never a value. */
const describe = (error: unknown): string => {
  if (!(error instanceof errors.JOSEError)) return error instanceof Error ? error.name : 'unknown';
  return 'claim' in error ? `${error.code} ${error.claim}` : error.code;
};
