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
 * Gives each response the media type that the client prefers, and the status that goes with the type: a client that takes
 * JSON alone may rely on the body of a 200 only, so it gets that for any request that was well-formed.
 */
export const graphqlOverHttp: ApolloServerPlugin<BaseContext> = {
  requestDidStart: async ({ request }) => {
    // The specification has an empty name for none.
    if (request.operationName === '') delete request.operationName;
    return {
      willSendResponse: async ({ response: { http, body } }) => {
        if (body.kind !== 'single') return;
        const type = responseTypeFor(request.http?.headers.get('accept')) ?? JSON_TYPE;
        http.headers.set('content-type', type);
        if (type === JSON_TYPE && http.status === 400 && isOfWellFormed(body.singleResult)) http.status = 200;
      },
    };
  },
};

/** Whether a response with errors belongs to a request that was well-formed, whatever is wrong with its operation. */
const isOfWellFormed = ({ errors }: FormattedExecutionResult): boolean =>
  errors?.[0]?.extensions?.['code'] !== ApolloServerErrorCode.BAD_REQUEST;

/**
 * Refuses a request whose `Accept` header allows no type of response, and returns whether it has. Apollo Server would
 * execute it first, mutations too. With `html`, `GET` may ask for that.
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
