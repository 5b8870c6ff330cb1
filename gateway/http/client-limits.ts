import type { Log } from '../../runtime/log.ts';
import type { Redis } from '../../runtime/redis.ts';
import type { Identity } from '../../subgraphs/kit/identity.ts';
import type { GatewayConfig } from '../config.ts';
import type { SpendingGuard } from '../cost/calls.ts';
import { clientOf } from '../cost/client.ts';
import { type AdmitClient, type Admitted, createClientLimits } from '../cost/client-limits.ts';
import { createClientLog } from '../cost/client-log.ts';
import { createMemoryCounters } from '../cost/counters/memory.ts';
import { createSharedCounters } from '../cost/counters/redis.ts';
import { openPlans } from '../cost/plans.ts';
import { writeRateLimit } from '../cost/rate-limit-headers.ts';
import { createSpendingGuard } from '../cost/spending-guard.ts';
import type { SupergraphSource } from '../execution/gateway.ts';
import { subgraphsOf } from '../supergraph/files.ts';
import type { RequestContext } from './context.ts';

export type ClientLimits = {
  readonly admit: AdmitClient;
  /** Limits the provider calls of operations. Undefined if nobody's are limited. */
  readonly guard: SpendingGuard<RequestContext> | undefined;
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
  guard: undefined,
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
    guard: createSpendingGuard<RequestContext>({
      counters,
      clientOf: (context) => context,
      isEnforced,
      onExceeded: (exceeded, { client, identity, address, exceededBudgets }) => {
        const message = isEnforced
          ? 'Refused an operation over a budget.'
          : 'BUDGETS=enforce would refuse an operation.';
        clientLog({ id: client.id, identity, address: address() }, { code: 'BUDGET_EXCEEDED', ...exceeded }, message);
        if (!isEnforced) exceededBudgets.push(exceeded);
      },
      onCalls: (calls, { usages, setHeader }) =>
        setHeader('ratelimit', writeRateLimit(usages.map((one) => (one.counter.name === 'calls' ? calls : one)))),
    }),
    close: plans.close,
  };
};
