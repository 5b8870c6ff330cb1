import type { Subgraph } from '../subgraphs/subgraph.ts';

/** What belongs to one client request, from its arrival to its answer. */
export type RequestContext = {
  /** Ends when the client leaves or the request's time is up. */
  readonly signal: AbortSignal;
  /** The client's headers that subgraphs receive. */
  readonly headers: Readonly<Record<string, string>>;
  /** The context of a subgraph in this process: one for all fetches of this request, so that they share loaders. */
  readonly contextOf: (subgraph: Subgraph) => object;
};

/** Made once for each client request. */
export const createRequestContext = ({
  signal,
  headers,
}: Pick<RequestContext, 'signal' | 'headers'>): RequestContext => {
  const contexts = new Map<Subgraph, object>();
  return {
    signal,
    headers,
    contextOf: (subgraph) => {
      const context = contexts.get(subgraph) ?? subgraph.createContext({ signal });
      contexts.set(subgraph, context);
      return context;
    },
  };
};
