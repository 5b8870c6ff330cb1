import type { FastifyReply } from 'fastify';
import Negotiator from 'negotiator';
import { acceptsMultipart } from '../../runtime/accepts-multipart.ts';
import { EVENT_STREAM_TYPE, HEARTBEAT, toStreamEvent } from '../../runtime/event-stream.ts';
import { MULTIPART_BEGIN, MULTIPART_END, toPart } from '../../runtime/multipart.ts';
import { onResponseClose } from '../../runtime/on-response-close.ts';
import { createStreamWriter } from '../../runtime/stream-writer.ts';
import {
  type EndReason,
  type PayloadOptions,
  type SubscriptionMessage,
  toEndPayload,
  writeMessage,
} from './message.ts';
import { createOutbox } from './outbox.ts';
import type { Subscriber } from './registry.ts';

/*
 * Subscriptions over HTTP, in the two formats of clients: server-sent events as graphql-sse defines them (distinct connections), and
 * multipart as Apollo's clients read it.
 *
 * Sources: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md,
 * https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol
 */

/** The text of a stream. */
type StreamFormat = {
  readonly contentType: string;
  /** Begins the stream. `place` is that after which the subscription can be continued. */
  readonly begin: (place: string | undefined) => string;
  readonly message: (message: SubscriptionMessage, options: PayloadOptions) => string;
  /** The one result of a query or a mutation, as JSON. */
  readonly result: (json: string) => string;
  /** Sent while there are no messages, so that nobody on the way takes the connection for dead. */
  readonly heartbeat: string;
  /** Ends the stream. */
  readonly end: (reason: EndReason) => string;
};

export const STREAM_FORMATS = {
  sse: {
    contentType: EVENT_STREAM_TYPE,
    // An id without data is not an event: browsers remember it for the header Last-Event-ID.
    begin: (place) => (place === undefined ? HEARTBEAT : `id: ${place}\n\n`),
    message: (message, options) => toStreamEvent('next', writeMessage(message, options), message.eventId),
    result: (json) => toStreamEvent('next', json),
    heartbeat: HEARTBEAT,
    end: (reason) =>
      `${reason ? toStreamEvent('next', JSON.stringify(toEndPayload(reason))) : ''}${toStreamEvent('complete')}`,
  },
  multipart: {
    contentType: 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0',
    begin: () => MULTIPART_BEGIN,
    message: (message, options) => toPart(`{"payload":${writeMessage(message, options)}}`),
    result: (json) => toPart(`{"payload":${json}}`),
    heartbeat: toPart('{}'),
    end: (reason) =>
      `${reason ? toPart(`{"payload":null,${JSON.stringify(toEndPayload(reason)).slice(1)}`) : ''}${MULTIPART_END}`,
  },
} as const satisfies Record<string, StreamFormat>;

export type StreamType = keyof typeof STREAM_FORMATS;

/**
 * Returns the stream that a client accepts. Undefined if it accepts none. A client that also accepts JSON gets a stream only for a
 * subscription.
 */
export const streamTypeFor = (accept: string | undefined): StreamType | undefined => {
  if (!accept) return undefined;
  if (acceptsMultipart(accept, /;\s*subscriptionSpec="?1\.0"?/i)) return 'multipart';
  return accept.includes('text/event-stream') &&
    new Negotiator({ headers: { accept } }).mediaTypes(['text/event-stream']).length > 0
    ? 'sse'
    : undefined;
};

export type StreamOptions = {
  readonly heartbeatMs: number;
  /** Time after which a client that reads nothing of what was sent is disconnected, in milliseconds. */
  readonly writeTimeoutMs: number;
  /** Whether messages say what has caused them. */
  readonly hasCause: boolean;
  /** Marks a response as complete: it waits only for its client, for so many bytes. */
  readonly sending: (response: FastifyReply['raw'], bytes: number) => void;
};

/** Opens a stream over a response whose headers are set. Returns the subscriber that writes to it. */
export const openStream = (
  response: FastifyReply['raw'],
  type: StreamType,
  { heartbeatMs, writeTimeoutMs, sending, hasCause }: StreamOptions,
): Subscriber & { readonly begin: (place: string | undefined) => void } => {
  const format: StreamFormat = STREAM_FORMATS[type];
  const heartbeats = setInterval(() => {
    if (!response.writableNeedDrain) response.write(format.heartbeat);
  }, heartbeatMs).unref();
  onResponseClose(response, () => clearInterval(heartbeats));
  const write = createStreamWriter(response, { writeTimeoutMs, onDrain: () => outbox.drained() });
  const outbox = createOutbox((message, missed) => write(format.message(message, { missed, hasCause })));
  return {
    begin: (place) => void write(format.begin(place)),
    send: outbox.push,
    end: (reason) =>
      outbox.end(() => {
        clearInterval(heartbeats);
        response.end(format.end(reason));
        sending(response, response.writableLength);
      }),
  };
};
