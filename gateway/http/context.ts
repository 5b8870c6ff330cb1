import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import type { StaleNote } from '../../subgraphs/kit/field.ts';
import { createRequestOptions, type OperationOptions, type RequestTelemetry } from '../../subgraphs/kit/protocol.ts';
import type { Subgraph } from '../../subgraphs/kit/subgraph.ts';
import type { FetchedBytes } from '../cost/fetched-bytes.ts';
import type { Reply } from '../transports/graphql-reply.ts';
import type { Trace } from '../transports/trace.ts';

/** What belongs to one client request, from its arrival to its answer. */
export type RequestContext = {
  readonly options: OperationOptions;
  /** The client's headers that subgraphs receive. */
  readonly headers: Readonly<Record<string, string>>;
  /** Sends a header to the client with the answer. */
  readonly returnHeader: (name: string, value: string) => void;
  /** What the request has cost and how long its answer is good, where the client has asked. */
  readonly telemetry: RequestTelemetry;
  /** What is done for the request and when, where the client has asked. */
  readonly trace: Trace | undefined;
  readonly call: RequestOptions;
  /** What of the answer is older than it should be; filled when the answer is made. */
  readonly stale: StaleNote[];
  /** What subgraphs over HTTP have answered this request, or are about to, by what they were asked. */
  readonly asked: Map<string, Promise<Reply>>;
  /** What these answers hold of memory. */
  readonly fetched: FetchedBytes;
  /** The context of a subgraph in this process: one for all fetches of this request, so that they share loaders. */
  readonly contextOf: (subgraph: Subgraph) => object;
};

/** Made once for each client request. */
export const createRequestContext = ({
  options,
  headers,
  returnHeader,
  fetched,
}: Pick<RequestContext, 'options' | 'headers' | 'returnHeader' | 'fetched'>): RequestContext => {
  const contexts = new Map<Subgraph, object>();
  const { call, ...telemetry } = createRequestOptions(options);
  return {
    options,
    headers,
    returnHeader,
    telemetry,
    trace: options.report === 'trace' ? { fetches: [] } : undefined,
    call,
    stale: [],
    asked: new Map(),
    fetched,
    contextOf: (subgraph) => {
      const context = contexts.get(subgraph) ?? subgraph.createContext(call);
      contexts.set(subgraph, context);
      return context;
    },
  };
};
