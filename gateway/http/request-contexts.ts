import type { FastifyRequest } from 'fastify';
import { monotonicNow } from '../../runtime/clock.ts';
import type { Refusal } from '../../runtime/http-errors.ts';
import type { OperationOptions } from '../../subgraphs/kit/protocol/options.ts';
import { readOptions } from '../../subgraphs/kit/protocol/options.ts';
import type { GatewayConfig } from '../config.ts';
import type { Admitted } from '../cost/client-limits.ts';
import { createFetchedBytes } from '../cost/fetched-bytes.ts';
import type { RequestDeadline } from '../execution/request-rights.ts';
import { createRequestContext, type RequestContext } from './context.ts';

/** A request that was admitted. */
export type Arrival = Pick<OperationOptions, 'signal' | 'deadlineAt'> &
  Pick<Admitted, 'client' | 'plan' | 'usages'> &
  Pick<RequestContext, 'arrivedAt' | 'identity'>;

/** What a context takes from the exchange with the client. */
export type Exchange = Pick<
  RequestContext,
  'address' | 'requestTrace' | 'traceId' | 'returnHeader' | 'setHeader' | 'onOperation' | 'onSubscription' | 'recipient'
> & {
  readonly headers: FastifyRequest['headers'];
  /** Whether the response may be cached. */
  readonly isGet: boolean;
  /** Calls back once the exchange is over. */
  readonly onClose: (callback: () => void) => void;
};

export type RequestContexts = {
  readonly ofRequest: (arrival: Arrival, exchange: Exchange) => RequestContext;
  /** Returns what is kept of a request while its subscription is open. */
  readonly ofSubscriber: (request: RequestContext) => RequestContext;
  /** Creates the context of one event of a request's subscription, which `signal` ends. `release` frees what it holds. */
  readonly ofEvent: (
    request: RequestContext,
    signal: AbortSignal,
  ) => { readonly context: RequestContext; readonly deadline: RequestDeadline; readonly release: () => void };
};

/** Creates the contexts of a gateway's requests. `forwardHeaders` are passed on to subgraphs. `isDebug`: requests are traced for the log. */
export const createRequestContexts = (
  config: Pick<GatewayConfig, 'fetchedBytes' | 'reportAllowed' | 'noCacheAllowed' | 'requestTimeoutMs'>,
  { forwardHeaders, isDebug }: { readonly forwardHeaders: readonly string[]; readonly isDebug: boolean },
): RequestContexts => {
  const openFetchedBytes = createFetchedBytes(config.fetchedBytes);
  return {
    ofRequest: ({ signal, deadlineAt, ...arrival }, { headers, isGet, onClose, ...exchange }) => {
      const fetched = openFetchedBytes();
      onClose(fetched.release);
      const { report, noCache } = readOptions(headers);
      const clientReport = config.reportAllowed ? report : undefined;
      return createRequestContext({
        ...arrival,
        ...exchange,
        clientReport,
        options: {
          signal,
          deadlineAt,
          client: arrival.client,
          noCache: config.noCacheAllowed && noCache,
          report: isDebug ? 'trace' : clientReport,
          reportMaxAge: isGet,
        },
        requestHeaders: headers,
        headers: pick(headers, forwardHeaders),
        fetched,
        explain: headers[EXPLAIN_HEADER] === undefined ? undefined : {},
      });
    },
    ofSubscriber: ({ identity, client, plan, address, requestHeaders, headers, arrivedAt, fetched, operation }) =>
      createRequestContext({
        ...WITHOUT_RESPONSE,
        arrivedAt,
        identity,
        client,
        plan,
        address,
        options: { ...NO_OPTIONS, signal: NEVER, deadlineAt: Number.POSITIVE_INFINITY, client },
        requestHeaders,
        headers,
        fetched,
        operation,
      }),
    ofEvent: (request, ended) => {
      const { identity, client, plan, address, requestHeaders, headers, operation } = request;
      const fetched = openFetchedBytes();
      const arrivedAt = monotonicNow();
      const deadlineAt = arrivedAt + config.requestTimeoutMs;
      const controller = new AbortController();
      const { signal } = controller;
      const onEnd = () => controller.abort();
      const timer = setTimeout(
        () => controller.abort(new DOMException('The event timed out.', 'TimeoutError')),
        config.requestTimeoutMs,
      ).unref();
      ended.addEventListener('abort', onEnd, { once: true });
      if (ended.aborted) onEnd();
      const context = createRequestContext({
        ...WITHOUT_RESPONSE,
        arrivedAt,
        identity,
        client,
        plan,
        address,
        options: { ...NO_OPTIONS, signal, deadlineAt, client },
        requestHeaders,
        headers,
        fetched,
        operation,
        collectsReads: true,
      });
      const release = () => {
        clearTimeout(timer);
        ended.removeEventListener('abort', onEnd);
        fetched.release();
      };
      return { context, deadline: { signal, deadlineAt }, release };
    },
  };
};

/** A signal that never fires. */
const NEVER = new AbortController().signal;

/** The options of what nobody waits for. */
const NO_OPTIONS = { noCache: false, report: undefined, reportMaxAge: false } as const;

/** The parts of a context that only a request with a response of its own has. */
const WITHOUT_RESPONSE = {
  usages: [],
  clientReport: undefined,
  requestTrace: undefined,
  traceId: undefined,
  returnHeader: () => {},
  setHeader: () => {},
  onOperation: () => {},
  onSubscription: undefined,
  recipient: undefined,
  explain: undefined,
} as const;

/** The request header of a client that only wants to know what its operation would cost. */
export const EXPLAIN_HEADER = 'x-tributary-explain';

export const NOT_EXPLAINED: Refusal = {
  status: 403,
  message: 'Operations are not explained here. Set CALL_REPORT=on.',
  code: 'FORBIDDEN',
};

/** Returns these headers of a request, as far as it has them. */
export const pick = (headers: FastifyRequest['headers'], names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = headers[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
