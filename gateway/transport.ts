import type { RequestContext } from './context.ts';
import type { SubgraphClient } from './execution/subgraph-request.ts';

/** How the gateway's fetches reach one subgraph. */
export type Transport = SubgraphClient<RequestContext> & { readonly close: () => Promise<void> };
