import { createHmac } from 'node:crypto';
import {
  isOutdated,
  isSignedByAny,
  type SignatureScheme,
  type SignedRequest,
  textSecretProblem,
  type VerifyOptions,
} from './scheme.ts';

const SIGNATURE = 'x-hubspot-signature-v3';
const TIMESTAMP = 'x-hubspot-request-timestamp';

// HubSpot signs the URL with these characters decoded.
// Source: https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests
const DECODED: Readonly<Record<string, string>> = {
  '%3A': ':',
  '%2F': '/',
  '%3F': '?',
  '%40': '@',
  '%21': '!',
  '%24': '$',
  '%27': "'",
  '%28': '(',
  '%29': ')',
  '%2A': '*',
  '%2C': ',',
  '%3B': ';',
};

const decode = (url: string): string => url.replace(/%[0-9A-F]{2}/gi, (code) => DECODED[code.toUpperCase()] ?? code);

type Signed = Pick<SignedRequest, 'method' | 'url'> & { readonly body: Uint8Array };

const hmac = (secret: string, { method, url, body }: Signed, timestamp: string): Buffer =>
  createHmac('sha256', secret)
    .update(`${method}${decode(url)}`)
    .update(body)
    .update(timestamp)
    .digest();

/** Returns the headers of a delivery at a time in milliseconds since 1970. */
const sign = (request: Signed, secret: string, nowMs: number): Readonly<Record<string, string>> => {
  const timestamp = String(nowMs);
  return { [TIMESTAMP]: timestamp, [SIGNATURE]: hmac(secret, request, timestamp).toString('base64') };
};

const verify = (request: SignedRequest, options: VerifyOptions) => {
  const [signature, timestamp] = [request.header(SIGNATURE), request.header(TIMESTAMP)];
  if (!signature || !timestamp) return 'missing';
  if (!/^\d{1,15}$/.test(timestamp) || !/^[\w+/]{43}=$/.test(signature)) return 'malformed';
  const isSigned = isSignedByAny(options.secrets, [Buffer.from(signature, 'base64')], (secret) =>
    hmac(secret, request, timestamp),
  );
  if (!isSigned) return 'signature';
  return isOutdated(Number(timestamp), options) ? 'timestamp' : undefined;
};

/**
 * HubSpot's scheme, version 3: base64 HMAC-SHA256 of the method, the public URL, the body and the time in milliseconds.
 * Source: https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests
 */
export const hubspotSignature = {
  name: 'HubSpot v3',
  signsUrl: true,
  secretProblem: textSecretProblem,
  sign,
  verify,
} satisfies SignatureScheme & { readonly sign: unknown };
