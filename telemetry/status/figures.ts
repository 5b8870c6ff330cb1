import { LATENCY_BUCKETS, percentileOf } from './latency.ts';
import {
  FLOW,
  FLOW_COLUMNS,
  type OperationRecord,
  SUBGRAPH,
  SUBGRAPH_COLUMNS,
  type SubgraphRecord,
} from './recorder.ts';
import { STEPS } from './step-ring.ts';

/** Steps that count as now: the present one and those of the 30 seconds before it. */
export const RECENT_STEPS = 7;

type Pairs = readonly number[];

/** The figures of a subgraph from all processes: a row for each column, with a figure for each step, the oldest first. */
export type Figures = {
  readonly requests: Table;
  readonly fetches: Table;
  /** A row for each latency bucket. */
  readonly waits: Table;
  readonly others: Table;
};

export type Table = readonly Float64Array[];

const createTable = (columns: number): Float64Array[] => Array.from({ length: columns }, () => new Float64Array(STEPS));

/** Adds figures, except those of the column `largest`, of which the largest counts. Ignores those that are out of range. */
const addPairs = (table: Table, pairs: Pairs, largest?: number): void => {
  for (let index = 0; index < pairs.length; index += 2) {
    const cell = pairs[index] ?? 0;
    const column = cell % table.length;
    const step = Math.floor(cell / table.length);
    const row = table[column];
    if (!row || step >= STEPS) continue;
    const [known, figure] = [row[step] ?? 0, pairs[index + 1] ?? 0];
    row[step] = column === largest ? Math.max(known, figure) : known + figure;
  }
};

/** Sums the figures of one subgraph over all processes. */
export const sumFigures = (records: readonly SubgraphRecord[]): Figures => {
  const figures = {
    requests: createTable(FLOW_COLUMNS),
    fetches: createTable(FLOW_COLUMNS),
    waits: createTable(LATENCY_BUCKETS),
    others: createTable(SUBGRAPH_COLUMNS),
  };
  for (const { requests, fetches, waits, others } of records) {
    addPairs(figures.requests, requests);
    addPairs(figures.fetches, fetches);
    addPairs(figures.waits, waits);
    addPairs(figures.others, others, SUBGRAPH.oldestMs);
  }
  return figures;
};

/** Sums the requests of one operation over all processes: a sum for each column. */
export const sumOperation = (records: readonly OperationRecord[]): Float64Array => {
  const total = new Float64Array(FLOW_COLUMNS);
  for (const { sums } of records) {
    for (let index = 0; index < sums.length; index += 2) {
      const column = sums[index] ?? 0;
      // Ignored by the array if it is out of range.
      total[column] = (total[column] ?? 0) + (sums[index + 1] ?? 0);
    }
  }
  return total;
};

/** Sums a column over the last steps, by default all. */
export const sumOf = (table: Table, column: number, steps = STEPS): number => {
  let sum = 0;
  for (const figure of table[column]?.subarray(STEPS - steps) ?? []) sum += figure;
  return sum;
};

/** Returns the largest figure of a column. */
export const largestOf = (table: Table, column: number): number => Math.max(0, ...(table[column] ?? []));

/** Returns a percentile of the latencies of the last steps, in milliseconds; null without requests. */
export const latencyOf = (flow: Table, share: number, steps = STEPS): number | null =>
  percentileOf(
    Array.from({ length: LATENCY_BUCKETS }, (_, bucket) => sumOf(flow, FLOW.latency + bucket, steps)),
    share,
  );

/** Returns a percentile of the waits for permits of the last steps, in milliseconds; null without any. */
export const waitOf = ({ waits }: Pick<Figures, 'waits'>, share: number, steps = STEPS): number | null =>
  percentileOf(
    waits.map((_, bucket) => sumOf(waits, bucket, steps)),
    share,
  );

/** Returns a percentile for each step. */
export const latencySeriesOf = (flow: Table, share: number): (number | null)[] =>
  Array.from({ length: STEPS }, (_, step) =>
    percentileOf(
      flow.slice(FLOW.latency).map((row) => row[step] ?? 0),
      share,
    ),
  );
