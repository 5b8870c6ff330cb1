import type { Env } from '../runtime/env.ts';
import type { GatewayConfig } from './config.ts';

export type StartedGateway = {
  readonly url: string;
  readonly config: GatewayConfig;
  /** Where each subgraph gets its answers from. */
  readonly sources: Readonly<Record<string, 'provider' | 'sandbox' | 'remote'>>;
  readonly close: () => Promise<void>;
};

/**
 * Starts the gateway as the environment says: in front of the product's own graph or, with SUPERGRAPH set, of that one.
 * Throws ConfigError.
 */
export const startGateway = async (env: Env): Promise<StartedGateway> => {
  // Each loads what only it needs: a gateway whose subgraphs are elsewhere starts without any provider's client.
  if (env['SUPERGRAPH'])
    return (await import('./supergraph/external-supergraph.ts')).startExternalSupergraph(env, env['SUPERGRAPH']);
  return (await import('./supergraph/bundled-graph.ts')).startBundledGraph(env);
};
