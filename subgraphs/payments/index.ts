import { createHttpConnector } from '../../connectors/http.ts';
import { buildSchema, type SubgraphModule } from '../subgraph.ts';
import { readConfig, STRIPE_SECRETS } from './config.ts';
import { createLoaders } from './loaders.ts';
import { resolvers } from './resolvers.ts';
import { createStripeApi } from './upstream.ts';

/** Payments, refunds and invoices, from Stripe. */
export const payments: SubgraphModule = {
  name: 'payments',
  provider: 'stripe',
  credentials: [...STRIPE_SECRETS, 'STRIPE_BASE_URL'],
  create: (env) => {
    const { apiKey, baseUrl, timeoutMs } = readConfig(env);
    const http = createHttpConnector({ upstream: 'payments', timeoutMs });
    const api = createStripeApi({ http, apiKey, baseUrl });
    return {
      name: 'payments',
      schema: buildSchema(import.meta.dirname, resolvers),
      createContext: (call) => ({ api, call, loaders: createLoaders(api, call) }),
      close: http.close,
    };
  },
};
