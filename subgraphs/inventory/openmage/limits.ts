import type { LimitRule } from '../../../connectors/middleware/rate-limit.ts';
import type { LifetimeSeconds } from '../../kit/provider-env.ts';

/* How often a shop is asked. `docs/providers.md` explains it. */

/** A shop states no limit; what it can take, its operator knows. The number of calls at once is what protects it. */
export const LIMITS: readonly LimitRule[] = [{ name: 'account', calls: Number.POSITIVE_INFINITY, windowMs: 1_000 }];

export const LIFETIMES = {
  stock: [10, 30, 900],
  catalogue: [600, 3_600, 86_400],
} as const satisfies Readonly<Record<string, LifetimeSeconds>>;

export type LifetimeName = keyof typeof LIFETIMES;
