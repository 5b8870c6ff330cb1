import { GraphQLError } from 'graphql';
import { z } from 'zod';
import { isUpstreamError, UpstreamError } from '../../connectors/errors.ts';
import type { ProviderRequest, ProviderResponse } from '../../connectors/middleware/chain.ts';
import { createHttpConnector } from '../../connectors/transports/http.ts';
import { parseJson, unusableResponse } from '../../connectors/transports/parse.ts';
import type { Log } from '../../runtime/log.ts';
import { toPublicError } from '../../subgraphs/kit/errors.ts';
import { writeOptions } from '../../subgraphs/kit/protocol/options.ts';
import { mergeReport, readReport } from '../../subgraphs/kit/protocol/report.ts';
import { IDENTITY_HEADER } from '../../subgraphs/kit/protocol/signed-identity.ts';
import type { RequestTelemetry } from '../../subgraphs/kit/request-options.ts';
import type { RemoteSubgraph } from '../config.ts';
import { isData } from '../execution/data.ts';
import type {
  SubgraphError,
  SubgraphOperation,
  SubgraphRequest,
  SubgraphResponse,
} from '../execution/subgraph-request.ts';
import type { RequestContext } from '../http/context.ts';
import { type Reply, readFailedReply } from './graphql-reply.ts';
import { createJoiner } from './join-requests.ts';
import { createErrorReader, maskedMessage } from './subgraph-errors.ts';
import type { Transport } from './transport.ts';

// Data is not looked into here: the answer is shaped by the graph's own schema.
const ResponseBody = z.object({
  data: z.unknown().optional(),
  errors: z.unknown().optional(),
  extensions: z.unknown().optional(),
});

/**
 * Creates the transport to a subgraph over HTTP, as the GraphQL over HTTP specification has it: a response is used whatever
 * its status where its body is one of GraphQL. Any other status, and whatever fails on the way, becomes one error.
 */
