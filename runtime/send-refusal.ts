import type { FastifyReply } from 'fastify';
import { OVERLOADED, type Refusal, toErrorBody } from './http-errors.ts';
import { addHeader } from './reply-header.ts';
import { JSON_TYPE, responseTypeFor } from './response-type.ts';

/** Answers with an error in the one form that all have, of the media type that the client prefers. */
export const sendError = (reply: FastifyReply, status: number, message: string, code: string) => {
  const { method, headers } = reply.request;
  // A cache may keep what GET is answered with.
  if (method === 'GET') addHeader(reply, 'vary', 'accept');
  return reply
    .code(status)
    .type(responseTypeFor(headers.accept) ?? JSON_TYPE)
    .send(toErrorBody({ message, code }));
};

/** Answers with a refusal; with 503 it says when to come again. */
export const sendRefusal = (reply: FastifyReply, { status, message, code }: Refusal) =>
  sendError(status === OVERLOADED.status ? reply.header('retry-after', '1') : reply, status, message, code);
