import { z } from 'zod';
import type { RateLimitRule } from '../../../connectors/middleware/rate-limit.ts';
import type { CachePolicy } from '../../../connectors/reads/cache.ts';
import { ConfigError, type Env, readEach, readEnv } from '../../../runtime/env.ts';
import { cachePoliciesVariable, concurrencyVariable, quotaVariable } from '../../kit/provider-env.ts';
import { API_VERSION, FIRST_API_VERSION } from './endpoints.ts';
import { CACHE_POLICIES, type CachePolicyName, LIMITS } from './limits.ts';

/** The variables of the crm subgraph. */
export const HubSpotEnv = z.object({
  HUBSPOT_ACCESS_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'must be a token, in one line and without spaces')
    .optional(),
  HUBSPOT_CLIENT_ID: z.string().optional(),
  HUBSPOT_CLIENT_SECRET: z.string().optional(),
  HUBSPOT_REFRESH_TOKEN: z.string().optional(),
  HUBSPOT_BASE_URL: z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .default('https://api.hubapi.com'),
  HUBSPOT_API_VERSION: z
    .string()
    .regex(/^\d{4}-(0[1-9]|1[0-2])(-beta)?$/, `must be a dated version, e.g. ${API_VERSION}`)
    .refine((version) => version >= FIRST_API_VERSION, `must be ${FIRST_API_VERSION} or later`)
    .default(API_VERSION),
  HUBSPOT_TIMEOUT_MS: z.coerce.number().int().positive().default(10_000),
  HUBSPOT_CURRENCY: z
    .string()
    .regex(/^[A-Z]{3}$/, 'must be a currency of ISO 4217, e.g. EUR')
    .optional(),
  HUBSPOT_QUOTA: quotaVariable(LIMITS),
  HUBSPOT_CONCURRENCY: concurrencyVariable(10),
  HUBSPOT_CACHE: cachePoliciesVariable(CACHE_POLICIES),
});

export const HUBSPOT_SECRETS = ['HUBSPOT_ACCESS_TOKEN', 'HUBSPOT_CLIENT_SECRET', 'HUBSPOT_REFRESH_TOKEN'] as const;

export type OAuthApp = { readonly clientId: string; readonly clientSecret: string; readonly refreshToken: string };

export type HubSpotConfig = {
  /** A private app's token, or the OAuth app that gets tokens. */
  readonly access: { readonly token: string } | OAuthApp;
  readonly baseUrl: string;
  /** A dated version of the API, e.g. `2026-09`. */
  readonly apiVersion: string;
  readonly timeoutMs: number;
  /** For deals that name no currency. */
  readonly defaultCurrency: string | undefined;
  readonly limits: readonly RateLimitRule[];
  /** Calls at once. */
  readonly concurrency: number;
  readonly cachePolicies: Readonly<Record<CachePolicyName, CachePolicy>>;
};

/** Throws ConfigError naming the variable that is missing, malformed or in the way of another. */
export const readConfig = (env: Env): HubSpotConfig => {
  const [values, access] = readEach(
    () => readEnv(HubSpotEnv, env, HUBSPOT_SECRETS),
    () => readAccess(env),
  );
  return {
    access,
    baseUrl: values.HUBSPOT_BASE_URL.replace(/\/$/, ''),
    apiVersion: values.HUBSPOT_API_VERSION,
    timeoutMs: values.HUBSPOT_TIMEOUT_MS,
    defaultCurrency: values.HUBSPOT_CURRENCY,
    limits: values.HUBSPOT_QUOTA,
    concurrency: values.HUBSPOT_CONCURRENCY,
    cachePolicies: values.HUBSPOT_CACHE,
  };
};

const AccessEnv = HubSpotEnv.pick({
  HUBSPOT_ACCESS_TOKEN: true,
  HUBSPOT_CLIENT_ID: true,
  HUBSPOT_CLIENT_SECRET: true,
  HUBSPOT_REFRESH_TOKEN: true,
});

const readAccess = (env: Env): HubSpotConfig['access'] => {
  const {
    HUBSPOT_ACCESS_TOKEN: token,
    HUBSPOT_CLIENT_ID: clientId,
    HUBSPOT_CLIENT_SECRET: clientSecret,
    HUBSPOT_REFRESH_TOKEN: refreshToken,
  } = readEnv(AccessEnv, env, HUBSPOT_SECRETS);
  if (token && (clientId || clientSecret || refreshToken)) {
    throw new ConfigError('HUBSPOT_ACCESS_TOKEN: set either this or the OAuth variables, not both.');
  }
  if (token) return { token };
  if (clientId && clientSecret && refreshToken) return { clientId, clientSecret, refreshToken };
  if (!clientId && !clientSecret && !refreshToken) {
    throw new ConfigError('HUBSPOT_ACCESS_TOKEN: is required to call HubSpot, or the three OAuth variables.');
  }
  const missing = [
    !clientId && 'HUBSPOT_CLIENT_ID',
    !clientSecret && 'HUBSPOT_CLIENT_SECRET',
    !refreshToken && 'HUBSPOT_REFRESH_TOKEN',
  ].filter(Boolean);
  throw new ConfigError(`${missing.join(', ')}: required for OAuth beside the variables that are set.`);
};
