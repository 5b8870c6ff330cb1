import type { SubgraphClient } from '../execution/subgraph-request.ts';
import type { RequestContext } from '../http/context.ts';

/** The connection from the gateway to one subgraph. */
export type Transport = SubgraphClient<RequestContext> & { readonly close: () => Promise<void> };

/** The transports to all subgraphs, across supergraph updates. */
export type Transports = {
  /** Returns the transports for a supergraph. Throws if a subgraph has none. */
  readonly of: (supergraphSdl: string) => (subgraph: string) => Transport;
  readonly close: () => Promise<void>;
};

/** Creates a fixed set of transports, by subgraph name. */
export const createFixedTransports = (transports: Readonly<Record<string, Transport>>): Transports => ({
  of: () => (name) => {
    const transport = transports[name];
    if (!transport) throw new Error(`The supergraph contains the subgraph ${name}, which has no transport.`);
    return transport;
  },
  close: async () => {
    await Promise.all(Object.values(transports).map((transport) => transport.close()));
  },
});
