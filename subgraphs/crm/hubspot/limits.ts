import { z } from 'zod';
import type { ParseRateLimit, RateLimitRule } from '../../../connectors/middleware/rate-limit.ts';
import type { RateLimitUpdate } from '../../../connectors/rate-limits/memory.ts';
import type { CachePolicySeconds } from '../../kit/provider-env.ts';

/* HubSpot's terms, as far as they bear on how often it is asked. `docs/providers.md` explains them. */

/** A private app of a free account; the answers say where it is more. Source: https://developers.hubspot.com/docs/api/usage-details */
export const LIMITS: readonly RateLimitRule[] = [
  { name: 'account', calls: 100, windowMs: 10_000 },
  { name: 'search', calls: 4, windowMs: 1_000, appliesTo: (operation) => operation.endsWith('/search') },
];

export const CACHE_POLICIES = {
  contacts: [60, 120, 3_600],
  companies: [60, 120, 3_600],
  deals: [30, 60, 3_600],
  lineItems: [60, 120, 3_600],
  associations: [60, 120, 3_600],
  lists: [10, 20, 600],
} as const satisfies Readonly<Record<string, CachePolicySeconds>>;

export type CachePolicyName = keyof typeof CACHE_POLICIES;

const Refusal = z.object({ policyName: z.string() });

// The day is the account's own, and where it ends is not said: asked again now and then.
const DAILY_PAUSE_MS = 300_000;

const policyOf = (body: string): string | undefined => {
  try {
    return Refusal.safeParse(JSON.parse(body)).data?.policyName;
  } catch {
    return undefined;
  }
};

const updateOf = (policy: string | undefined): Record<string, RateLimitUpdate> => {
  if (policy === 'DAILY') return { account: { pauseMs: DAILY_PAUSE_MS } };
  // The window slides, so there may be room again soon.
  if (policy === 'TEN_SECONDLY_ROLLING') return { account: { pauseMs: 1_000 } };
  return policy === 'SECONDLY' ? { search: { pauseMs: 1_000 } } : {};
};

/** Every answer but a search's has the state of the ten seconds' limit in its headers; a refusal names its limit. */
export const parseRateLimit: ParseRateLimit = ({ status, headers, body }) => {
  const updates = status === 429 ? updateOf(policyOf(body)) : {};
  const calls = toCount(headers['x-hubspot-ratelimit-max']);
  const remaining = toCount(headers['x-hubspot-ratelimit-remaining']);
  if (calls === undefined || calls === 0 || toCount(headers['x-hubspot-ratelimit-interval-milliseconds']) !== 10_000) {
    return updates;
  }
  return { ...updates, account: { ...updates['account'], calls, remaining } };
};

const toCount = (header: unknown): number | undefined =>
  typeof header === 'string' && /^\d{1,9}$/.test(header) ? Number(header) : undefined;
