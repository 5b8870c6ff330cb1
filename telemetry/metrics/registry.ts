import {
  type CounterDefinition,
  type CounterName,
  type HistogramDefinition,
  type HistogramName,
  MAX_VALUES,
  METRICS,
  type MetricName,
  type NameOf,
} from './definitions.ts';
import { LabelValues } from './label-values.ts';
import { type Labels, SeriesSet } from './series.ts';
import type { HistogramPoint, NumberPoint, Snapshot } from './snapshot.ts';

/** The bounds of a metric's labels, in their order; undefined if no label has one. */
type Limits = readonly (LabelValues | undefined)[] | undefined;

const limitValues = (labels: Labels, limits: Limits): Labels => {
  if (limits === undefined || labels === null) return labels;
  const limited = [];
  // Not `map`: this runs several times for each operation.
  for (let index = 0; index < labels.length; index += 1) {
    const label = labels[index] ?? '';
    limited.push(limits[index]?.of(label) ?? label);
  }
  return limited;
};

/** A sum that only grows. */
export class Counter {
  readonly #limits: Limits;
  readonly #series: SeriesSet<{ value: number }>;

  constructor({ maxSeries: max }: CounterDefinition, limits: Limits) {
    this.#limits = limits;
    this.#series = new SeriesSet({ max, create: () => ({ value: 0 }) });
  }

  /** Adds to the series with these label values, in the order of the metric's labels. */
  add(amount: number, ...labels: readonly string[]): void {
    this.#series.of(limitValues(labels, this.#limits)).value += amount;
  }

  merge({ labels, value }: NumberPoint): void {
    this.#series.of(limitValues(labels, this.#limits)).value += value;
  }

  points(): NumberPoint[] {
    return this.#series.entries().map(({ labels, series: { value } }) => ({ labels, value }));
  }

  clear(): void {
    this.#series.clear();
  }
}

/** A distribution of values over buckets. */
export class Histogram {
  readonly #limits: Limits;
  readonly #bounds: readonly number[];
  readonly #series: SeriesSet<{ readonly counts: number[]; sum: number }>;

  constructor({ maxSeries: max, buckets }: HistogramDefinition, limits: Limits) {
    this.#limits = limits;
    this.#bounds = buckets;
    this.#series = new SeriesSet({
      max,
      create: () => ({ counts: Array<number>(buckets.length + 1).fill(0), sum: 0 }),
    });
  }

  /** Adds a value to the series with these label values, in the order of the metric's labels. */
  record(value: number, ...labels: readonly string[]): void {
    this.recordMany(1, value, ...labels);
  }

  /** Adds a value so many times. With 0 times, the series exists from now on. */
  recordMany(times: number, value: number, ...labels: readonly string[]): void {
    const series = this.#series.of(limitValues(labels, this.#limits));
    let bucket = 0;
    while (value > (this.#bounds[bucket] ?? Number.POSITIVE_INFINITY)) bucket += 1;
    series.counts[bucket] = (series.counts[bucket] ?? 0) + times;
    series.sum += value * times;
  }

  merge({ labels, counts, sum }: HistogramPoint): void {
    const series = this.#series.of(limitValues(labels, this.#limits));
    for (const [bucket, count] of counts.entries()) series.counts[bucket] = (series.counts[bucket] ?? 0) + count;
    series.sum += sum;
  }

  points(): HistogramPoint[] {
    return this.#series.entries().map(({ labels, series: { counts, sum } }) => ({ labels, counts: [...counts], sum }));
  }

  clear(): void {
    this.#series.clear();
  }
}

/** The counters and histograms of a process. */
export type Registry = {
  readonly counter: (name: CounterName) => Counter;
  readonly histogram: (name: HistogramName) => Histogram;
  readonly read: () => Recorded;
  /** Returns the values since the last call, and begins at 0 again. */
  readonly take: () => Recorded;
  /** Adds the values of another registry. */
  readonly merge: (recorded: Recorded) => void;
};

export type Recorded = Pick<Snapshot, 'counters' | 'histograms'>;

export const createRegistry = (): Registry => {
  // Shared by all metrics, so that a value keeps its own name in all of them, or in none.
  const values = new Map(Object.entries(MAX_VALUES).map(([label, max]) => [label, new LabelValues(max)]));
  const limitsOf = (name: MetricName): Limits => {
    const limits = METRICS[name].labels.map((label) => values.get(label));
    return limits.some((limit) => limit !== undefined) ? limits : undefined;
  };
  const counters = new Map(
    namesOf('counter').map((name) => [name, new Counter(METRICS[name], limitsOf(name))] as const),
  );
  const histograms = new Map(
    namesOf('histogram').map((name) => [name, new Histogram(METRICS[name], limitsOf(name))] as const),
  );
  const counter = (name: CounterName) => counters.get(name) as Counter;
  const histogram = (name: HistogramName) => histograms.get(name) as Histogram;
  const read = (): Recorded => ({ counters: pointsOf(counters), histograms: pointsOf(histograms) });
  return {
    counter,
    histogram,
    read,
    take: () => {
      const recorded = read();
      for (const instrument of [...counters.values(), ...histograms.values()]) instrument.clear();
      return recorded;
    },
    merge: (recorded) => {
      for (const name of namesOf('counter')) {
        for (const point of recorded.counters[name] ?? []) counter(name).merge(point);
      }
      for (const name of namesOf('histogram')) {
        for (const point of recorded.histograms[name] ?? []) histogram(name).merge(point);
      }
    },
  };
};

const isKind = <Kind extends string>(name: MetricName, kind: Kind): name is NameOf<Kind> => METRICS[name].kind === kind;

const namesOf = <Kind extends string>(kind: Kind): NameOf<Kind>[] =>
  (Object.keys(METRICS) as MetricName[]).filter((name) => isKind(name, kind));

const pointsOf = <Name extends string, Point>(
  instruments: ReadonlyMap<Name, { readonly points: () => readonly Point[] }>,
): Partial<Record<Name, readonly Point[]>> => {
  const all: Partial<Record<Name, readonly Point[]>> = {};
  for (const [name, instrument] of instruments) {
    const points = instrument.points();
    if (points.length > 0) all[name] = points;
  }
  return all;
};
