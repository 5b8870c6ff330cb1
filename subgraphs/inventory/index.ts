import { createHttpConnector } from '../../connectors/http.ts';
import { createSoapConnector, isSoapAnswer } from '../../connectors/soap.ts';
import { buildSchema, type SubgraphModule } from '../subgraph.ts';
import { OPENMAGE_SECRETS, readConfig } from './config.ts';
import { createLoaders } from './loaders.ts';
import { resolvers } from './resolvers.ts';
import { createOpenMageApi } from './upstream.ts';

/** Goods and their stock, from an OpenMage shop. */
export const inventory: SubgraphModule = {
  name: 'inventory',
  provider: 'openmage',
  credentials: [...OPENMAGE_SECRETS, 'OPENMAGE_WSDL_URL', 'OPENMAGE_USERNAME', 'OPENMAGE_ENDPOINT_URL'],
  create: (env) => {
    const { wsdlUrl, endpointUrl, username, apiKey, timeoutMs } = readConfig(env);
    const http = createHttpConnector({ upstream: 'inventory', timeoutMs, isAnswer: isSoapAnswer });
    const soap = createSoapConnector({ http, wsdlUrl, endpointUrl });
    const api = createOpenMageApi({ soap, username, apiKey });
    return {
      name: 'inventory',
      schema: buildSchema(import.meta.dirname, resolvers),
      createContext: (call) => ({ api, call, loaders: createLoaders(api, call) }),
      // Reading a WSDL takes from a tenth of a second to two.
      warmUp: () => soap.offers('login').catch(() => false),
      close: http.close,
    };
  },
};
