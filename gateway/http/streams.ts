import type { ApolloServer } from '@apollo/server';
import { HeaderMap } from '@apollo/server';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpApp } from '../../runtime/http-app.ts';
import { OVERLOADED } from '../../runtime/http-errors.ts';
import { onResponseClose } from '../../runtime/on-response-close.ts';
import { JSON_TYPE, responseTypeFor } from '../../runtime/response-type.ts';
import { beginStream } from '../../runtime/stream-writer.ts';
import { PLACE_HEADER } from '../../subgraphs/kit/protocol/options.ts';
import type { GatewayConfig } from '../config.ts';
import type { PreparedSubscription } from '../subscriptions/group.ts';
import {
  openStream,
  STREAM_FORMATS,
  type StreamOptions,
  type StreamType,
  streamTypeFor,
} from '../subscriptions/stream.ts';
import type { RequestContext } from './context.ts';
import { readLastEventId } from './last-event-id.ts';
import type { GatewaySubscriptions, RefusedSubscription } from './subscriptions.ts';

export type StreamHandlerOptions = {
  readonly apollo: ApolloServer<RequestContext>;
  readonly subscriptions: GatewaySubscriptions;
  readonly contextOf: (
    request: FastifyRequest,
    reply: FastifyReply,
    onSubscription: RequestContext['onSubscription'],
  ) => RequestContext;
  readonly sending: StreamOptions['sending'];
  readonly streaming: HttpApp['streaming'];
  readonly config: Pick<GatewayConfig, 'subscriptions' | 'http'>;
};

/** Creates the handler of requests whose response may be a stream. */
export const createStreamHandler = ({
  apollo,
  subscriptions,
  contextOf,
  sending,
  streaming,
  config,
}: StreamHandlerOptions): ((request: FastifyRequest, reply: FastifyReply) => Promise<unknown>) => {
  const streamOptions = {
    heartbeatMs: config.subscriptions.heartbeatMs,
    writeTimeoutMs: config.http.writeTimeoutMs,
    sending,
  };

  const begin = (
    reply: FastifyReply,
    type: StreamType,
    { clientReport }: RequestContext,
    place?: string | undefined,
  ) => {
    streaming(reply.raw);
    const raw = beginStream(reply, {
      'content-type': STREAM_FORMATS[type].contentType,
      ...(place !== undefined && { [PLACE_HEADER]: place }),
    });
    return openStream(raw, type, { ...streamOptions, hasCause: clientReport !== undefined });
  };

  /** Responds to a request as fastifyApolloHandler does, with the body of a complete response. */
  const respond = async (request: FastifyRequest, reply: FastifyReply, context: RequestContext) => {
    const headers = new HeaderMap();
    for (const [name, value] of Object.entries(request.headers)) {
      if (value !== undefined) headers.set(name, [value].flat().join(', '));
    }
    const { body, ...response } = await apollo.executeHTTPGraphQLRequest({
      httpGraphQLRequest: {
        method: request.method,
        headers,
        body: request.body,
        search: URL.parse(request.url, 'http://gateway')?.search ?? '',
      },
      context: async () => context,
    });
    for (const [name, value] of response.headers) reply.header(name, value);
    reply.code(response.status ?? 200);
    if (body.kind !== 'complete') throw new Error('The response is not complete.');
    return body.string;
  };

  /** Responds with a stream of one result. */
  const respondOnce = (reply: FastifyReply, type: StreamType, context: RequestContext, json: string): FastifyReply => {
    const { begin: open, end } = begin(reply, type, context);
    open(undefined);
    reply.raw.write(STREAM_FORMATS[type].result(json));
    end(undefined);
    return reply;
  };

  const refuse = (
    reply: FastifyReply,
    { errors, status }: RefusedSubscription,
    type: StreamType,
    context: RequestContext,
  ) => {
    if (status === OVERLOADED.status) reply.header('retry-after', '1');
    const body = { errors };
    if (isAnswered(reply.code(status))) return respondOnce(reply, type, context, JSON.stringify(body));
    return reply.type(responseTypeFor(reply.request.headers.accept) ?? JSON_TYPE).send(body);
  };

  return async (request, reply) => {
    const { accept } = request.headers;
    const type = streamTypeFor(accept) as StreamType;
    let prepared: PreparedSubscription<RequestContext> | undefined;
    const context = contextOf(request, reply, (subscription) => {
      prepared = subscription;
    });
    const after = readLastEventId(request);
    const text = await respond(request, reply, context);
    // The request is kept for as long as its stream.
    request.body = undefined;
    if (!prepared) {
      // Queries and mutations, too, may be sent for an event stream only.
      return isAnswered(reply) ? respondOnce(reply, type, context, text.trimEnd()) : text;
    }
    let hasLeft = false;
    onResponseClose(reply.raw, () => {
      hasLeft = true;
    });
    const pending: (() => void)[] = [];
    let stream: ReturnType<typeof openStream> | undefined;
    const whenOpen = (act: (open: ReturnType<typeof openStream>) => void): void => {
      if (stream) act(stream);
      else pending.push(() => stream && act(stream));
    };
    const added = await subscriptions.add({
      prepared,
      context,
      after,
      subscriber: {
        send: (message) => whenOpen(({ send }) => send(message)),
        end: (reason) => whenOpen(({ end }) => end(reason)),
      },
    });
    if (!('leave' in added)) return refuse(reply, added, type, context);
    if (hasLeft) {
      added.leave();
      return reply.hijack();
    }
    stream = begin(reply, type, context, added.place);
    stream.begin(added.place);
    for (const act of pending) act();
    onResponseClose(reply.raw, added.leave);
    return reply;
  };
};

/**
 * Whether a client that accepts a stream only gets the response in one: results, and errors of the operation. graphql-sse would send
 * the request again and again after an error status, for half a minute.
 */
const isAnswered = ({ statusCode, request }: FastifyReply): boolean =>
  (statusCode === 200 || statusCode === 400) && responseTypeFor(request.headers.accept) === undefined;
