import { createHmac } from 'node:crypto';
import {
  isOutdated,
  isSignedByAny,
  MAX_SIGNATURES,
  type SignatureScheme,
  type SignedRequest,
  textSecretProblem,
  type VerifyOptions,
} from './scheme.ts';

const HEADER = 'stripe-signature';

const hmac = (secret: string, timestamp: string, body: Uint8Array): Buffer =>
  createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest();

/** Returns the headers of a delivery at a time in milliseconds since 1970, signed with each of the secrets. */
const sign = (body: Uint8Array, secrets: readonly string[], nowMs: number): Readonly<Record<string, string>> => {
  const timestamp = String(Math.floor(nowMs / 1000));
  const signatures = secrets.map((secret) => `v1=${hmac(secret, timestamp, body).toString('hex')}`);
  return { [HEADER]: [`t=${timestamp}`, ...signatures].join(',') };
};

const verify = ({ header, body }: SignedRequest, options: VerifyOptions) => {
  const value = header(HEADER);
  if (!value) return 'missing';
  const parts = value.split(',', MAX_SIGNATURES + 1).map((part) => part.split('='));
  const valuesOf = (name: string) => parts.flatMap(([key, text]) => (key === name && text ? [text] : []));
  const [timestamp, ...others] = valuesOf('t');
  // Other schemes, such as v0, are no proof.
  const signatures = valuesOf('v1').filter((text) => /^[0-9a-f]{64}$/.test(text));
  if (!timestamp || others.length > 0 || !/^\d{1,12}$/.test(timestamp) || signatures.length === 0) return 'malformed';
  const isSigned = isSignedByAny(
    options.secrets,
    signatures.map((text) => Buffer.from(text, 'hex')),
    (secret) => hmac(secret, timestamp, body),
  );
  if (!isSigned) return 'signature';
  return isOutdated(Number(timestamp) * 1000, options) ? 'timestamp' : undefined;
};

/**
 * Stripe's scheme: HMAC-SHA256 of the time, a dot and the body, as `t=…,v1=…`, with one `v1` for each live secret.
 * Source: https://docs.stripe.com/webhooks/signature
 */
export const stripeSignature = {
  name: 'Stripe',
  signsUrl: false,
  secretProblem: textSecretProblem,
  sign,
  verify,
} satisfies SignatureScheme & { readonly sign: unknown };
