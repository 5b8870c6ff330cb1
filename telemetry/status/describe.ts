import {
  type InboxState,
  joinProviders,
  type LimitState,
  type ProcessState,
  type SubgraphProviderState,
} from '../state.ts';
import {
  type Figures,
  largestOf,
  latencyOf,
  latencySeriesOf,
  sumFigures,
  sumOf,
  sumOperation,
  type Table,
  waitOf,
} from './figures.ts';
import {
  type CostStatus,
  type CountStatus,
  type FlowStatus,
  type InboxStatus,
  type LimitStatus,
  type ProcessStatus,
  type ProviderOperationStatus,
  STATUS_VERSION,
  type Status,
  type SubgraphStatus,
  type SubscriptionsStatus,
} from './format.ts';
import { percentileOf } from './latency.ts';
import { assess } from './provider-health.ts';
import {
  FLOW,
  type LastEnds,
  type OperationRecord,
  type StatusRecord,
  SUBGRAPH,
  type SubgraphRecord,
} from './recorder.ts';
import { STEP_MS, STEPS } from './step-ring.ts';
import { compareCosts, type NamedCost, OTHER } from './top-names.ts';

/** What one process knows. It can be sent as JSON. */
export type ProcessReport = {
  readonly pid: number;
  readonly status: string;
  readonly record: StatusRecord;
  readonly state: ProcessState;
};

/** A process that did not answer. */
export type SilentProcess = { readonly pid: number; readonly status: string };

export type DescribeOptions = {
  readonly product: string;
  /** Where the data of each subgraph come from. Those that are not named here are in other processes. */
  readonly sources: Readonly<Record<string, SubgraphStatus['source']>>;
  /** A gateway, with the workers of its cluster, or a process that serves subgraphs. */
  readonly kind: Status['kind'];
};

/** Operations and clients that are named. */
const MAX_COSTS = 20;

/** A provider's operations that are named. */
const MAX_PROVIDER_OPERATIONS = 5;

/** Returns the status of one or several processes of a gateway, or of a process that serves subgraphs. */
export const describeStatus = (
  processes: readonly (ProcessReport | SilentProcess)[],
  { product, kind, sources }: DescribeOptions,
): Status => {
  const reports = processes.filter((one) => 'record' in one);
  const records = reports.map(({ record }) => record);
  return {
    version: STATUS_VERSION,
    product,
    kind,
    at: new Date().toISOString(),
    stepS: STEP_MS / 1_000,
    steps: STEPS,
    subgraphs: describeSubgraphs(reports, sources).map((one) => (kind === 'gateway' ? one : { ...one, fetches: null })),
    operations: costliest(records.flatMap(({ operations }) => operations)),
    clients: costliest(records.flatMap(({ clients }) => clients)),
    refusals: mostFrequent(records.flatMap(({ refusals }) => refusals)),
    errors: mostFrequent(records.flatMap(({ errors }) => errors)),
    inbox: describeInbox(reports),
    subscriptions: describeSubscriptions(reports),
    processes: processes.map((one) => ('record' in one ? describeProcess(one) : { ...SILENT, ...one })),
  };
};

/** Returns the names of the subgraphs whose provider, or which themselves, are down. */
export const findDown = (report: Pick<ProcessReport, 'record' | 'state'>): string[] =>
  report.record.subgraphs.flatMap((one) => {
    const state = report.state.providers.find(({ subgraph }) => subgraph === one.subgraph);
    return assess(sumFigures([one]), state).health === 'down' ? [one.subgraph] : [];
  });

const describeSubgraphs = (
  reports: readonly ProcessReport[],
  sources: DescribeOptions['sources'],
): SubgraphStatus[] => {
  const records = Map.groupBy(
    reports.flatMap(({ record }) => record.subgraphs),
    ({ subgraph }) => subgraph,
  );
  const states = Map.groupBy(
    reports.flatMap(({ state }) => state.providers),
    ({ subgraph }) => subgraph,
  );
  // An external supergraph may have got others since its gateway started.
  const others = [...records.keys()]
    .filter((subgraph) => !Object.hasOwn(sources, subgraph))
    .map((name) => [name, 'remote'] as const);
  return [...Object.entries(sources), ...others].map(([subgraph, source]) =>
    describeSubgraph(
      { subgraph, source },
      records.get(subgraph) ?? [],
      joinProviders(states.get(subgraph) ?? [], sumUses),
    ),
  );
};

