import { z } from 'zod';
import type { RateLimitRule } from '../../../connectors/middleware/rate-limit.ts';
import type { CachePolicy } from '../../../connectors/reads/cache.ts';
import { type Env, readEnv } from '../../../runtime/env.ts';
import { cachePoliciesVariable, concurrencyVariable, quotaVariable } from '../../kit/provider-env.ts';
import { CACHE_POLICIES, type CachePolicyName, LIMITS } from './limits.ts';

const HttpUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });

/** The variables of the inventory subgraph. */
export const OpenMageEnv = z.object({
  OPENMAGE_WSDL_URL: z.string('is required to call the shop').pipe(HttpUrl),
  OPENMAGE_USERNAME: z.string('is required to call the shop'),
  OPENMAGE_API_KEY: z.string('is required to call the shop'),
  OPENMAGE_ENDPOINT_URL: HttpUrl.optional(),
  OPENMAGE_TIMEOUT_MS: z.coerce.number().int().positive().default(15_000),
  OPENMAGE_QUOTA: quotaVariable(LIMITS),
  OPENMAGE_CONCURRENCY: concurrencyVariable(4),
  OPENMAGE_CACHE: cachePoliciesVariable(CACHE_POLICIES),
});

export const OPENMAGE_SECRETS = ['OPENMAGE_API_KEY'] as const;

export type OpenMageConfig = {
  readonly wsdlUrl: string;
  readonly username: string;
  readonly apiKey: string;
  /** Where calls go, if not to the address in the WSDL. */
  readonly endpointUrl: string | undefined;
  readonly timeoutMs: number;
  readonly limits: readonly RateLimitRule[];
  /** Calls at once. */
  readonly concurrency: number;
  readonly cachePolicies: Readonly<Record<CachePolicyName, CachePolicy>>;
};

/** Throws ConfigError naming the variable that is missing or malformed. */
export const readConfig = (env: Env): OpenMageConfig => {
  const values = readEnv(OpenMageEnv, env, OPENMAGE_SECRETS);
  return {
    wsdlUrl: values.OPENMAGE_WSDL_URL,
    username: values.OPENMAGE_USERNAME,
    apiKey: values.OPENMAGE_API_KEY,
    endpointUrl: values.OPENMAGE_ENDPOINT_URL,
    timeoutMs: values.OPENMAGE_TIMEOUT_MS,
    limits: values.OPENMAGE_QUOTA,
    concurrency: values.OPENMAGE_CONCURRENCY,
    cachePolicies: values.OPENMAGE_CACHE,
  };
};
