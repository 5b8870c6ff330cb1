import { GraphQLError } from 'graphql';
import { z } from 'zod';
import { isUpstreamError, UpstreamError } from '../../connectors/errors.ts';
import type { ProviderRequest, ProviderResponse } from '../../connectors/middleware/chain.ts';
import { createHttpConnector } from '../../connectors/transports/http.ts';
import { parseJson, unusableResponse } from '../../connectors/transports/parse.ts';
import { type Log, withTraceId } from '../../runtime/log.ts';
import { addRows } from '../../subgraphs/kit/decision-calls.ts';
import { toPublicError } from '../../subgraphs/kit/errors.ts';
import { writeOptions } from '../../subgraphs/kit/protocol/options.ts';
import { mergeReport, readReport } from '../../subgraphs/kit/protocol/report.ts';
import { IDENTITY_HEADER, IDENTITY_SCHEME } from '../../subgraphs/kit/protocol/signed-identity.ts';
import type { RequestTelemetry } from '../../subgraphs/kit/request-options.ts';
import type { RemoteSubgraph } from '../config.ts';
import { SUBGRAPH_REQUEST } from '../cost/calls.ts';
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
import { createRemoteSubscription } from './remote-subscription.ts';
import { createErrorReader, maskedMessage } from './subgraph-errors.ts';
import type { Transport } from './transport.ts';

/** A request to a subgraph. Its document identifies its share of the provider calls. */
type Sent = { readonly document: object; readonly spanId: string | undefined };

// The data is validated later, by the schema of the graph.
const ResponseBody = z.object({
  data: z.unknown().optional(),
  errors: z.unknown().optional(),
  extensions: z.unknown().optional(),
});

/**
 * Creates the transport to a subgraph over HTTP. A GraphQL response is used whatever its status, as GraphQL over HTTP
 * specifies; any other failure becomes one error.
 */
