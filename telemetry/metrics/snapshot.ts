import type { CounterName, GaugeName, HistogramName } from './definitions.ts';
import type { Labels } from './series.ts';

export type NumberPoint = { readonly labels: Labels; readonly value: number };

export type HistogramPoint = {
  readonly labels: Labels;
  /** The number of values in each bucket, not cumulated. One more than the metric has bounds. */
  readonly counts: readonly number[];
  readonly sum: number;
};

/** The values of all metrics at one time. Plain data, without the metrics that have no series. */
export type Snapshot = {
  readonly counters: Readonly<Partial<Record<CounterName, readonly NumberPoint[]>>>;
  readonly histograms: Readonly<Partial<Record<HistogramName, readonly HistogramPoint[]>>>;
  readonly gauges: Gauges;
};

export type Gauges = Readonly<Partial<Record<GaugeName, readonly NumberPoint[]>>>;