const describeSubgraph = (
  { subgraph, source }: Pick<SubgraphStatus, 'subgraph' | 'source'>,
  records: readonly SubgraphRecord[],
  state: SubgraphProviderState | undefined,
): SubgraphStatus => {
  const figures = sumFigures(records);
  const { requests, fetches, others } = figures;
  const isRemote = source === 'remote';
  const lastEnds = records.map(({ lastRequest, lastFetch }) => (isRemote ? lastFetch : lastRequest));
  return {
    subgraph,
    source,
    ...assess(figures, state),
    requests: isRemote ? null : describeFlow(requests),
    operations: describeOperations(records.flatMap(({ operations }) => operations)),
    fetches: describeFlow(fetches),
    reported: isRemote
      ? { calls: sumOf(others, SUBGRAPH.reportedCalls), failed: sumOf(others, SUBGRAPH.reportedFailures) }
      : null,
    lastSuccessS: toSeconds(least(lastEnds.map(({ successMs }) => successMs))),
    lastFailure: lastFailureOf(lastEnds),
    retries: sumOf(others, SUBGRAPH.retries),
    refused: {
      rateLimit: sumOf(others, SUBGRAPH.refusedByRateLimit),
      circuitBreaker: sumOf(others, SUBGRAPH.refusedByBreaker),
      budget: sumOf(others, SUBGRAPH.refusedByBudget),
    },
    limits: (state?.limits ?? []).map(toLimitStatus),
    breakers: (state?.breakers ?? []).flatMap(({ operation, state: one }) =>
      one === 'closed' ? [] : [{ operation, state: one }],
    ),
    cache: describeCache(figures, isRemote),
    queue: state ? { queued: state.queued, running: state.running, concurrency: state.concurrency } : null,
    waits: isRemote ? null : { p50Ms: rounded(waitOf(figures, 0.5)), p99Ms: rounded(waitOf(figures, 0.99)) },
  };
};

const describeFlow = (flow: Table): FlowStatus => ({
  count: sumOf(flow, FLOW.count),
  failed: sumOf(flow, FLOW.failed),
  p50Ms: rounded(latencyOf(flow, 0.5)),
  p99Ms: rounded(latencyOf(flow, 0.99)),
  series: {
    count: [...(flow[FLOW.count] ?? [])],
    failed: [...(flow[FLOW.failed] ?? [])],
    p99Ms: latencySeriesOf(flow, 0.99).map(rounded),
  },
});

/** Sums requests by operation. Keeps those with the most; the rest is one, `(other)`, which comes last. */
const describeOperations = (records: readonly OperationRecord[]): ProviderOperationStatus[] => {
  const byName = [...Map.groupBy(records, ({ operation }) => operation)].map(([name, same]) => ({
    name,
    same,
    count: sumOperation(same)[FLOW.count] ?? 0,
  }));
  const named = byName.filter(({ name }) => name !== OTHER).sort((one, other) => other.count - one.count);
  const rest = [...named.slice(MAX_PROVIDER_OPERATIONS), ...byName.filter(({ name }) => name === OTHER)];
  return [
    ...named.slice(0, MAX_PROVIDER_OPERATIONS).map(({ name, same }) => describeOperation(name, same)),
    describeOperation(
      OTHER,
      rest.flatMap(({ same }) => same),
    ),
  ].filter(({ count }) => count > 0);
};

const describeOperation = (name: string, records: readonly OperationRecord[]): ProviderOperationStatus => {
  const sums = sumOperation(records);
  return {
    name,
    count: sums[FLOW.count] ?? 0,
    failed: sums[FLOW.failed] ?? 0,
    p50Ms: rounded(percentileOf(sums.subarray(FLOW.latency), 0.5)),
  };
};

const describeCache = ({ others }: Figures, isRemote: boolean): SubgraphStatus['cache'] => {
  const hits = sumOf(others, isRemote ? SUBGRAPH.reportedHits : SUBGRAPH.hits);
  const stale = sumOf(others, isRemote ? SUBGRAPH.reportedStale : SUBGRAPH.stale);
  const misses = sumOf(others, isRemote ? SUBGRAPH.reportedMisses : SUBGRAPH.misses);
  const reads = hits + stale + misses;
  const oldestMs = largestOf(others, SUBGRAPH.oldestMs);
  return {
    hits,
    stale,
    misses,
    hitRatio: reads > 0 ? Number(((hits + stale) / reads).toFixed(3)) : null,
    oldestStaleS: oldestMs > 0 ? toSeconds(oldestMs) : null,
  };
};

