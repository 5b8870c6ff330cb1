import { type HrTime, ValueType } from '@opentelemetry/api';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  DataPointType,
  type MetricData,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import product from '../../package.json' with { type: 'json' };
import { METRICS, type MetricName, prometheusNameOf } from './definitions.ts';
import type { Labels } from './series.ts';
import type { Snapshot } from './snapshot.ts';

/*
 * From snapshots to OpenTelemetry's data and to Prometheus's text. Import this module only when metrics are read: it loads
 * OpenTelemetry's packages.
 */

/** The label of the series for all label sets that found no place, by OpenTelemetry's specification. */
const OVERFLOW = { 'otel.metric.overflow': 'true' };

/** Returns the attributes of a series. A label without a value is left out. */
const toAttributes = (name: MetricName, labels: Labels): Record<string, string> => {
  if (labels === null) return OVERFLOW;
  const names: readonly string[] = METRICS[name].labels;
  return Object.fromEntries(names.flatMap((label, index) => (labels[index] ? [[label, labels[index]]] : [])));
};

const toHrTime = (ms: number): HrTime => [Math.floor(ms / 1_000), Math.round((ms % 1_000) * 1e6)];

export type ExportOptions = {
  /** When recording began, in milliseconds since 1970. */
  readonly startedAt: number;
  readonly now: number;
  readonly resource: Readonly<Record<string, string>>;
  /** Returns the name and unit of a metric. */
  readonly nameOf?: (name: MetricName) => { readonly name: string; readonly unit: string };
};

/** Converts a snapshot to OpenTelemetry's data. */
export const toResourceMetrics = (
  { counters, histograms, gauges }: Snapshot,
  { startedAt, now, resource, nameOf = (name) => ({ name, unit: METRICS[name].unit }) }: ExportOptions,
): ResourceMetrics => {
  const times = { startTime: toHrTime(startedAt), endTime: toHrTime(now) };
  const common = (name: MetricName) => ({
    descriptor: { ...nameOf(name), description: METRICS[name].description, valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  });
  const numbers = (name: MetricName, points: readonly { readonly labels: Labels; readonly value: number }[]) =>
    points.map(({ labels, value }) => ({ ...times, attributes: toAttributes(name, labels), value }));
  const metrics: MetricData[] = [
    ...entriesOf(counters).map(([name, points]) => ({
      ...common(name),
      dataPointType: DataPointType.SUM as const,
      isMonotonic: true,
      dataPoints: numbers(name, points),
    })),
    ...entriesOf(histograms).map(([name, points]) => ({
      ...common(name),
      dataPointType: DataPointType.HISTOGRAM as const,
      dataPoints: points.map(({ labels, counts, sum }) => ({
        ...times,
        attributes: toAttributes(name, labels),
        value: {
          buckets: { boundaries: [...METRICS[name].buckets], counts: [...counts] },
          sum,
          count: counts.reduce((total, count) => total + count, 0),
        },
      })),
    })),
    ...entriesOf(gauges).map(([name, points]) => ({
      ...common(name),
      dataPointType: DataPointType.GAUGE as const,
      dataPoints: numbers(name, points),
    })),
  ];
  return {
    resource: resourceFromAttributes(resource),
    scopeMetrics: [{ scope: { name: 'tributary', version: product.version }, metrics }],
  };
};

const entriesOf = <Name extends string, Points>(all: Readonly<Partial<Record<Name, Points>>>): [Name, Points][] =>
  Object.entries(all) as [Name, Points][];

const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);

/** Formats a snapshot as Prometheus's text. */
export const toPrometheusText = (snapshot: Snapshot): string =>
  serializer.serialize(
    toResourceMetrics(snapshot, {
      startedAt: 0,
      now: 0,
      resource: {},
      // The serializer writes the name as it is, and a unit as a comment that only OpenMetrics knows.
      nameOf: (name) => ({ name: prometheusNameOf(name), unit: '' }),
    }),
  );
