import type { AdminRoute, AdminSubject } from '../../runtime/admin/server.ts';
import type { Log } from '../../runtime/log.ts';
import type { OtlpConfig } from '../otlp.ts';
import { pushMetrics } from './push.ts';
import type { Snapshot } from './snapshot.ts';

export type PublishOptions = {
  /** Reads the metrics of the process, or those of all workers of a cluster. */
  readonly read: () => Snapshot | Promise<Snapshot>;
  readonly otlp: OtlpConfig;
  readonly log: Log;
};

/** Offers metrics at the admin port of a process, and sends them to a collector if one is configured. */
export const withPublishedMetrics = <Subject extends AdminSubject>(
  subject: Subject,
  { read, otlp, log }: PublishOptions,
): Subject => {
  const route: AdminRoute = {
    path: '/metrics',
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
    // OpenTelemetry's packages are slow to load, so that only those who read metrics load them.
    read: async () => (await import('./export.ts')).toPrometheusText(await read()),
  };
  const stopPushing = otlp.metrics && pushMetrics({ ...otlp.metrics, otlp, read, log });
  return {
    ...subject,
    adminRoutes: [...(subject.adminRoutes ?? []), route],
    close: async () => {
      await subject.close();
      // Includes the requests that ended last.
      await stopPushing?.();
    },
  };
};