/** Describes the inbox that the processes share. Each reads its figures every two seconds, so those of several differ. */
const describeInbox = (reports: readonly ProcessReport[]): InboxStatus | null => {
  const states = reports.flatMap(({ state: { inbox } }) => inbox ?? []);
  if (states.length === 0) return null;
  const largest = (read: (state: InboxState) => number): number => Math.max(...states.map(read));
  return {
    waiting: largest(({ waiting }) => waiting),
    oldestWaitingS: toSeconds(largest(({ oldestWaitingMs }) => oldestWaitingMs)) ?? 0,
    parked: largest(({ parked }) => parked),
  };
};

const describeSubscriptions = (reports: readonly ProcessReport[]): SubscriptionsStatus | null => {
  const states = reports.flatMap(({ state: { subscriptions } }) => subscriptions ?? []);
  if (states.length === 0) return null;
  return {
    subscribers: states.reduce((sum, { subscribers }) => sum + subscribers, 0),
    groups: states.reduce((sum, { groups }) => sum + groups, 0),
  };
};

const describeProcess = ({ pid, status, state }: ProcessReport): ProcessStatus => {
  const { node, cache, admission, redis } = state;
  return {
    pid,
    status,
    uptimeS: node ? Math.floor(node.uptimeS) : null,
    eventLoop: node
      ? {
          delayP99Ms: rounded(node.eventLoop.delayP99S * 1_000) ?? 0,
          utilization: Number(node.eventLoop.utilization.toFixed(3)),
        }
      : null,
    memory: node?.memory ?? null,
    cache: cache ?? null,
    admission: admission ?? null,
    redis: redis ?? null,
  };
};

const SILENT = { uptimeS: null, eventLoop: null, memory: null, cache: null, admission: null, redis: null };

/** Joins a limit of several processes. Each counts its own calls, also with Redis, so they add up to the use of the account. */
const sumUses = (same: SubgraphProviderState['limits']): Pick<LimitState, 'used' | 'limit'> => ({
  used: same.reduce((total, { used }) => total + used, 0),
  limit: Math.max(...same.map(({ limit }) => limit)),
});

const toLimitStatus = ({
  name,
  used,
  limit,
  windowMs,
  pausedMs,
}: SubgraphProviderState['limits'][number]): LimitStatus => ({
  name,
  used,
  limit,
  windowS: windowMs / 1_000,
  pausedS: toSeconds(pausedMs) ?? 0,
});

const lastFailureOf = (lastEnds: readonly LastEnds[]): SubgraphStatus['lastFailure'] => {
  const [last] = lastEnds
    .flatMap(({ failureMs, failureCode }) =>
      failureMs === null || failureCode === null ? [] : [{ ageMs: failureMs, code: failureCode }],
    )
    .sort((one, other) => one.ageMs - other.ageMs);
  return last ? { code: last.code, ageS: toSeconds(last.ageMs) ?? 0 } : null;
};

/** Sums costs by name. Keeps the costliest; the rest is one, `(other)`, which comes last. */
const costliest = (costs: readonly NamedCost[]): CostStatus[] => {
  const sums = [...Map.groupBy(costs, ({ name }) => name)].map(([name, same]) => sumCosts(name, same));
  const named = sums.filter(({ name }) => name !== OTHER).sort(compareCosts);
  const rest = [...named.slice(MAX_COSTS), ...sums.filter(({ name }) => name === OTHER)];
  return [...named.slice(0, MAX_COSTS), ...(rest.length > 0 ? [sumCosts(OTHER, rest)] : [])];
};

const sumCosts = (name: string, costs: readonly NamedCost[]): CostStatus => {
  const sum = (figure: 'operations' | 'errors' | 'calls' | 'timeMs') =>
    costs.reduce((total, cost) => total + cost[figure], 0);
  return {
    name,
    operations: sum('operations'),
    errors: sum('errors'),
    calls: sum('calls'),
    timeMs: Math.round(sum('timeMs')),
  };
};

const mostFrequent = (costs: readonly NamedCost[]): CountStatus[] =>
  [...Map.groupBy(costs, ({ name }) => name)]
    .map(([code, same]) => ({ code, count: same.reduce((sum, { operations }) => sum + operations, 0) }))
    .sort((one, other) => other.count - one.count);

const least = (figures: readonly (number | null)[]): number | null => {
  const known = figures.filter((figure) => figure !== null);
  return known.length > 0 ? Math.min(...known) : null;
};

const toSeconds = (ms: number | null): number | null => (ms === null ? null : Number((ms / 1_000).toFixed(1)));

const rounded = (ms: number | null): number | null => (ms === null ? null : Number(ms.toPrecision(3)));
