/* The names of gateways, workloads and runs, as they are in results. */

export const STOCK = 'Apollo (stock)';
export const RUST = 'Hive, Rust planner';
export const TRIBUTARY = 'Tributary';
export const IN_PROCESS = 'Tributary, in process';
export const AUTHENTICATED = 'Tributary, authenticated';
/** With plans for its clients. */
export const LIMITED = 'Tributary, with limits and budgets';
export const EMBEDDED = 'Tributary, embedded';
export const BY_HAND = 'by hand';
/** Ends the name of a candidate of the baseline checkout. */
export const BASELINE = ' (baseline)';

export const WORKLOADS = {
  heavy: 'The heavy query',
  product: "The product's own queries",
  provider: "The product's own queries, from client to provider",
  growth: 'Growing queries',
} as const;
export type WorkloadName = keyof typeof WORKLOADS;

export const RUNS = {
  start: 'Start: each gateway is started in every round',
  saturated: 'Saturated: each connection sends its next request after the response to the last',
  half: 'At a fixed arrival rate, which keeps the gateway’s core busy for the given share of the time',
  latency: 'Half load, with subgraphs that respond after the given time',
  provider: 'From client to provider: CPU and memory of the gateway and the subgraphs together',
  growth: 'Growth: the same query up to ten times as large',
  profile: 'Profile: where the CPU time of Tributary is spent',
} as const;
export type Run = keyof typeof RUNS;

/** The dimensions of growth, with their factors. */
export const AXES = {
  answer: 'rows in each object',
  depth: 'levels of entities',
  subgraphs: 'subgraphs',
  entities: 'entities',
} as const;
export type Axis = keyof typeof AXES;
export const FACTORS = [1, 4, 7, 10] as const;
