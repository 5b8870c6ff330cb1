import { z } from 'zod';
import { type Env, readEnv } from '../../runtime/env.ts';

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
});

export const STRIPE_SECRETS = ['STRIPE_API_KEY'] as const;

export type StripeConfig = {
  readonly apiKey: string;
  readonly baseUrl: string;
  readonly timeoutMs: number;
};

/** Throws ConfigError naming the variable that is missing or malformed. */
export const readConfig = (env: Env): StripeConfig => {
  const { STRIPE_API_KEY, STRIPE_BASE_URL, STRIPE_TIMEOUT_MS } = readEnv(StripeEnv, env, STRIPE_SECRETS);
  return { apiKey: STRIPE_API_KEY, baseUrl: STRIPE_BASE_URL, timeoutMs: STRIPE_TIMEOUT_MS };
};
