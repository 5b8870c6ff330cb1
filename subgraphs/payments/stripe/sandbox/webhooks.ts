import { stripeSignature } from '../../../../events/signatures/stripe.ts';
import { createWebhookSender, type WebhookSender } from '../../../../sandbox/webhooks.ts';

/** Creates the sandbox's webhook endpoint: one event in each delivery, as it was when it was recorded. */
export const createStripeWebhooks = (now: () => number): WebhookSender =>
  createWebhookSender({
    maxEvents: 1,
    toBody: ([event]) => JSON.stringify(event, null, 2),
    sign: (body, { secret }) => stripeSignature.sign(Buffer.from(body), [secret], now()),
  });
