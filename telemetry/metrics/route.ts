import type { AdminRoute } from '../../runtime/admin/server.ts';
import type { Snapshot } from './snapshot.ts';

/** Offers metrics at the admin port, as Prometheus reads them. `read` returns those of the process, or of all workers of a cluster. */
export const createMetricsRoute = (read: () => Snapshot | Promise<Snapshot>): AdminRoute => ({
  path: '/metrics',
  headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
  // OpenTelemetry's packages are slow to load, so that only those who read metrics load them.
  read: async () => (await import('./export.ts')).toPrometheusText(await read()),
});
