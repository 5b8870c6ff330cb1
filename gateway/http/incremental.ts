import type { ApolloServer } from '@apollo/server';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GraphQLFormattedError } from 'graphql';
import { acceptsMultipart } from '../../runtime/accepts-multipart.ts';
import { MULTIPART_BEGIN, MULTIPART_END, toPart } from '../../runtime/multipart.ts';
import { responseTypeFor } from '../../runtime/response-type.ts';
import { beginStream, createStreamWriter } from '../../runtime/stream-writer.ts';
import type { GatewayConfig } from '../config.ts';
import type { DeliveredPart, Delivery, PendingPart } from '../execution/delivery.ts';
import type { GraphPipeline } from './apollo.ts';
import type { RequestContext } from './context.ts';

/*
 * Responses to operations with `@defer`, in the two formats of Apollo's clients: parts identified by path and label, and parts that
 * are announced and completed by id.
 *
 * Sources: https://specs.apollo.dev/incremental/v0.1/ (deferSpec=20220824) and https://specs.apollo.dev/incremental/v0.2/
 */

type Errors = readonly GraphQLFormattedError[];
type Part = Omit<DeliveredPart, 'errors'> & { readonly errors: Errors | undefined };

/** The messages of a format, as JSON values. */
type IncrementalFormat = {
  readonly contentType: string;
  /** Whether a part repeats the fields that are also outside of it, which clients of this format may expect. */
  readonly repeatsFields: boolean;
  readonly announce: (pending: readonly PendingPart[]) => object;
  readonly parts: (parts: readonly Part[]) => object;
  /** The parts that will not follow, for a common reason. */
  readonly fail: (pending: readonly PendingPart[], errors: Errors) => object;
};

const byPath = ({ path, label }: PendingPart) => ({ path, ...(label !== undefined && { label }) });

const withErrors = (errors: Errors | undefined) => (errors ? { errors } : {});

const FORMATS = {
  deferSpec: {
    contentType: 'multipart/mixed;boundary="graphql";deferSpec=20220824',
    repeatsFields: true,
    announce: () => ({}),
    parts: (parts) =>
      parts.length > 0
        ? { incremental: parts.map((part) => ({ ...byPath(part), data: part.data, ...withErrors(part.errors) })) }
        : {},
    fail: (pending, errors) =>
      pending.length > 0
        ? {
            incremental: pending.map((part, index) => {
              return { ...byPath(part), data: null, ...(index === 0 && { errors }) };
            }),
          }
        : { errors },
  },
  incrementalSpec: {
    contentType: 'multipart/mixed;boundary="graphql";incrementalSpec=v0.2',
    repeatsFields: false,
    announce: (pending) =>
      pending.length > 0 ? { pending: pending.map((part) => ({ id: part.id, ...byPath(part) })) } : {},
    parts: (parts) => {
      const incremental = parts.flatMap(({ id, data, errors }) => (data ? [{ id, data, ...withErrors(errors) }] : []));
      const completed = parts.map(({ id, data, errors }) => (data ? { id } : { id, ...withErrors(errors) }));
      return {
        ...(incremental.length > 0 && { incremental }),
        ...(completed.length > 0 && { completed }),
      };
    },
    fail: (pending, errors) =>
      pending.length > 0 ? { completed: pending.map(({ id }) => ({ id, errors })) } : { errors },
  },
} as const satisfies Record<string, IncrementalFormat>;

export type IncrementalType = keyof typeof FORMATS;

/** Returns the format of incremental responses that a client accepts. Undefined if it accepts none. */
export const incrementalTypeFor = (accept: string | undefined): IncrementalType | undefined => {
  if (!accept) return undefined;
  if (acceptsMultipart(accept, /;\s*incrementalSpec="?v0\.2"?/i)) return 'incrementalSpec';
  return acceptsMultipart(accept, /;\s*deferSpec="?20220824"?/i) ? 'deferSpec' : undefined;
};

