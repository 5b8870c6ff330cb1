import type { Env } from '../runtime/env.ts';
import type { StartedGateway } from './started-gateway.ts';

/** Starts the gateway for the bundled graph or, if SUPERGRAPH is set, for an external supergraph. Throws ConfigError. */
export const startGateway = async (env: Env): Promise<StartedGateway> => {
  // Loaded on demand: a gateway with remote subgraphs starts without loading the provider clients.
  if (env['SUPERGRAPH'])
    return (await import('./supergraph/external-supergraph.ts')).startExternalSupergraph(env, env['SUPERGRAPH']);
  return (await import('./supergraph/bundled-graph.ts')).startBundledGraph(env);
};
