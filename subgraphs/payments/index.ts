import { createProvider } from '../../connectors/provider.ts';
import { namesOfSet } from '../../runtime/env.ts';
import { buildSchema, type SubgraphModule } from '../kit/subgraph.ts';
import { createLoaders } from './loaders.ts';
import { resolvers } from './resolvers.ts';
import { createStripeApi } from './stripe/api.ts';
import { readConfig, STRIPE_SECRETS, StripeEnv } from './stripe/config.ts';
import { parseRateLimit } from './stripe/limits.ts';
import { createReaders } from './stripe/reads.ts';

const CREDENTIALS = [...STRIPE_SECRETS, 'STRIPE_BASE_URL'];

/** Payments, refunds and invoices, from Stripe. */
export const payments: SubgraphModule = {
  name: 'payments',
  provider: 'stripe',
  variables: StripeEnv,
  secrets: STRIPE_SECRETS,
  credentials: CREDENTIALS,
  readConfig,
  create: (env, infrastructure) => {
    const { apiKey, baseUrl, ...terms } = readConfig(env);
    const provider = createProvider(infrastructure, {
      upstream: 'payments',
      account: [baseUrl, apiKey],
      parseRateLimit,
      ...terms,
    });
    const { createReader, invalidate, close } = provider;
    const api = createStripeApi({ http: provider.http, apiKey, baseUrl });
    const readers = createReaders(createReader, api);
    return {
      name: 'payments',
      credentials: namesOfSet(CREDENTIALS, env),
      schema: buildSchema(import.meta.dirname, resolvers),
      createContext: (call) => ({ api, call, invalidate, loaders: createLoaders(readers, call) }),
      close,
    };
  },
};
