import { hubspotSignature } from '../../events/signatures/hubspot.ts';
import { stripeSignature } from '../../events/signatures/stripe.ts';
import type { Sandbox } from '../../sandbox/server.ts';
import type { Stack } from './stack.ts';

export const STRIPE_SECRET = 'whsec_test_0123456789abcdef';
export const HUBSPOT_SECRET = 'hubspot-0123456789abcdef';

/** The public URL of the gateways in tests: a proxy's, which nobody calls. */
export const PUBLIC_URL = 'https://api.example.test';

/** The variables of a gateway that receives the webhooks of Stripe and HubSpot, and keeps their events in memory. */
export const WEBHOOKS = {
  STRIPE_WEBHOOK_SECRET: STRIPE_SECRET,
  HUBSPOT_WEBHOOK_SECRET: HUBSPOT_SECRET,
  PUBLIC_URL,
  EVENTS_FILE: ':memory:',
} as const;

/** Makes the sandboxes of a stack report their changes to a gateway. */
export const connectWebhooks = ({ stripe, hubspot }: Pick<Stack, 'stripe' | 'hubspot'>, url: string): void => {
  stripe.sendWebhooks?.({ url: `${url}/webhooks/stripe`, secret: STRIPE_SECRET });
  hubspot.sendWebhooks?.({
    url: `${url}/webhooks/hubspot`,
    secret: HUBSPOT_SECRET,
    publicUrl: `${PUBLIC_URL}/webhooks/hubspot`,
  });
};

export type Posted = { readonly status: number; readonly body: unknown; readonly headers: Headers };

export const post = async (
  url: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>>,
): Promise<Posted> => {
  const response = await fetch(url, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });
  const text = await response.text();
  return { status: response.status, body: text && JSON.parse(text), headers: response.headers };
};

/** Delivers an event of Stripe, signed, to a gateway. */
export const postStripe = (url: string, event: object, secret = STRIPE_SECRET): Promise<Posted> => {
  const body = JSON.stringify(event);
  return post(`${url}/webhooks/stripe`, body, stripeSignature.sign(Buffer.from(body), [secret], Date.now()));
};

/** Delivers events of HubSpot, signed, to a gateway. */
export const postHubSpot = (url: string, events: readonly object[]): Promise<Posted> => {
  const body = JSON.stringify(events);
  const signed = { method: 'POST', url: `${PUBLIC_URL}/webhooks/hubspot`, body: Buffer.from(body) };
  return post(`${url}/webhooks/hubspot`, body, hubspotSignature.sign(signed, HUBSPOT_SECRET, Date.now()));
};

/** Returns an event of Stripe about a customer. */
export const stripeEvent = (
  id: string,
  { email = `${id}@customers.example`, customer = 'cus_1', created = 1_796_000_000 } = {},
) => ({
  id,
  object: 'event',
  type: 'customer.updated',
  created,
  request: { id: `req_${id}`, idempotency_key: null },
  data: { object: { object: 'customer', id: customer, email } },
});

/** The events that a sandbox has delivered and that were accepted. */
export const acceptedBy = ({ deliveries }: Sandbox): string[] =>
  deliveries.flatMap(({ types, status }) => (status === 200 ? types : []));
