import cluster from 'node:cluster';
import product from '../package.json' with { type: 'json' };
import { type AdminSubject, withAdminServer } from '../runtime/admin/server.ts';
import type { Env } from '../runtime/env.ts';
import { createLog } from '../runtime/log.ts';
import { withPublishedMetrics } from '../telemetry/metrics/publish.ts';
import { createStatusRoutes } from '../telemetry/status/routes.ts';
import type { StartedGateway } from './started-gateway.ts';

/** Starts the gateway for the bundled graph or, if SUPERGRAPH is set, for an external supergraph. Throws ConfigError. */
export const startGateway = async (env: Env): Promise<StartedGateway> => {
  const started = await startGraph(env);
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
  // The primary process of a cluster has the admin endpoints of all workers, and sends their metrics.
  if (cluster.isWorker) return gateway;
  const { config, metrics, report, sources } = gateway;
  const { otlp, logLevel } = config;
  const published = metrics && withPublishedMetrics(gateway, { read: metrics.read, otlp, log: createLog(logLevel) });
  const subject: StartedGateway & AdminSubject = published ?? gateway;
  const statusRoutes = report
    ? createStatusRoutes({ product: product.version, sources, kind: 'gateway', read: () => [report()] })
    : [];
  return withAdminServer({ ...subject, adminRoutes: [...(subject.adminRoutes ?? []), ...statusRoutes] }, config);
};

const startGraph = async (env: Env): Promise<StartedGateway> => {
  // Loaded on demand: a gateway with remote subgraphs starts without loading the provider clients.
  if (env['SUPERGRAPH'])
    return (await import('./supergraph/external-supergraph.ts')).startExternalSupergraph(env, env['SUPERGRAPH']);
  return (await import('./supergraph/bundled-graph.ts')).startBundledGraph(env);
};
