import { z } from 'zod';
import type { RateLimitRule } from '../../../connectors/middleware/rate-limit.ts';
import type { CachePolicy } from '../../../connectors/reads/cache.ts';
import { type Env, readEnv } from '../../../runtime/env.ts';
import { cachePoliciesVariable, concurrencyVariable, quotaVariable } from '../../kit/provider-env.ts';
import { CACHE_POLICIES, type CachePolicyName, LIMITS, TEST_ACCOUNT_CALLS } from './limits.ts';

/** The variables of the payments subgraph. */
export const StripeEnv = z.object({
  STRIPE_API_KEY: z
    .string('is required to call Stripe')
    .regex(/^(sk|rk)_\w+$/, 'must be a secret or restricted key, sk_… or rk_…'),
  STRIPE_BASE_URL: z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .refine((url) => URL.parse(url)?.pathname === '/', 'must have no path')
    .default('https://api.stripe.com'),
  STRIPE_TIMEOUT_MS: z.coerce.number().int().positive().default(10_000),
  STRIPE_QUOTA: quotaVariable(LIMITS),
  STRIPE_CONCURRENCY: concurrencyVariable(20),
  STRIPE_CACHE: cachePoliciesVariable(CACHE_POLICIES),
});

export const STRIPE_SECRETS = ['STRIPE_API_KEY'] as const;

export type StripeConfig = {
  readonly apiKey: string;
  readonly baseUrl: string;
  readonly timeoutMs: number;
  readonly limits: readonly RateLimitRule[];
  /** Calls at once. */
  readonly concurrency: number;
  readonly cachePolicies: Readonly<Record<CachePolicyName, CachePolicy>>;
};

/** Throws ConfigError naming the variable that is missing or malformed. */
export const readConfig = (env: Env): StripeConfig => {
  const values = readEnv(StripeEnv, env, STRIPE_SECRETS);
  const isTest = /^(sk|rk)_test_/.test(values.STRIPE_API_KEY);
  return {
    apiKey: values.STRIPE_API_KEY,
    baseUrl: values.STRIPE_BASE_URL,
    timeoutMs: values.STRIPE_TIMEOUT_MS,
    limits: values.STRIPE_QUOTA.map((rule) =>
      rule.name === 'account' && isTest && !rule.isOperatorSet ? { ...rule, calls: TEST_ACCOUNT_CALLS } : rule,
    ),
    concurrency: values.STRIPE_CONCURRENCY,
    cachePolicies: values.STRIPE_CACHE,
  };
};
