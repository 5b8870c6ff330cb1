import { createProvider } from '../../connectors/provider.ts';
import { createSoapConnector, isSoapAnswer } from '../../connectors/soap.ts';
import { namesOfSet } from '../../runtime/env.ts';
import { buildSchema, type SubgraphModule } from '../subgraph.ts';
import { OPENMAGE_SECRETS, OpenMageEnv, readConfig } from './config.ts';
import { createLoaders } from './loaders.ts';
import { createReaders } from './readers.ts';
import { resolvers } from './resolvers.ts';
import { createOpenMageApi, type OpenMageOperation, REQUIRED_OPERATIONS, SERVER_FAULTS } from './upstream.ts';

const CREDENTIALS = [...OPENMAGE_SECRETS, 'OPENMAGE_WSDL_URL', 'OPENMAGE_USERNAME', 'OPENMAGE_ENDPOINT_URL'];

/** Goods and their stock, from an OpenMage shop. */
export const inventory: SubgraphModule = {
  name: 'inventory',
  provider: 'openmage',
  variables: OpenMageEnv,
  secrets: OPENMAGE_SECRETS,
  credentials: CREDENTIALS,
  readConfig,
  create: (env, kit) => {
    const { wsdlUrl, endpointUrl, username, apiKey, ...terms } = readConfig(env);
    const account = [endpointUrl ?? wsdlUrl, username, apiKey];
    const provider = createProvider(kit, {
      upstream: 'inventory',
      account,
      isAnswer: isSoapAnswer(SERVER_FAULTS),
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
