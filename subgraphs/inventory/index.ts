import { createProvider } from '../../connectors/provider.ts';
import { createSoapConnector, isSoapResponse } from '../../connectors/transports/soap.ts';
import { namesOfSet } from '../../runtime/env.ts';
import { buildSchema, type SubgraphModule } from '../kit/subgraph.ts';
import { createLoaders } from './loaders.ts';
import { createOpenMageApi, type OpenMageOperation, REQUIRED_OPERATIONS, SERVER_FAULTS } from './openmage/api.ts';
import { OPENMAGE_SECRETS, OpenMageEnv, readConfig } from './openmage/config.ts';
import { createReaders } from './openmage/reads.ts';
import { resolvers } from './resolvers.ts';

const CREDENTIALS = [...OPENMAGE_SECRETS, 'OPENMAGE_WSDL_URL', 'OPENMAGE_USERNAME', 'OPENMAGE_ENDPOINT_URL'];

/** Goods and their stock, from an OpenMage shop. */
export const inventory: SubgraphModule = {
  name: 'inventory',
  provider: 'openmage',
  variables: OpenMageEnv,
  secrets: OPENMAGE_SECRETS,
  credentials: CREDENTIALS,
  readConfig,
  create: (env, infrastructure) => {
    const { wsdlUrl, endpointUrl, username, apiKey, ...terms } = readConfig(env);
    const account = [endpointUrl ?? wsdlUrl, username, apiKey];
    const provider = createProvider(infrastructure, {
      upstream: 'inventory',
      account,
      isSuccess: isSoapResponse(SERVER_FAULTS),
      ...terms,
    });
    const { createReader, invalidate, close } = provider;
    const soap = createSoapConnector<OpenMageOperation>({
      http: provider.http,
      wsdlUrl,
      endpointUrl,
      operations: REQUIRED_OPERATIONS,
    });
    const api = createOpenMageApi({ soap, username, apiKey });
    const readers = createReaders(createReader, api);
    return {
      name: 'inventory',
      credentials: namesOfSet(CREDENTIALS, env),
      schema: buildSchema(import.meta.dirname, resolvers),
      createContext: (call) => ({ api, call, invalidate, loaders: createLoaders(readers, call) }),
      // Reading a WSDL takes from a tenth of a second to two.
      warmUp: () => soap.offers('login').catch(() => false),
      close,
    };
  },
};
