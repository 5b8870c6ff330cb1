import type { Run, WorkloadName } from './names.ts';
import { median } from './statistics.ts';

/* The result of a benchmark run, as it is written with `--json`. */

/** Each measure, with its title in tables and its digits after the point. */
export const MEASURES = {
  perSecond: ['requests/s', 1],
  p50: ['p50 ms', 1],
  p99: ['p99 ms', 0],
  cpu: ['CPU ms a request', 2],
  memory: ['MiB', 0],
  /** Requests to the subgraphs for each request of a client. */
  fetches: ['fetches a request', 2],
  /** Requests to the providers for each request of a client. */
  calls: ['provider requests a request', 2],
  /** The share of failed requests. */
  failed: ['failed %', 1],
  /** The load of the gateway's core by the gateway, and of the other core by the load generator and the subgraphs. */
  itsCore: ['its core %', 0],
  otherCore: ['other core %', 0],
  /** By how much the load generator sent requests late, 99th percentile. */
  late: ['sent late, p99 ms', 1],
  /** From the start of the process to the first response. */
  first: ['first response ms', 0],
  /** CPU of the first response to an operation, with validation, planning and compilation. */
  firstCpu: ['CPU ms of the first request', 0],
  /** Of the response. */
  kilobytes: ['KB', 0],
} as const satisfies Readonly<Record<string, readonly [title: string, digits: number]>>;
export type Measure = keyof typeof MEASURES;

/** The measures of one round. */
export type Sample = Readonly<Partial<Record<Measure, number>>>;

/** The samples of one gateway in one setting. */
export type Row = {
  readonly run: Run;
  readonly workload: WorkloadName;
  readonly gateway: string;
  /** The setting within the run: connections, load, response times of the subgraphs, or how much the query has grown. */
  readonly at: string;
  /** One for each round, in the order of the rounds. */
  readonly samples: readonly Sample[];
};

/** A goal and what was measured. */
export type Goal = {
  readonly title: string;
  readonly value: number;
  readonly goal: number;
  /** Whether the goal is an upper or a lower limit. */
  readonly limit: 'most' | 'least';
};

/** Shares of the CPU time, by what it was spent on. */
export type Profile = { readonly title: string; readonly shares: Readonly<Record<string, number>> };

export type Result = {
  readonly date: string;
  readonly commit: string;
  readonly command: string;
  readonly machine: {
    readonly processor: string;
    readonly cores: number;
    readonly memoryMib: number;
    readonly node: string;
    readonly kernel: string;
    /** Average number of runnable processes in the 15 minutes before start and end. The benchmark's own are 2 at most. */
    readonly loadBefore: number;
    readonly loadAfter: number;
  };
  readonly minutes: number;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly goals: readonly Goal[];
  readonly profiles: readonly Profile[];
  readonly rows: readonly Row[];
};

/** Returns the median of a measure over a row's rounds; undefined if it was not measured. */
export const medianOf = ({ samples }: Row, measure: Measure): number | undefined => {
  const values = samples.flatMap(({ [measure]: value }) => (value === undefined || Number.isNaN(value) ? [] : [value]));
  return values.length > 0 ? median(values) : undefined;
};

/** Returns the result as JSON, each round on one line. */
export const formatJson = (result: Result): string =>
  `${JSON.stringify(result, undefined, 1).replaceAll(/\{[^{}[\]]*\}/g, (flat) => flat.replaceAll(/\n\s*/g, ' '))}\n`;
