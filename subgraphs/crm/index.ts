import { createProvider } from '../../connectors/provider.ts';
import { namesOfSet } from '../../runtime/env.ts';
import { buildSchema, type SubgraphModule } from '../kit/subgraph.ts';
import { createHubSpotApi } from './hubspot/api.ts';
import { HUBSPOT_SECRETS, HubSpotEnv, readConfig } from './hubspot/config.ts';
import { parseRateLimit } from './hubspot/limits.ts';
import { createReaders } from './hubspot/reads.ts';
import { createLoaders } from './loaders.ts';
import { resolvers } from './resolvers.ts';

const CREDENTIALS = [...HUBSPOT_SECRETS, 'HUBSPOT_CLIENT_ID', 'HUBSPOT_BASE_URL'];

/** Customers, companies and deals, from HubSpot. */
export const crm: SubgraphModule = {
  name: 'crm',
  provider: 'hubspot',
  variables: HubSpotEnv,
  secrets: HUBSPOT_SECRETS,
  credentials: CREDENTIALS,
  readConfig,
  create: (env, infrastructure) => {
    const config = readConfig(env);
    const { access, baseUrl, defaultCurrency = '', timeoutMs, limits, concurrency, cachePolicies } = config;
    const provider = createProvider(infrastructure, {
      upstream: 'crm',
      // What is kept has the currency in it.
      account: [baseUrl, defaultCurrency, ...Object.values(access)],
      timeoutMs,
      limits,
      concurrency,
      cachePolicies,
      parseRateLimit,
    });
    const { createReader, invalidate, close } = provider;
    const api = createHubSpotApi(provider.http, config);
    const readers = createReaders(createReader, api);
    return {
      name: 'crm',
      credentials: namesOfSet(CREDENTIALS, env),
      schema: buildSchema(import.meta.dirname, resolvers),
      createContext: (call) => ({ api, call, invalidate, loaders: createLoaders(readers, call) }),
      close,
    };
  },
};
