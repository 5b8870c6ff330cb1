import { createHmac } from 'node:crypto';
import type { Delivery, ProviderEvent } from '../webhook.ts';
import {
  isSignedByAny,
  type SignatureScheme,
  type SignedRequest,
  textSecretProblem,
  type VerifyOptions,
} from './scheme.ts';

const HEADER = 'x-shopify-hmac-sha256';

const hmac = (secret: string, body: Uint8Array): Buffer => createHmac('sha256', secret).update(body).digest();

/** Returns the headers of a delivery. */
const sign = (body: Uint8Array, secret: string): Readonly<Record<string, string>> => ({
  [HEADER]: hmac(secret, body).toString('base64'),
});

const verify = ({ header, body }: SignedRequest, { secrets }: VerifyOptions) => {
  const signature = header(HEADER);
  if (!signature) return 'missing';
  if (!/^[\w+/]{43}=$/.test(signature)) return 'malformed';
  const isSigned = isSignedByAny(secrets, [Buffer.from(signature, 'base64')], (secret) => hmac(secret, body));
  return isSigned ? undefined : 'signature';
};

/**
 * Shopify's scheme: base64 HMAC-SHA256 of the body. No time is signed and no header, so an old delivery verifies for as long as the
 * secret is in use: `shopifyEvent` makes its content known, by which the inbox recognizes it.
 * Source: https://shopify.dev/docs/apps/build/webhooks/subscribe/https
 */
export const shopifySignature = {
  name: 'Shopify',
  signsUrl: false,
  secretProblem: textSecretProblem,
  sign,
  verify,
} satisfies SignatureScheme & { readonly sign: unknown };

/**
 * Returns what all events of Shopify have: the id of the delivery, which is the same in repetitions, and the topic. Throws if either
 * is missing.
 */
export const shopifyEvent = ({
  header,
  body,
}: Delivery): Pick<ProviderEvent, 'id' | 'content' | 'type' | 'payload'> => {
  const [topic, id] = [header('x-shopify-topic'), header('x-shopify-webhook-id') ?? header('x-shopify-event-id')];
  if (!topic || !id) throw new Error('The delivery has no topic or no id.');
  // The id is not signed: whoever has recorded a delivery can send it under another one. One change has several topics.
  return { id, content: { topic, body }, type: topic, payload: body };
};
