import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Inbox, InboxProblem } from '../../events/inbox/inbox.ts';
import type { SignatureProblem, SignatureScheme, SignedRequest } from '../../events/signatures/scheme.ts';
import { exceededJsonBound, MAX_JSON_DEPTH } from '../../runtime/json-bounds.ts';
import { sendError } from '../../runtime/send-refusal.ts';
import type { OpenEvents } from '../../subgraphs/kit/open-events.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { RefusedDelivery } from '../audit/audit.ts';

/** A provider whose webhook is received. */
export type WebhookSource = {
  readonly provider: string;
  readonly subgraph: string;
  readonly signature: SignatureScheme;
  /** Returns the live secrets. */
  readonly secrets: () => readonly string[];
  /** Whether it calls the listening address instead of the public one: a sandbox in this process. */
  readonly isLocal: boolean;
};

/** The webhooks of a gateway, and where their events are kept. */
export type Webhooks = {
  readonly sources: readonly WebhookSource[];
  readonly inbox: Pick<Inbox, 'receive'>;
  /** Returns the events of a subgraph's provider. Undefined if they are not received. */
  readonly eventsOf: OpenEvents['eventsOf'];
};

export type WebhookRoutesOptions = Pick<Webhooks, 'sources' | 'inbox'> & {
  readonly toleranceMs: number;
  /** Returns the URL of the gateway that a source calls, without a slash at the end. */
  readonly publicUrl: (source: WebhookSource) => string;
  readonly telemetry: Telemetry;
  /** Records a refused delivery in the audit log, if there is one. */
  readonly onRefused: ((delivery: RefusedDelivery) => void) | undefined;
};

/** Maximum size of a delivery, in bytes. Stripe's are below 256 KiB; HubSpot's have up to 100 small events. */
const MAX_DELIVERY_BYTES = 1024 * 1024;

/** What is parsed of a delivery. The number of its values is bounded by its size. */
const BOUNDS = { depth: MAX_JSON_DEPTH, values: Number.POSITIVE_INFINITY };

/** Time after which a provider should repeat a delivery that could not be stored, in seconds. */
const RETRY_AFTER_S = 30;

const PROBLEMS: Readonly<Record<InboxProblem, { readonly code: string; readonly message: string }>> = {
  full: { code: 'INBOX_FULL', message: 'The inbox of events is full. Send the delivery again later.' },
  unavailable: {
    code: 'INBOX_UNAVAILABLE',
    message: 'The inbox of events cannot be written. Send the delivery again later.',
  },
};

/**
 * Registers `POST /webhooks/<provider>` for each source. A delivery is answered with 200 after its events are committed, with 401
 * if it is not the provider's, and with 503 if it cannot be stored.
 */
export const registerWebhooks = async (app: FastifyInstance, options: WebhookRoutesOptions): Promise<void> => {
  await app.register(async (scope) => {
    // Signatures are made of the bytes, whatever the type says that they are.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    for (const source of options.sources) {
      scope.post(`/webhooks/${source.provider}`, { bodyLimit: MAX_DELIVERY_BYTES }, (request, reply) =>
        receive(source, options, request, reply),
      );
    }
  });
};

const receive = async (
  source: WebhookSource,
  { inbox, toleranceMs, publicUrl, telemetry, onRefused }: WebhookRoutesOptions,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> => {
  const { provider, signature, secrets } = source;
  const base = publicUrl(source);
  const header = readHeader(request);
  const signed: SignedRequest = {
    method: request.method,
    url: `${base}${request.raw.url}`,
    header,
    body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
  };
  const problem = await signature.verify(signed, { secrets: secrets(), nowMs: Date.now(), toleranceMs });
  if (problem) {
    telemetry.emit({ type: 'webhook.refusal', provider, reason: problem });
    onRefused?.({ provider, reason: problem, address: request.ip });
    return sendError(reply, 401, MESSAGES[problem], 'WEBHOOK_REFUSED');
  }
  const receipt = await inbox.receive(provider, { header, body: parse(signed.body) });
  if (typeof receipt === 'string') {
    telemetry.emit({ type: 'webhook.refusal', provider, reason: receipt });
    const { code, message } = PROBLEMS[receipt];
    return sendError(reply.header('retry-after', RETRY_AFTER_S), 503, message, code);
  }
  telemetry.emit({ type: 'webhook.delivery', provider, ...receipt });
  return reply.send({ received: receipt.events, duplicates: receipt.duplicates });
};

// For the provider's operator, who sees the response. None of them says more than a forger knows already.
const MESSAGES: Readonly<Record<SignatureProblem, string>> = {
  missing: 'The delivery has no signature.',
  malformed: 'The signature of the delivery is malformed.',
  signature: 'The signature of the delivery is wrong. Check the secret of the webhook.',
  timestamp: 'The delivery was signed too long ago. Check the clocks.',
  certificate: 'The certificate of the delivery cannot be loaded or used. Send it again later.',
};

/** Returns a function that reads a header; undefined if it is missing or repeated. */
const readHeader =
  ({ raw: { rawHeaders } }: FastifyRequest) =>
  (name: string): string | undefined => {
    const values = rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name);
    return values.length === 1 ? values[0] : undefined;
  };

/** Parses a body; text if it is not JSON, or nested so deeply that code which traverses it would overflow the stack. */
const parse = (body: Buffer): unknown => {
  const text = body.toString();
  if (exceededJsonBound(text, BOUNDS)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};
