import { createHttpConnector } from '../../connectors/http.ts';
import { buildSchema, type SubgraphModule } from '../subgraph.ts';
import { HUBSPOT_SECRETS, readConfig } from './config.ts';
import { createLoaders } from './loaders.ts';
import { resolvers } from './resolvers.ts';
import { createHubSpotApi } from './upstream.ts';

/** Customers, companies and deals, from HubSpot. */
export const crm: SubgraphModule = {
  name: 'crm',
  provider: 'hubspot',
  credentials: [...HUBSPOT_SECRETS, 'HUBSPOT_CLIENT_ID', 'HUBSPOT_BASE_URL'],
  create: (env) => {
    const config = readConfig(env);
    const http = createHttpConnector({ upstream: 'crm', timeoutMs: config.timeoutMs });
    const api = createHubSpotApi(http, config);
    return {
      name: 'crm',
      schema: buildSchema(import.meta.dirname, resolvers),
      createContext: (call) => ({ api, call, loaders: createLoaders(api, call) }),
      close: http.close,
    };
  },
};
