import cluster, { type Worker } from 'node:cluster';
import { mergeGauges } from '../telemetry/metrics/gauges.ts';
import type { Metrics } from '../telemetry/metrics/metrics.ts';
import { createRegistry } from '../telemetry/metrics/registry.ts';
import type { Gauges, Snapshot } from '../telemetry/metrics/snapshot.ts';

/*
 * The metrics of a cluster. A worker sends what it has recorded since it was last asked, and the primary process adds it up. So sums
 * never shrink when a worker is slow or ends.
 */

const METRICS_REQUEST = 'metrics';

type MetricsReply = { readonly metrics: Snapshot };

/** Time for workers to reply, in milliseconds. What arrives later is part of the next reading. */
const METRICS_TIMEOUT_MS = 1_000;

/** Lets the primary process ask this worker for its metrics. Returns a function that sends them a last time. */
export const answerMetricsRequests = (metrics: Metrics): (() => Promise<void>) => {
  process.on('message', (request) => {
    if (request === METRICS_REQUEST) process.send?.({ metrics: metrics.take() } satisfies MetricsReply);
  });
  return () =>
    new Promise((resolve) => {
      if (!process.connected) return resolve();
      process.send?.({ metrics: metrics.take() } satisfies MetricsReply, undefined, undefined, () => resolve());
    });
};

/** Creates a function that reads the metrics of these workers together. */
export const createClusterMetrics = (workers: () => readonly Worker[]): (() => Promise<Snapshot>) => {
  const registry = createRegistry();
  const waiting = new Map<number, (gauges: Gauges | undefined) => void>();
  cluster.on('message', ({ id }, message: Partial<MetricsReply>) => {
    if (!message.metrics) return;
    registry.merge(message.metrics);
    waiting.get(id)?.(message.metrics.gauges);
  });

  const gaugesOf = (worker: Worker): Promise<Gauges | undefined> =>
    new Promise((resolve) => {
      const finish = (gauges: Gauges | undefined) => {
        clearTimeout(timer);
        waiting.delete(worker.id);
        resolve(gauges);
      };
      const timer = setTimeout(finish, METRICS_TIMEOUT_MS, undefined);
      waiting.set(worker.id, finish);
      // A worker that has just ended cannot be asked.
      worker.send(METRICS_REQUEST, () => {});
    });

  const read = async (): Promise<Snapshot> => {
    const replies = await Promise.all(workers().map(gaugesOf));
    const all = replies.filter((gauges) => gauges !== undefined);
    const counts = [
      { labels: ['responding'], value: all.length },
      { labels: ['unresponsive'], value: replies.length - all.length },
    ];
    return { ...registry.read(), gauges: { ...mergeGauges(all), 'tributary.workers': counts } };
  };
  // Requests at the same time share one reading.
  let reading: Promise<Snapshot> | undefined;
  return () => {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };
};