export const createRemoteTransport = (subgraph: RemoteSubgraph, log: Log): Transport => {
  const { name, url, timeoutMs, returnHeaders, sign } = subgraph;
  const isBundled = subgraph.errors === 'bundled';
  // A subgraph rejects a request that it cannot execute with 400 and the reason.
  const http = createHttpConnector({
    subgraph: name,
    timeoutMs,
    maxResponseBytes: 32 * 1024 * 1024,
    connections: 64,
    isSuccess: ({ status }) => status === 200 || status === 400,
  });
  const origin = { subgraph: name, operation: `POST ${name}` };
  const readErrors = createErrorReader({ subgraph: name, policy: subgraph.errors, log });
  /** Whether a subgraph refuses the gateway's signature, and not the client's credentials. */
  const refusesGateway = ({ details: { status, headers } }: UpstreamError): boolean =>
    status === 401 && headers?.['www-authenticate'] === IDENTITY_SCHEME;
  const codeOf = (error: UpstreamError): string =>
    (subgraph.receivesCredentials && !refusesGateway(error) && credentialCode(error)) || error.code;

  const hasRequestLeft = ({ requestsLeftOf }: RequestContext): boolean =>
    isBundled || requestsLeftOf === undefined || requestsLeftOf(name) >= 1;

  /** Sends a request. Where nothing is known of a provider behind the subgraph, this is what its calls are counted by. */
  const sendOnce = async (call: ProviderRequest, context: RequestContext): Promise<ProviderResponse> => {
    if (!hasRequestLeft(context)) {
      const details = { ...origin, mayHaveArrived: false };
      throw new UpstreamError('BUDGET_EXCEEDED', name, `${origin.operation} would exceed the budget`, details);
    }
    // Without a span: the trace has the request among the fetches.
    if (!isBundled) context.telemetry.callStats.addRow(name, SUBGRAPH_REQUEST, { calls: 1 });
    return http.send(call);
  };

  const exchange = async (
    call: ProviderRequest,
    context: RequestContext,
  ): Promise<Reply & Pick<ProviderResponse, 'headers'>> => {
    try {
      return await sendOnce(call, context).catch((error: unknown) => {
        if (isRetryable(error, call) && hasRequestLeft(context)) return sendOnce(call, context);
        throw error;
      });
    } catch (error) {
      if (!isUpstreamError(error)) throw error;
      if (refusesGateway(error)) throw error;
      const reply = readFailedReply(error, call.write);
      if (!reply) throw error;
      return { ...reply, fallbackCode: codeOf(error) };
    }
  };

  /** Returns the headers of a request with this body, but for those of its response's format. */
  const headersFor = async (
    body: string,
    { document, spanId }: Sent,
    { options, clientReport, headers, identity, requestTrace, allowanceOf }: RequestContext,
  ): Promise<Record<string, string>> => {
    // The subgraph would not know, and respond with the data of others.
    if (isBundled && !sign && (identity.customerEmail !== undefined || identity.tenant !== undefined)) {
      const details = { ...origin, isWithoutCredential: true };
      throw new UpstreamError('UPSTREAM_UNAUTHORIZED', name, 'cannot tell who asks without SUBGRAPH_SECRET', details);
    }
    return {
      ...headers,
      ...(spanId !== undefined && requestTrace?.headersFor(spanId)),
      // The gateway's own statistics may be more detailed, for its log. The calls of its own subgraphs' providers are
      // always counted.
      ...writeOptions({
        ...options,
        report: clientReport ?? (isBundled ? 'calls' : undefined),
        allowance: isBundled ? allowanceOf?.(name, document) : undefined,
        ...(!isBundled && { client: undefined }),
      }),
      ...(sign && { [IDENTITY_HEADER]: await sign(identity, body) }),
      'content-type': 'application/json',
    };
  };

  const send = async (
    body: string,
    { document, spanId, isMutation }: Sent & { readonly isMutation: boolean },
    context: RequestContext,
  ): Promise<Reply> => {
    const { options, returnHeader, telemetry } = context;
    const reply = await exchange(
      {
        operation: origin.operation,
        method: 'POST',
        url,
        headers: { ...(await headersFor(body, { document, spanId }, context)), accept: ACCEPT },
        body,
        write: isMutation,
        signal: options.signal,
      },
      context,
    );
    for (const header of returnHeaders) {
      for (const value of [reply.headers[header] ?? []].flat()) {
        returnHeader(header, value);
        // A cookie belongs to one client, so no cache may store the response.
        if (header === 'set-cookie' && telemetry.freshness) telemetry.freshness.leftMs = 0;
      }
    }
    return reply;
  };

  const joiner = createJoiner({ distinguishesIdentities: sign !== undefined, distinguishesClients: isBundled });

  const mutate = async (body: string, sent: Sent, context: RequestContext): Promise<SubgraphResponse> => {
    const startMs = startOf(context);
    // The mutation may change data that was read before.
    context.responses.clear();
    const reply = await send(body, { ...sent, isMutation: true }, context).finally(joiner.clear);
    try {
      return readResponse(countBytes(reply, context), context.telemetry, startMs);
    } catch (cause) {
      // The subgraph accepted the mutation and may have executed it.
      throw unusableResponse({ ...origin, write: true }, 'an unusable body', cause);
    }
  };

  const query = async (body: string, sent: Sent, context: RequestContext): Promise<SubgraphResponse> => {
    const startMs = startOf(context);
    // Several parts of one operation can need the same data.
    const key = `${name} ${body}`;
    const earlier = context.responses.get(key);
    if (earlier) return readResponse(await earlier);
    const sendOwn = () => send(body, { ...sent, isMutation: false }, context);
    // Returned headers belong to one client.
    const reply = returnHeaders.length > 0 ? sendOwn() : joiner.join(body, context, sendOwn);
    context.responses.set(key, reply);
    return readResponse(countBytes(await reply, context), context.telemetry, startMs);
  };

  const countBytes = (reply: Reply, { fetched }: RequestContext): Reply => {
    const exceeded = fetched.add(reply.body.length);
    if (exceeded === undefined) return reply;
    throw exceeded === 'total'
      ? new UpstreamError('UPSTREAM_UNAVAILABLE', name, 'the responses in memory exceed FETCH_BUFFER_MAX_MIB', origin)
      : new UpstreamError('UPSTREAM_BAD_RESPONSE', name, 'the responses exceed REQUEST_FETCH_MAX_MIB', origin);
  };

  const readResponse = (reply: Reply, telemetry?: RequestTelemetry, startMs = 0): SubgraphResponse => {
    const { data, errors, extensions } = parseJson(ResponseBody, reply.body, {
      ...origin,
      maxItems: Number.POSITIVE_INFINITY,
    });
    if (data !== null && data !== undefined && !isData(data)) {
      throw new UpstreamError(
        'UPSTREAM_BAD_RESPONSE',
        name,
        `${origin.operation} responded with unexpected data`,
        origin,
      );
    }
    const report = readOwnReport(extensions);
    if (telemetry) mergeReport(telemetry, report, startMs);
    if (errors === undefined && !extensions) return { data };
    return { data, errors: readErrors(errors, reply.fallbackCode), stale: report.stale };
  };

  /** Reads the report of a response, except for figures that would count as the gateway's own. */
  const readOwnReport = (extensions: Parameters<typeof readReport>[0]): ReturnType<typeof readReport> => {
    const report = readReport(extensions, name);
    return { ...report, calls: report.calls.filter(({ operation }) => operation !== SUBGRAPH_REQUEST) };
  };

  const toError = (error: UpstreamError, traceId: string | undefined): SubgraphError => {
    const requestLog = withTraceId(log, traceId);
    const code = codeOf(error);
    if (code === error.code) {
      const variables = refusesGateway(error) ? ['SUBGRAPH_SECRET'] : undefined;
      return toPublicError(new GraphQLError('', { originalError: error }), requestLog, variables);
    }
    requestLog.info({ code, subgraph: name, status: error.details.status }, error.message);
    return { message: maskedMessage(name, code), extensions: { code } };
  };

  return {
    encoding: 'json',
    prepare: (operation) => {
      const writeBody = createBodyWriter(operation);
      const execute = operation.kind === 'mutation' ? mutate : query;
      return async (request, context) => {
        try {
          return await execute(writeBody(request), { document: operation.document, spanId: request.spanId }, context);
        } catch (error) {
          if (!isUpstreamError(error)) throw error;
          return { data: null, errors: [toError(error, context.traceId)] };
        }
      };
    },
    prepareSubscription: (operation) => {
      const { document } = operation;
      return createRemoteSubscription(
        {
          subgraph,
          isBundled,
          headersFor: (body, context) => headersFor(body, { document, spanId: undefined }, context),
          readResult: ({ data, errors, extensions }, context) => {
            const report = readOwnReport(extensions);
            // Call counts reported by external subgraphs are not trusted, and an event involves no request to them.
            if (context && isBundled) {
              mergeReport(context.telemetry, report, startOf(context));
              addRows(context.decisionCalls, report.decisions);
            }
            return {
              data: isData(data) ? data : null,
              stale: report.stale,
              ...(errors !== undefined && { errors: readErrors(errors) }),
            };
          },
          toError: (error, { traceId }) => toError(error, traceId),
        },
        createBodyWriter(operation),
      );
    },
    close: http.close,
  };
};

