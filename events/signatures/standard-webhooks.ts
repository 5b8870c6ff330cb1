import { createHmac } from 'node:crypto';
import {
  isOutdated,
  isSignedByAny,
  MAX_SIGNATURES,
  type SignatureScheme,
  type SignedRequest,
  type VerifyOptions,
} from './scheme.ts';

const ID = 'webhook-id';
const TIMESTAMP = 'webhook-timestamp';
const SIGNATURE = 'webhook-signature';

const PREFIX = 'whsec_';

/** Minimum and maximum length of a key, in bytes, by the specification. */
const [MIN_KEY_BYTES, MAX_KEY_BYTES] = [24, 64];

const keyOf = (secret: string): Buffer =>
  Buffer.from(secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret, 'base64');

const hmac = (secret: string, id: string, timestamp: string, body: Uint8Array): Buffer =>
  createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.`).update(body).digest();

/** Returns the headers of a delivery at a time in milliseconds since 1970, signed with each of the secrets. */
const sign = (
  body: Uint8Array,
  { id, secrets, nowMs }: { readonly id: string; readonly secrets: readonly string[]; readonly nowMs: number },
): Readonly<Record<string, string>> => {
  const timestamp = String(Math.floor(nowMs / 1000));
  const signatures = secrets.map((secret) => `v1,${hmac(secret, id, timestamp, body).toString('base64')}`);
  return { [ID]: id, [TIMESTAMP]: timestamp, [SIGNATURE]: signatures.join(' ') };
};

const verify = ({ header, body }: SignedRequest, options: VerifyOptions) => {
  const [id, timestamp, value] = [header(ID), header(TIMESTAMP), header(SIGNATURE)];
  if (!id || !timestamp || !value) return 'missing';
  // Others, such as v1a, are made with asymmetric keys.
  const signatures = value
    .split(' ', MAX_SIGNATURES)
    .flatMap((text) => /^v1,([\w+/]{43}=)$/.exec(text)?.[1] ?? [])
    .map((text) => Buffer.from(text, 'base64'));
  if (!/^\d{1,12}$/.test(timestamp) || signatures.length === 0) return 'malformed';
  if (!isSignedByAny(options.secrets, signatures, (secret) => hmac(secret, id, timestamp, body))) return 'signature';
  return isOutdated(Number(timestamp) * 1000, options) ? 'timestamp' : undefined;
};

const secretProblem = (secret: string): string | undefined => {
  const { length } = keyOf(secret);
  const isBase64 = /^(whsec_)?[\w+/]+={0,2}$/.test(secret);
  return isBase64 && length >= MIN_KEY_BYTES && length <= MAX_KEY_BYTES
    ? undefined
    : `must be ${PREFIX} and ${MIN_KEY_BYTES} to ${MAX_KEY_BYTES} bytes in base64 each`;
};

/**
 * The scheme of Standard Webhooks, with symmetric keys, which ShipBob and OpenAI use: base64 HMAC-SHA256 of the id, the time and the
 * body. The id in `webhook-id` is signed.
 * Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export const standardWebhooksSignature = {
  name: 'Standard Webhooks',
  signsUrl: false,
  secretProblem,
  sign,
  verify,
} satisfies SignatureScheme & { readonly sign: unknown };
