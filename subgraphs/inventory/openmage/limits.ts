import type { RateLimitRule } from '../../../connectors/middleware/rate-limit.ts';
import type { CachePolicySeconds } from '../../kit/provider-env.ts';

/* How often a shop is asked. `docs/providers.md` explains it. */

/** A shop states no limit; what it can take, its operator knows. The number of calls at once is what protects it. */
export const LIMITS: readonly RateLimitRule[] = [{ name: 'account', calls: Number.POSITIVE_INFINITY, windowMs: 1_000 }];

export const CACHE_POLICIES = {
  stock: [10, 30, 900],
  catalogue: [600, 3_600, 86_400],
} as const satisfies Readonly<Record<string, CachePolicySeconds>>;

export type CachePolicyName = keyof typeof CACHE_POLICIES;
