import { openInbox } from '../../events/inbox/inbox.ts';
import { openStore } from '../../events/inbox/open-store.ts';
import { registerWebhooks } from '../../gateway/http/webhooks.ts';
import { createHostPolicy } from '../../runtime/hosts.ts';
import { createHttpApp } from '../../runtime/http-app.ts';
import { HttpEnv, toHttpLimits } from '../../runtime/http-limits.ts';
import { createLog } from '../../runtime/log.ts';
import { createTurnQueue } from '../../runtime/turn-queue.ts';
import { stripeWebhook } from '../../subgraphs/payments/stripe/webhook.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';

/* Receives Stripe's webhook and nothing else, so that it starts fast: a process for tests that kill it. */

const { PORT, SECRET = '', EVENTS_FILE: file, EVENTS_URL: url } = process.env;
const log = createLog('silent');
const telemetry = createTelemetry();
const inbox = await openInbox({
  store: await openStore({ file, url }),
  webhooks: new Map([['stripe', stripeWebhook]]),
  limits: { maxWaiting: 100_000, maxBytes: 1e9, retentionMs: 1e9 },
  telemetry,
  log,
});
const { app, listen } = createHttpApp({
  log,
  shutdownDelayMs: 0,
  shutdownGraceMs: 1_000,
  limits: toHttpLimits(HttpEnv.parse({})),
  hosts: createHostPolicy([]),
  turns: createTurnQueue(),
});
await registerWebhooks(app, {
  inbox,
  sources: [
    {
      provider: 'stripe',
      subgraph: 'payments',
      signature: stripeWebhook.signature,
      secrets: () => [SECRET],
      isLocal: true,
    },
  ],
  toleranceMs: 300_000,
  publicUrl: () => '',
  telemetry,
  onRefused: undefined,
});
await listen({ port: Number(PORT), host: '127.0.0.1' });
console.log('listening');
