import type { FastifyReply, FastifyRequest } from 'fastify';
import { appendHeader } from './append-header.ts';
import { OVERLOADED, type Refusal, toErrorBody } from './http-errors.ts';
import { JSON_TYPE, responseTypeFor } from './response-type.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Called with each request that is answered with an error before it reaches its handler, if set, and its client is there. */
    readonly onRefusal?: (request: FastifyRequest, code: string) => void;
  }
}

/** Sends an error in the common form, with the media type that the client prefers. */
export const sendError = (
  reply: FastifyReply,
  status: number,
  message: string,
  code: string,
  { details, countedAs = code }: Pick<Refusal, 'details' | 'countedAs'> = {},
) => {
  const { method, headers } = reply.request;
  // A client that has left, from the queue or before its request arrived, is not refused.
  if (!reply.raw.destroyed) reply.server.onRefusal?.(reply.request, countedAs);
  // Responses to GET may be cached.
  if (method === 'GET') appendHeader(reply, 'vary', 'accept');
  return reply
    .code(status)
    .type(responseTypeFor(headers.accept) ?? JSON_TYPE)
    .send(toErrorBody({ message, code, details }));
};

/** Sends a refusal. Adds `Retry-After` to 503. */
export const sendRefusal = (reply: FastifyReply, { status, message, code, ...rest }: Refusal) =>
  sendError(status === OVERLOADED.status ? reply.header('retry-after', '1') : reply, status, message, code, rest);
