import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import type { Client } from '../../runtime/client-usage.ts';
import type { StaleNote } from '../../subgraphs/kit/field.ts';
import type { Identity } from '../../subgraphs/kit/identity.ts';
import type { OperationOptions } from '../../subgraphs/kit/protocol/options.ts';
import { createRequestOptions, type RequestTelemetry } from '../../subgraphs/kit/request-options.ts';
import type { Subgraph } from '../../subgraphs/kit/subgraph.ts';
import { type CallAllowance, type CallStats, createCallStats } from '../../telemetry/call-stats.ts';
import type { OperationEvent } from '../../telemetry/events.ts';
import type { RequestTrace } from '../../telemetry/traces/request-trace.ts';
import type { PolicyRequest } from '../auth/policies.ts';
import type { ExceededBudget } from '../cost/calls.ts';
import type { Usage } from '../cost/counters/counter.ts';
import type { FetchedBytes } from '../cost/fetched-bytes.ts';
import type { Plan } from '../cost/plans.ts';
import type { Recipient } from '../execution/delivery.ts';
import type { Explanation } from '../execution/explain.ts';
import type { BeforeMutation } from '../execution/graph.ts';
import type { PreparedSubscription } from '../subscriptions/group.ts';
import type { Reply } from '../transports/graphql-reply.ts';
import { createTrace, type Trace } from '../transports/trace.ts';

/** The name, kind and hash of an operation. */
export type NamedOperation = Partial<Pick<OperationEvent, 'operationName' | 'kind' | 'hash'>>;

/** The state of one client request. */
export type RequestContext = {
  readonly options: OperationOptions;
  /** When the request arrived, by `monotonicNow`. */
  readonly arrivedAt: number;
  /** Who sends the request. */
  readonly identity: Identity;
  /** The client, as limits and the fair queue distinguish clients. */
  readonly client: Client;
  /** What the client may use. Undefined if it has no limits. */
  readonly plan: Plan | undefined;
  /** The client's counters when the request arrived. */
  readonly usages: readonly Usage[];
  /** Budgets that the request would have exceeded if they were enforced. */
  readonly exceededBudgets: ExceededBudget[];
  /** Returns the client's IP address. */
  readonly address: () => string;
  /** Detail of the report for the client. The telemetry may be more detailed, for the log. */
  readonly clientReport: OperationOptions['report'];
  /** All headers of the request. */
  readonly requestHeaders: PolicyRequest['headers'];
  /** The client's headers to forward to subgraphs. */
  readonly headers: Readonly<Record<string, string>>;
  /** Adds a value to a header of the response. */
  readonly returnHeader: (name: string, value: string) => void;
  /** Replaces a header of the response. */
  readonly setHeader: (name: string, value: string) => void;
  /** Call statistics and freshness of the response, if they are recorded. */
  readonly telemetry: RequestTelemetry;
  /** The plan and the fetches of the request for its report, if it has one. */
  readonly trace: Trace | undefined;
  /** The distributed trace that this process continues or begins. Undefined if tracing is off. */
  readonly requestTrace: RequestTrace | undefined;
  /** The id of the distributed trace that the request is part of, if any. */
  readonly traceId: string | undefined;
  /**
   * The calls of decisions whether events pass a subscription's filter. Apart from those of the event: they depend on how many other
   * events there are, so they count for no budget and no estimate.
   */
  readonly decisionCalls: CallStats;
  readonly call: RequestOptions;
  /** The tags of what the request has read, as far as they are collected. Filled during execution. */
  readonly reads: Set<string>;
  /** Notes about stale data in the response. Filled during execution. */
  readonly stale: StaleNote[];
  /** Responses of remote subgraphs to this request, pending or settled, by subgraph and request body. */
  readonly responses: Map<string, Promise<Reply>>;
  /** Counts the memory of these responses. */
  readonly fetched: FetchedBytes;
  /** Called before a mutation is sent. Set where mutations are audited. */
  beforeMutation: BeforeMutation | undefined;
  /** Called when the operation has its response. Requests without an operation are refused before. */
  readonly onOperation: () => void;
  /** The operation's name, kind and hash in telemetry. Filled when the response is known, or its stream can begin. */
  readonly operation: NamedOperation;
  /** Receives the operation if it is a subscription. Undefined if the response cannot be a stream. */
  readonly onSubscription: ((prepared: PreparedSubscription<RequestContext>) => void) | undefined;
  /** Receives the parts of the response. Undefined if it cannot have several. */
  readonly recipient: Recipient | undefined;
  /** Set if the operation is only to be explained. Receives the explanation. */
  readonly explain: { explanation?: Explanation | undefined } | undefined;
  /**
   * Returns the provider calls that a request to a subgraph may cause, by its document; undefined if they are not limited. Set
   * when the operation is planned.
   */
  allowanceOf: ((subgraph: string, document: object) => CallAllowance | undefined) | undefined;
  /** Returns how many more requests to an external subgraph the budgets allow. Undefined if there are no budgets. */
  requestsLeftOf: ((subgraph: string) => number) | undefined;
  /** Returns the context of an in-process subgraph. All fetches of the request share it, and thereby its loaders. */
  readonly contextOf: (subgraph: Subgraph) => object;
};

/** Of requests without events. */
const NO_DECISIONS = createCallStats();

/** Creates the context of one client request. */
export const createRequestContext = (
  request: Pick<
    RequestContext,
    | 'options'
    | 'arrivedAt'
    | 'identity'
    | 'client'
    | 'plan'
    | 'usages'
    | 'address'
    | 'clientReport'
    | 'requestHeaders'
    | 'requestTrace'
    | 'traceId'
    | 'headers'
    | 'returnHeader'
    | 'setHeader'
    | 'fetched'
    | 'onOperation'
    | 'onSubscription'
    | 'recipient'
    | 'explain'
  > &
    Partial<Pick<RequestContext, 'operation'>> & { readonly collectsReads?: boolean },
): RequestContext => {
  const { options, identity, requestTrace, collectsReads } = request;
  const reads = new Set<string>();
  const contexts = new Map<Subgraph, object>();
  const trace = options.report === 'trace' ? createTrace() : undefined;
  const { call, ...telemetry } = createRequestOptions({
    ...options,
    listeners: [trace, requestTrace].filter((one) => one !== undefined),
    onRead: collectsReads
      ? (tags) => {
          for (const tag of tags) reads.add(tag);
        }
      : undefined,
  });
  return {
    operation: {},
    ...request,
    exceededBudgets: [],
    telemetry,
    decisionCalls: collectsReads ? createCallStats() : NO_DECISIONS,
    trace,
    call,
    reads,
    stale: [],
    responses: new Map(),
    beforeMutation: undefined,
    allowanceOf: undefined,
    requestsLeftOf: undefined,
    contextOf: (subgraph) => {
      const context = contexts.get(subgraph) ?? subgraph.createContext(call, identity);
      contexts.set(subgraph, context);
      return context;
    },
  };
};
