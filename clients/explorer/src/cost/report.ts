import { useSyncExternalStore } from 'react';

/*
 * The gateway's report of a request in `extensions.tributary`, and the last one received.
 */

export type Timed = { readonly startMs: number; readonly timeMs: number };

export type FetchSpan = Timed & {
  readonly subgraph: string;
  readonly query: string;
  readonly entities: number;
  readonly errors: number;
};

export type CallSpan = Timed & {
  readonly subgraph: string;
  readonly operation: string;
  readonly kind: 'call' | 'wait';
  readonly isFailed: boolean;
};

export type PlanNode =
  | { readonly kind: 'sequence' | 'parallel'; readonly nodes: readonly PlanNode[] }
  | {
      readonly kind: 'condition';
      readonly variable: string;
      readonly then: readonly PlanNode[];
      readonly otherwise: readonly PlanNode[];
    }
  | { readonly kind: 'fetch'; readonly subgraph: string; readonly query: string; readonly places: readonly string[] };

export type Trace = {
  readonly plan?: PlanNode;
  readonly fetches: readonly FetchSpan[];
  readonly calls: readonly CallSpan[];
};

export type Report = {
  readonly timeMs?: number;
  readonly stale?: readonly {
    readonly path: readonly (string | number)[];
    readonly subgraph: string;
    readonly ageMs: number;
    readonly reason: string;
  }[];
  readonly calls?: readonly {
    readonly subgraph: string;
    readonly operation: string;
    readonly calls: number;
    readonly keys: number;
    readonly hits: number;
    readonly stale: number;
    readonly misses: number;
  }[];
  readonly trace?: Trace;
};

export const REPORT_HEADERS = { 'x-tributary-report': 'trace' };

/** A run of an operation, and its provider calls when they are known. */
export type Run = { readonly key: string; readonly calls?: Report['calls'] };

let last: Report | null | undefined;
let run: Run | undefined;
const listeners = new Set<() => void>();

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

const notify = (): void => {
  for (const listener of listeners) listener();
};

/** Identifies an operation and its variables. */
export const runKey = ({ query, variables, operationName }: RunBody): string =>
  JSON.stringify([query, operationName ?? null, variables ?? {}]);

type RunBody = { readonly query: string; readonly variables?: unknown; readonly operationName?: string | null };

/** Notes that an operation is run. Returns whether the run before was of the same one. */
export const startRun = (key: string): boolean => {
  // GraphiQL's introspection is not a run.
  if (key.includes('__schema')) return false;
  const isRepeated = run?.key === key;
  run = { key };
  notify();
  return isRepeated;
};

/** Forgets the last report: what runs now has none. */
export const forgetReport = (): void => {
  last = undefined;
  notify();
};

/** Returns the last run. */
export const useRun = (): Run | undefined => useSyncExternalStore(subscribe, () => run);

/** Returns the last report; undefined before the first query, and null if the gateway sends none. */
export const useReport = (): Report | null | undefined => useSyncExternalStore(subscribe, () => last);

/**
 * Stores the report of a run's response, and returns the response without the trace, which is too long to display with it.
 */
export const noteReport = async (response: Response, key: string): Promise<Response> => {
  const text = await response.text();
  const { status, statusText, headers } = response;
  const rebuild = (body: string) => new Response(body, { status, statusText, headers });
  let answer: { data?: object | null; errors?: unknown; extensions?: { tributary?: Report } };
  try {
    answer = JSON.parse(text);
  } catch {
    return rebuild(text);
  }
  // Ignores GraphiQL's introspection, which causes no provider calls.
  if (answer.data && '__schema' in answer.data) return rebuild(text);
  const { trace, ...rest } = answer.extensions?.tributary ?? {};
  // Every client receives the notes about stale data, so these alone are not a report.
  last = rest.calls ? answer.extensions?.tributary : answer.data === undefined ? undefined : null;
  if (run?.key === key) run = { key, calls: rest.calls };
  notify();
  if (!trace) return rebuild(text);
  return rebuild(JSON.stringify({ ...answer, extensions: { ...answer.extensions, tributary: rest } }));
};

/** Returns the text to display without a report. */
export const whyNone = (report: null | undefined): string =>
  report === null
    ? 'This gateway does not report the cost of queries. Set CALL_REPORT=on to turn the report on.'
    : 'Run a query to see its cost here.';

/** Summarizes the cost of a request. */
export const totalsOf = ({ calls = [], trace }: Report) => ({
  calls: calls.reduce((sum, row) => sum + row.calls, 0),
  hits: calls.reduce((sum, row) => sum + row.hits + row.stale, 0),
  fetches: trace?.fetches.length ?? 0,
});
