import type { ApolloServerPlugin, BaseContext } from '@apollo/server';
import { ApolloServerErrorCode } from '@apollo/server/errors';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FormattedExecutionResult } from 'graphql';
import { NOT_ACCEPTABLE } from '../../runtime/http-errors.ts';
import { acceptsHtml, JSON_TYPE, responseTypeFor } from '../../runtime/response-type.ts';
import { sendRefusal } from '../../runtime/send-refusal.ts';

/*
 * The parts of GraphQL over HTTP that Apollo Server leaves out: https://graphql.github.io/graphql-over-http/
 */

/**
 * Sets the media type that the client prefers, and the status that the type requires: a client that accepts only
 * `application/json` may rely only on the body of a 200, so it gets a 200 for any well-formed request.
 */
export const graphqlOverHttp: ApolloServerPlugin<BaseContext> = {
  requestDidStart: async ({ request }) => {
    // In the specification, an empty name means no name.
    if (request.operationName === '') delete request.operationName;
    return {
      willSendResponse: async ({ response: { http, body } }) => {
        if (body.kind !== 'single') return;
        // Undefined for a client that accepts a stream only: a response that is none has its own status.
        const type = responseTypeFor(request.http?.headers.get('accept'));
        http.headers.set('content-type', type ?? JSON_TYPE);
        if (type === JSON_TYPE && http.status === 400 && isOfWellFormed(body.singleResult)) http.status = 200;
      },
    };
  },
};

/** Whether a response with errors belongs to a well-formed request, even if its operation is invalid. */
const isOfWellFormed = ({ errors }: FormattedExecutionResult): boolean =>
  errors?.[0]?.extensions?.['code'] !== ApolloServerErrorCode.BAD_REQUEST;

/**
 * Rejects a request whose `Accept` header allows none of the response types, and returns whether it did. Apollo Server would
 * execute the request first, even mutations. With `html`, `GET` may accept HTML.
 */
export const refuseUnacceptable = (
  { method, headers: { accept } }: FastifyRequest,
  reply: FastifyReply,
  { html = false } = {},
): boolean => {
  if (responseTypeFor(accept) || (html && method === 'GET' && acceptsHtml(accept))) return false;
  sendRefusal(reply, NOT_ACCEPTABLE);
  return true;
};
