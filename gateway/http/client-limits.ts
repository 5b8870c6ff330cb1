import type { Log } from '../../runtime/log.ts';
import type { Redis } from '../../runtime/redis.ts';
import type { Identity } from '../../subgraphs/kit/identity.ts';
import type { GatewayConfig } from '../config.ts';
import { clientOf } from '../cost/client.ts';
import { type AdmitClient, type Admitted, createClientLimits } from '../cost/client-limits.ts';
import { createClientLog } from '../cost/client-log.ts';
import { createMemoryCounters } from '../cost/counters/memory.ts';
import { createSharedCounters } from '../cost/counters/redis.ts';
import { countFetches } from '../cost/fetch-count.ts';
import { openPlans } from '../cost/plans.ts';
import { writeRateLimit } from '../cost/rate-limit-headers.ts';
import { createSpendingGuard } from '../cost/spending-guard.ts';
import type { SupergraphSource } from '../execution/gateway.ts';
import type { SpendingOptions } from '../execution/graph.ts';
import { subgraphsOf } from '../supergraph/files.ts';
import type { RequestContext } from './context.ts';

export type ClientLimits = {
  readonly admit: AdmitClient;
  /** Limits the provider calls of operations. */
  readonly spending: SpendingOptions<RequestContext>;
  readonly close: () => void;
};

type ClientLimitsOptions = {
  readonly config: GatewayConfig;
  readonly supergraph: Pick<SupergraphSource, 'sdl'>;
  readonly redis: Redis | undefined;
  readonly log: Log;
};

/** Returns the client of a request without limits. */
export const unlimited = (identity: Identity, address: string): Admitted => ({
  client: clientOf(identity, address),
  plan: undefined,
  usages: [],
});

/** Limits nobody. */
const NO_LIMITS: ClientLimits = {
  admit: async (identity, address) => unlimited(identity, address),
  spending: {},
  close: () => {},
};

/** Time after its deadline within which an operation settles its reservation, in milliseconds. */
const SETTLING_MS = 10_000;

/** Opens the limits per client that the configuration names. Throws ConfigError. */
export const openClientLimits = async ({
  config: { clientLimits, requestTimeoutMs, supergraphFile },
  supergraph,
  redis,
  log,
}: ClientLimitsOptions): Promise<ClientLimits> => {
  if (!clientLimits) return NO_LIMITS;
  const { plansFile, withoutRedis, budgets } = clientLimits;
  const isBundled = supergraphFile === undefined;
  const plans = await openPlans(plansFile, {
    subgraphs: () => subgraphsOf(supergraph.sdl).keys(),
    isComplete: isBundled,
    log,
  });
  const counters = redis
    ? createSharedCounters({ redis, withoutRedis, reservationMs: requestTimeoutMs + SETTLING_MS })
    : createMemoryCounters(() => Date.now());
  const clientLog = createClientLog(log);
  const isEnforced = budgets === 'enforce';
  return {
    admit: createClientLimits(plans, counters, clientLog),
    spending: {
      estimateCalls: countFetches,
      callsOf: isBundled ? reportedCalls : ({ fetchCounts }) => fetchCounts,
      guard: createSpendingGuard<RequestContext>({
        counters,
        clientOf: (context) => context,
        isEnforced,
        onExceeded: (exceeded, { client, identity, exceededBudgets }) => {
          const message = isEnforced
            ? 'Refused an operation over a budget.'
            : 'BUDGETS=enforce would refuse an operation.';
          clientLog({ id: client.id, identity }, { code: 'BUDGET_EXCEEDED', ...exceeded }, message);
          if (!isEnforced) exceededBudgets.push(exceeded);
        },
        onCalls: (calls, { usages, setHeader }) =>
          setHeader('ratelimit', writeRateLimit(usages.map((one) => (one.counter.name === 'calls' ? calls : one)))),
      }),
    },
    close: plans.close,
  };
};

/** Sums the provider calls that subgraphs of this graph report. */
const reportedCalls = ({ telemetry }: RequestContext): ReadonlyMap<string, number> => {
  const sums = new Map<string, number>();
  for (const { subgraph, calls } of telemetry.callStats?.rows() ?? [])
    sums.set(subgraph, (sums.get(subgraph) ?? 0) + calls);
  return sums;
};