export const createRemoteTransport = (subgraph: RemoteSubgraph, log: Log): Transport => {
  const { name, url, timeoutMs, returnHeaders, sign } = subgraph;
  const isBundled = subgraph.errors === 'bundled';
  // A request that the subgraph will not execute is answered with 400 and the reason.
  const http = createHttpConnector({
    subgraph: name,
    timeoutMs,
    maxResponseBytes: 32 * 1024 * 1024,
    connections: 64,
    isSuccess: ({ status }) => status === 200 || status === 400,
  });
  const origin = { subgraph: name, operation: `POST ${name}` };
  const readErrors = createErrorReader({ subgraph: name, policy: subgraph.errors, log });
  const codeOf = (error: UpstreamError): string =>
    (subgraph.receivesCredentials && credentialCode(error)) || error.code;

  const exchange = async (call: ProviderRequest): Promise<Reply & Pick<ProviderResponse, 'headers'>> => {
    try {
      return await http.send(call).catch((error: unknown) => {
        if (mayBeSentAgain(error, call)) return http.send(call);
        throw error;
      });
    } catch (error) {
      if (!isUpstreamError(error)) throw error;
      // It refuses the gateway, not the client.
      if (isBundled && error.details.status === 401) throw error;
      const reply = readFailedReply(error, call.write);
      if (!reply) throw error;
      return { ...reply, fallbackCode: codeOf(error) };
    }
  };

  const send = async (body: string, isMutation: boolean, context: RequestContext): Promise<Reply> => {
    const { options, clientReport, headers, identity, returnHeader, telemetry } = context;
    // The subgraph would answer with everybody's data.
    if (isBundled && !sign && identity.customerEmail !== undefined) {
      throw new UpstreamError('UPSTREAM_UNAUTHORIZED', name, 'cannot tell who asks without SUBGRAPH_SECRET', origin);
    }
    const answer = await exchange({
      operation: origin.operation,
      method: 'POST',
      url,
      headers: {
        ...headers,
        // Only what the client asked for: the log may record more of this process.
        ...writeOptions({ ...options, report: clientReport }),
        ...(sign && { [IDENTITY_HEADER]: await sign(identity, body) }),
        'content-type': 'application/json',
        accept: 'application/graphql-response+json, application/json',
      },
      body,
      write: isMutation,
      signal: options.signal,
    });
    for (const header of returnHeaders) {
      for (const value of [answer.headers[header] ?? []].flat()) {
        returnHeader(header, value);
        // A cookie is for one client: whoever keeps the response would give it to the next.
        if (header === 'set-cookie' && telemetry.freshness) telemetry.freshness.leftMs = 0;
      }
    }
    return answer;
  };

  const joiner = createJoiner({ distinguishesIdentities: sign !== undefined });

  const ask = async (body: string, isMutation: boolean, context: RequestContext): Promise<SubgraphResponse> => {
    const startMs = context.telemetry.callStats?.ageMs() ?? 0;
    if (isMutation) {
      // What was read before may no longer be so.
      context.responses.clear();
      const reply = await send(body, true, context).finally(joiner.clear);
      try {
        return readAnswer(count(reply, context), context.telemetry, startMs);
      } catch (cause) {
        // The subgraph has taken it: that its answer cannot be used does not mean that nothing was done.
        throw unusableResponse({ ...origin, write: true }, 'what cannot be used', cause);
      }
    }
    // Different parts of one operation often come to ask the same.
    const key = `${name} ${body}`;
    const before = context.responses.get(key);
    if (before) return readAnswer(await before);
    // Headers are for one client.
    const sendOwn = () => send(body, false, context);
    const reply = returnHeaders.length > 0 ? sendOwn() : joiner.join(body, context, sendOwn);
    context.responses.set(key, reply);
    return readAnswer(count(await reply, context), context.telemetry, startMs);
  };

  const count = (reply: Reply, { fetched }: RequestContext): Reply => {
    const exceeded = fetched.add(reply.body.length);
    if (exceeded === undefined) return reply;
    throw exceeded === 'total'
      ? new UpstreamError('UPSTREAM_UNAVAILABLE', name, 'running requests hold too much of answers', origin)
      : new UpstreamError('UPSTREAM_BAD_RESPONSE', name, 'answered one request with too much in all', origin);
  };

  const readAnswer = (reply: Reply, telemetry?: RequestTelemetry, startMs = 0): SubgraphResponse => {
    const { data, errors, extensions } = parseJson(ResponseBody, reply.body, {
      ...origin,
      maxItems: Number.POSITIVE_INFINITY,
    });
    if (data !== null && data !== undefined && !isData(data)) {
      throw new UpstreamError(
        'UPSTREAM_BAD_RESPONSE',
        name,
        `${origin.operation} answered with unexpected data`,
        origin,
      );
    }
    const report = readReport(extensions, name);
    if (telemetry) mergeReport(telemetry, report, startMs);
    if (errors === undefined && !extensions) return { data };
    return { data, errors: readErrors(errors, reply.fallbackCode), stale: report.stale };
  };

  const toError = (error: UpstreamError): SubgraphError => {
    const code = codeOf(error);
    if (code === error.code)
      return toPublicError(new GraphQLError('', { originalError: error }), log, ['SUBGRAPH_SECRET']);
    log.info({ code, subgraph: name, status: error.details.status }, error.message);
    return { message: maskedMessage(name, code), extensions: { code } };
  };

  return {
    encoding: 'json',
    prepare: (operation) => {
      const write = createBodyWriter(operation);
      return async (request, context) => {
        try {
          return await ask(write(request), operation.kind === 'mutation', context);
        } catch (error) {
          if (!isUpstreamError(error)) throw error;
          return { data: null, errors: [toError(error)] };
        }
      };
    },
    close: http.close,
  };
};

/** The code for a client whose own credentials a subgraph has refused. */
const credentialCode = ({ details: { status } }: UpstreamError): string | undefined => {
  if (status === 401) return 'UNAUTHENTICATED';
  return status === 403 ? 'FORBIDDEN' : undefined;
};

/**
 * A kept-alive connection can be closed by the other side just when it is used again. Nothing came back then, and the
 * request may be sent once more. A mutation that may have arrived is none of these: that has a code of its own.
 */
const mayBeSentAgain = (error: unknown, { signal }: ProviderRequest): boolean =>
  isUpstreamError(error) &&
  !signal?.aborted &&
  (error.details.mayHaveArrived === false ||
    (error.code === 'UPSTREAM_UNAVAILABLE' && error.details.status === undefined));

/** Writes request bodies: what is the same for all is written once, and representations come as text already. */
const createBodyWriter = ({ query, operationName }: SubgraphOperation) => {
  const start = `{"query":${JSON.stringify(query)}${operationName ? `,"operationName":${JSON.stringify(operationName)}` : ''},"variables":{`;
  return ({ variables, representations }: SubgraphRequest): string => {
    const own = JSON.stringify(variables);
    const parts = representations.map(({ variable, texts }) => `${JSON.stringify(variable)}:[${texts.join(',')}]`);
    if (own !== '{}') parts.unshift(own.slice(1, -1));
    return `${start}${parts.join(',')}}}`;
  };
};
