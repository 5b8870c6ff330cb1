import type { SubgraphClient } from '../execution/subgraph-request.ts';
import type { RequestContext } from '../http/context.ts';

/** How the gateway's fetches reach one subgraph. */
export type Transport = SubgraphClient<RequestContext> & { readonly close: () => Promise<void> };

/** The ways to all subgraphs, also when the supergraph changes. */
export type Transports = {
  /** Gives the way to each subgraph of a supergraph. Throws where there is none. */
  readonly of: (supergraphSdl: string) => (subgraph: string) => Transport;
  readonly close: () => Promise<void>;
};

/** Ways that are there from the start and stay. */
export const createFixedTransports = (transports: Readonly<Record<string, Transport>>): Transports => ({
  of: () => (name) => {
    const transport = transports[name];
    if (!transport) throw new Error(`The supergraph names a subgraph ${name} that there is no way to.`);
    return transport;
  },
  close: async () => {
    await Promise.all(Object.values(transports).map((transport) => transport.close()));
  },
});