const ACCEPT = 'application/graphql-response+json, application/json';

/** Time since the start of the client request, in milliseconds. */
const startOf = ({ telemetry: { callStats } }: RequestContext): number => callStats.ageMs();

/** Returns the code for a subgraph's rejection of the client's own credentials. */
const credentialCode = ({ details: { status } }: UpstreamError): string | undefined => {
  if (status === 401) return 'UNAUTHENTICATED';
  return status === 403 ? 'FORBIDDEN' : undefined;
};

/**
 * Whether a request failed without a response, as when the subgraph closes an idle connection just as it is used again.
 * A mutation that may have arrived fails with another code, UPSTREAM_OUTCOME_UNKNOWN.
 */
const isRetryable = (error: unknown, { signal }: ProviderRequest): boolean =>
  isUpstreamError(error) &&
  !signal?.aborted &&
  (error.details.mayHaveArrived === false ||
    (error.code === 'UPSTREAM_UNAVAILABLE' && error.details.status === undefined));

/** Creates a function that writes an operation's request bodies. Their common part is written once. */
const createBodyWriter = ({ query, operationName }: SubgraphOperation) => {
  const start = `{"query":${JSON.stringify(query)}${operationName ? `,"operationName":${JSON.stringify(operationName)}` : ''},"variables":{`;
  return ({ variables, representations }: SubgraphRequest): string => {
    const own = JSON.stringify(variables);
    const parts = representations.map(({ variable, texts }) => `${JSON.stringify(variable)}:[${texts.join(',')}]`);
    if (own !== '{}') parts.unshift(own.slice(1, -1));
    return `${start}${parts.join(',')}}}`;
  };
};
