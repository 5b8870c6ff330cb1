import type { Client } from '../../runtime/client-usage.ts';
import type { Refusal } from '../../runtime/http-errors.ts';
import type { Identity } from '../../subgraphs/kit/identity.ts';
import { clientOf } from './client.ts';
import type { ClientLog } from './client-log.ts';
import { type Counters, type Usage, waitFor } from './counters/counter.ts';
import { countersOf } from './plan-counters.ts';
import type { Plan, Plans } from './plans.ts';
import { toSeconds, writePolicy, writeRateLimit } from './rate-limit-headers.ts';

/** The client of a request, with its plan. */
export type Admitted = {
  readonly client: Client;
  /** Undefined if it has no limits. */
  readonly plan: Plan | undefined;
  /** The counters that the response reports. */
  readonly usages: readonly Usage[];
  readonly refusal?: (Refusal & { readonly retryAfterS?: number }) | undefined;
};

/** Counts the request of a sender from an address, and finds out whether it is within the limits of the sender's plan. */
export type AdmitClient = (identity: Identity, address: string) => Promise<Admitted>;

export const LIMITS_UNAVAILABLE: Refusal = {
  status: 503,
  message: 'The limits of clients cannot be checked right now. Retry the request after the time in Retry-After.',
  code: 'LIMITS_UNAVAILABLE',
};

/** Creates the limits per client. */
export const createClientLimits =
  (plans: Pick<Plans, 'planOf'>, counters: Counters, log: ClientLog): AdmitClient =>
  async (identity, address) => {
    const plan = plans.planOf(identity);
    const client = clientOf(identity, address, plan?.weight);
    if (!plan) return { client, plan, usages: [] };
    const { requests, calls } = countersOf(plan);
    const uses = [
      ...(requests ? [{ counter: requests, units: 1 }] : []),
      // Only read: what the request will cost is not known yet.
      ...(calls ? [{ counter: calls, units: 0 }] : []),
    ];
    if (uses.length === 0) return { client, plan, usages: [] };
    const taken = await counters.take(client.id, uses);
    if (!taken) return { client, plan, usages: [], refusal: LIMITS_UNAVAILABLE };
    const { usages, isGranted } = taken;
    if (isGranted) return { client, plan, usages };
    const retryAfterS = toSeconds(waitFor(usages[0] as Usage, 1));
    const { limit, seconds } = plan.requests as NonNullable<Plan['requests']>;
    log(
      { id: client.id, identity, address },
      { code: 'RATE_LIMITED', plan: plan.name, limit, seconds },
      'Refused a request.',
    );
    return {
      client,
      plan,
      usages,
      refusal: {
        status: 429,
        message: `The client has sent more than ${limit.toLocaleString('en-US')} requests in ${seconds.toLocaleString('en-US')} seconds. Retry the request after the time in Retry-After.`,
        code: 'RATE_LIMITED',
        details: { limit, seconds },
        retryAfterS,
      },
    };
  };

/** Returns the headers that report counters. Without counters, there are none. */
export const rateLimitHeaders = (usages: readonly Usage[]): Readonly<Record<string, string>> =>
  usages.length > 0 ? { 'ratelimit-policy': writePolicy(usages), ratelimit: writeRateLimit(usages) } : {};
