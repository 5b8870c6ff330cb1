import cluster from 'node:cluster';
import product from '../package.json' with { type: 'json' };
import { withAdminServer } from '../runtime/admin/server.ts';
import type { Env } from '../runtime/env.ts';
import { createMetricsRoute } from '../telemetry/metrics/route.ts';
import { createStatusRoutes } from '../telemetry/status/routes.ts';
import { loadApolloPlanner } from './planning/apollo-planner.ts';
import type { StartedGateway } from './started-gateway.ts';

/** Starts the gateway for the bundled graph or, if SUPERGRAPH is set, for an external supergraph. Throws ConfigError. */
export const startGateway = async (env: Env): Promise<StartedGateway> => withAdminEndpoints(await startGraph(env));

/** Adds the admin endpoints to a gateway, if they are on. Throws ConfigError if they cannot listen, and has then closed it. */
export const withAdminEndpoints = async (started: StartedGateway): Promise<StartedGateway> => {
  const gateway: StartedGateway = {
    ...started,
    health: () => ({
      ...started.health(),
      version: product.version,
      pid: process.pid,
      uptimeS: Math.floor(process.uptime()),
      subgraphs: started.sources,
    }),
  };
  // The primary process of a cluster has the admin endpoints of all workers.
  if (cluster.isWorker) return gateway;
  const { config, metrics, report, sources } = gateway;
  const statusRoutes = report
    ? createStatusRoutes({ product: product.version, sources, kind: 'gateway', read: () => [report()] })
    : [];
  const adminRoutes = [...(metrics ? [createMetricsRoute(metrics.read)] : []), ...statusRoutes];
  return withAdminServer({ ...gateway, adminRoutes }, config);
};

const startGraph = async (env: Env): Promise<StartedGateway> => {
  loadApolloPlanner();
  // Loaded on demand: a gateway with remote subgraphs starts without loading the provider clients.
  if (env['SUPERGRAPH'])
    return (await import('./supergraph/external-supergraph.ts')).startExternalSupergraph(env, env['SUPERGRAPH']);
  return (await import('./supergraph/bundled-graph.ts')).startBundledGraph(env);
};
