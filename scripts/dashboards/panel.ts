/* The parts of a Grafana dashboard that differ from panel to panel. */

/** A query in PromQL. Grafana replaces `$instance`, `$subgraph` and `$__rate_interval`. */
export type Query = {
  readonly expr: string;
  /** The name of its series; labels in double braces. */
  readonly legend: string;
};

type Color = 'green' | 'yellow' | 'orange' | 'red';

export type Panel = {
  readonly title: string;
  /** What it shows, and when to worry. */
  readonly description: string;
  readonly kind: 'lines' | 'stacked' | 'figure';
  /** Grafana's id of the unit, e.g. `s`, `bytes`, `percentunit`, `reqps`. */
  readonly unit: string;
  readonly queries: readonly Query[];
  /** Colors from a value on. Below the first, it is green. */
  readonly thresholds?: readonly (readonly [value: number, color: Color])[];
  /** The color below the first threshold. Default: green. */
  readonly base?: Color;
  readonly min?: number;
  readonly max?: number;
  /** Shown if there are no series. */
  readonly noValue?: string;
};

export type Row = { readonly title: string; readonly panels: readonly Panel[] };

/** A variable whose values are those of a label. */
export type Variable = { readonly name: string; readonly label: string; readonly metric: string };

export type Dashboard = {
  /** Part of its address, and the name of its file. */
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  /** Variables besides the data source and the instance. */
  readonly variables?: readonly Variable[];
  readonly rows: readonly Row[];
};

/** Returns a query for the sum of a counter's rates, by these labels. */
export const rateOf = (by: string, metric: string, matchers = ''): string =>
  `sum by (${by}) (rate(${metric}{instance=~"$instance"${matchers && `, ${matchers}`}}[$__rate_interval]))`;

/** Returns a query for a quantile of a histogram, by these labels. */
export const quantileOf = (quantile: number, by: string, metric: string, matchers = ''): string => {
  const labels = by ? `le, ${by}` : 'le';
  return `histogram_quantile(${quantile}, ${rateOf(labels, `${metric}_bucket`, matchers)})`;
};

/** Returns a query for a gauge. */
export const gaugeOf = (by: string, metric: string, combine: 'sum' | 'max' = 'sum', matchers = ''): string =>
  `${combine} by (${by}) (${metric}{instance=~"$instance"${matchers && `, ${matchers}`}})`;
