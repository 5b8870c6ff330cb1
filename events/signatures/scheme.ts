import { timingSafeEqual } from 'node:crypto';

/** A request as its sender has signed it. */
export type SignedRequest = {
  readonly method: string;
  /** The URL that the sender has called, with its query. From the configuration, never from a header: anybody can send those. */
  readonly url: string;
  /** Returns a header by its lower-case name; undefined if it is missing or repeated. */
  readonly header: (name: string) => string | undefined;
  /** The body as it arrived. */
  readonly body: Buffer;
};

/**
 * Why a delivery is refused: a header is missing or malformed, no secret fits, it was signed too long ago, or the certificate
 * cannot be loaded or used.
 */
export type SignatureProblem = 'missing' | 'malformed' | 'signature' | 'timestamp' | 'certificate';

export type VerifyOptions = {
  /** All live secrets: the current one, and the one before it while the provider still uses it. */
  readonly secrets: readonly string[];
  /** The time, in milliseconds since 1970. */
  readonly nowMs: number;
  /** Maximum distance between a signed time and now, in milliseconds. */
  readonly toleranceMs: number;
};

/** How a provider signs its deliveries. */
export type SignatureScheme = {
  readonly name: string;
  /** Whether the URL is signed, so that the gateway has to know its public URL. */
  readonly signsUrl: boolean;
  /** Returns why a secret cannot be one of this scheme, as the end of a sentence; undefined if it can. */
  readonly secretProblem: (secret: string) => string | undefined;
  /** Returns why the request is refused; undefined if it is the provider's. */
  readonly verify: (
    request: SignedRequest,
    options: VerifyOptions,
  ) => SignatureProblem | undefined | Promise<SignatureProblem | undefined>;
};

/** Returns whether two strings of bytes are equal, in a time that depends on their lengths alone. */
export const areEqual = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && timingSafeEqual(one, other);

/**
 * Returns whether any signature was made with any secret. Compares all of them, so that the time does not tell which one fits.
 */
export const isSignedByAny = (
  secrets: readonly string[],
  signatures: readonly Uint8Array[],
  sign: (secret: string) => Uint8Array,
): boolean => {
  let isSigned = false;
  for (const secret of secrets) {
    const expected = sign(secret);
    for (const signature of signatures) if (areEqual(signature, expected)) isSigned = true;
  }
  return isSigned;
};

/** Returns whether a signed time is too far from now, in either direction. */
export const isOutdated = (signedMs: number, { nowMs, toleranceMs }: VerifyOptions): boolean =>
  !(Math.abs(nowMs - signedMs) <= toleranceMs);

/** Maximum number of signatures in one header. Providers send one for each live secret. */
export const MAX_SIGNATURES = 10;

const MIN_SECRET_CHARS = 16;

/** Checks a secret that is used as text. */
export const textSecretProblem = (secret: string): string | undefined =>
  secret.length < MIN_SECRET_CHARS ? `must have at least ${MIN_SECRET_CHARS} characters each` : undefined;