export type IncrementalHandlerOptions = {
  readonly apollo: ApolloServer<RequestContext>;
  readonly contextOf: (
    request: FastifyRequest,
    reply: FastifyReply,
    receive: Pick<RequestContext, 'recipient'>,
  ) => RequestContext;
  readonly toClientErrors: GraphPipeline['toClientErrors'];
  /** Marks a response as complete: it waits only for its client. */
  readonly sending: (response: FastifyReply['raw'], bytes: number) => void;
  readonly config: Pick<GatewayConfig, 'http'>;
};

/** Creates the handler of requests whose response may have several parts. */
export const createIncrementalHandler = ({
  apollo,
  contextOf,
  toClientErrors,
  sending,
  config,
}: IncrementalHandlerOptions): ((request: FastifyRequest, reply: FastifyReply) => Promise<unknown>) => {
  const { writeTimeoutMs } = config.http;

  const toErrors = (errors: DeliveredPart['errors']): Errors | undefined =>
    errors.length > 0 ? toClientErrors(errors) : undefined;

  return async (request, reply) => {
    const { accept } = request.headers;
    const format: IncrementalFormat = FORMATS[incrementalTypeFor(accept) as IncrementalType];
    let stream: ReturnType<typeof openParts> | undefined;
    const pending = new Map<string, PendingPart>();
    /** The last message, which waits for the end of the operation. */
    let last: object | undefined;

    const deliver = ({ first, parts, pending: announced, hasNext }: Delivery): void => {
      stream ??= openParts(reply, format.contentType, writeTimeoutMs);
      for (const part of announced) pending.set(part.id, part);
      for (const { id } of parts) pending.delete(id);
      const message = {
        ...(first && { data: first.data, ...withErrors(toErrors(first.errors)) }),
        ...format.announce(announced),
        ...format.parts(parts.map((part) => ({ ...part, errors: toErrors(part.errors) }))),
      };
      if (hasNext) stream.write({ ...message, hasNext });
      else last = message;
    };

    const { repeatsFields } = format;
    const context = contextOf(request, reply, { recipient: { repeatsFields, deliver } });
    const respond = fastifyApolloHandler<RequestContext>(apollo, { context: async () => context });
    let text: string;
    try {
      text = String(await respond.call(request.server, request, reply));
    } catch (error) {
      // It cannot be told of an error any more.
      if (stream) reply.raw.destroy();
      throw error;
    }
    if (!stream) {
      if (responseTypeFor(accept) || reply.statusCode !== 200) return text;
      // The client accepts parts only.
      const { write, end } = openParts(reply, format.contentType, writeTimeoutMs);
      write({ ...JSON.parse(text), hasNext: false });
      sending(reply.raw, end());
      return reply;
    }
    const { errors = [], extensions }: { errors?: Errors; extensions?: object } = JSON.parse(text);
    const message = last ?? format.fail([...pending.values()], errors);
    // Clients ignore extensions beside parts.
    const isSeparate = extensions !== undefined && Object.keys(message).length > 0;
    if (isSeparate) stream.write({ ...message, hasNext: true });
    stream.write({ ...(!isSeparate && message), ...(extensions && { extensions }), hasNext: false });
    sending(reply.raw, stream.end());
    return reply;
  };
};

/** Begins a multipart response. */
const openParts = (reply: FastifyReply, contentType: string, writeTimeoutMs: number) => {
  const raw = beginStream(reply, { 'content-type': contentType, 'cache-control': 'no-store, no-transform' });
  const write = createStreamWriter(raw, { writeTimeoutMs });
  write(MULTIPART_BEGIN);
  return {
    write: (message: object): void => void write(toPart(JSON.stringify(message))),
    /** Ends the response, and returns the number of bytes that the client has not received yet. */
    end: (): number => {
      raw.end(MULTIPART_END);
      return raw.writableLength;
    },
  };
};
