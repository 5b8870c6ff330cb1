import type { Product } from '../../../../sandbox/company.ts';
import { createRandom } from '../../../../sandbox/random.ts';
import {
  catchResponse,
  type FakeProvider,
  type ListenOptions,
  type Sandbox,
  startSandboxServer,
} from '../../../../sandbox/server.ts';
import { faultMessage, readMessage, resultMessage } from './messages.ts';
import { createShop, keysOf } from './shop.ts';
import { createWsdl } from './wsdl.ts';

export type OpenMageSandboxOptions = ListenOptions & {
  /** Lifetime of a session, in seconds. Default 3,600, as in an unconfigured shop. */
  readonly sessionLifetimeS?: number;
  readonly now?: () => number;
  /** Additional products. Default: none. */
  readonly products?: readonly Product[];
};

export const OPENMAGE_SANDBOX_USER = 'tributary';
export const OPENMAGE_SANDBOX_KEY = 'sandbox-api-key';

/** Another API user of the same shop, by setting name. */
export const otherCredential = { USERNAME: 'other', API_KEY: 'other-sandbox-api-key' };

export const OPENMAGE_PATH = '/api/v2_soap/';

const WSDL_OPERATION = 'WSDL';

/** Starts a fake of an OpenMage shop's SOAP API with the company's products. The WSDL is at `/api/v2_soap/?wsdl`. */
export const startOpenMageSandbox = ({
  sessionLifetimeS = 3_600,
  now = Date.now,
  products = [],
  ...listen
}: OpenMageSandboxOptions = {}): Promise<Sandbox> => {
  const shop = createShop({
    apiKeys: new Map([
      [OPENMAGE_SANDBOX_USER, OPENMAGE_SANDBOX_KEY],
      [otherCredential.USERNAME, otherCredential.API_KEY],
    ]),
    sessionLifetimeS,
    now,
    random: createRandom(11),
    products,
  });

  const provider: FakeProvider = {
    describe: ({ path, query, method, body }) => {
      if (method === 'GET' && path === OPENMAGE_PATH && query.has('wsdl'))
        return { operation: WSDL_OPERATION, keys: [] };
      const message = readMessage(body);
      return message
        ? { operation: message.operation, keys: keysOf(message.input) }
        : { operation: `${method} ${path}`, keys: [] };
    },
    handle: ({ headers, path, body }, { operation }) => {
      if (operation === WSDL_OPERATION) {
        return {
          status: 200,
          headers: { 'content-type': 'text/xml; charset=utf-8' },
          body: createWsdl(`http://${headers.host}${OPENMAGE_PATH}`),
        };
      }
      const message = path === OPENMAGE_PATH ? readMessage(body) : undefined;
      if (!message) return faultMessage('SOAP-ENV:Client', 'Bad Request');
      return catchResponse(() => resultMessage(message.operation, shop.call(message.operation, message.input)));
    },
    errorResponse: (status) =>
      status === 500
        ? faultMessage('SOAP-ENV:Server', 'Internal Error')
        : {
            status,
            headers: { 'content-type': 'text/html' },
            body: `<html><head><title>${status}</title></head><body><h1>Apache</h1></body></html>`,
          },
  };
  return startSandboxServer(provider, listen);
};

export const start = (options?: ListenOptions): Promise<Sandbox> => startOpenMageSandbox(options);

/** Returns the variables that point the provider's client at a sandbox. */
export const environment = ({ url }: { readonly url: string }) => ({
  OPENMAGE_WSDL_URL: `${url}${OPENMAGE_PATH}?wsdl`,
  OPENMAGE_USERNAME: OPENMAGE_SANDBOX_USER,
  OPENMAGE_API_KEY: OPENMAGE_SANDBOX_KEY,
});
