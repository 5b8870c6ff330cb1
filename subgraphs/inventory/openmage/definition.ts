import { z } from 'zod';
import { defineProvider } from '../../../connectors/define-provider.ts';
import { address, credential, secret, url } from '../../../connectors/settings.ts';
import { soap } from '../../../connectors/transports/soap.ts';
import type { SessionOf } from '../../kit/session.ts';
import type { StockChanged } from '../model.ts';
import { createOpenMageApi } from './api.ts';
import { domainEvents } from './domain-events.ts';
import { SERVER_FAULTS } from './error-reasons.ts';
import { type OpenMageOperation, REQUIRED_OPERATIONS } from './operations.ts';
import { createReads } from './reads.ts';

const required = () => z.string('is required to call the shop');

/** The provider OpenMage: a shop, through its SOAP API (V2, WS-I). */
export const openmage = defineProvider({
  name: 'openmage',
  title: 'OpenMage',
  envPrefix: 'OPENMAGE',
  settings: {
    WSDL_URL: address(required().pipe(url()), 'The shop’s WSDL. WS-I compliance has to be on in the shop.', {
      example: 'https://shop.example/api/v2_soap/?wsdl',
    }),
    USERNAME: credential(required(), 'The API user.'),
    API_KEY: secret(required(), 'The API user’s key.'),
    ENDPOINT_URL: address(
      url().optional(),
      'Where requests go, if not to the address in the WSDL. Required where that has another origin (scheme, host or port) than the WSDL: the login is sent, and imported documents are fetched, only from the origins of the two variables.',
      { example: 'https://shop.example/api/v2_soap/' },
    ),
  },
  identity: ({ ENDPOINT_URL, WSDL_URL, USERNAME, API_KEY }) => [ENDPOINT_URL ?? WSDL_URL, USERNAME, API_KEY],
  defaults: { timeoutMs: 15_000, concurrency: 4 },
  // A shop has no documented limit; its operator knows its capacity. The concurrency limit protects it.
  rateLimits: [{ name: 'account', calls: Number.POSITIVE_INFINITY, windowMs: 1_000 }],
  cachePolicies: {
    stock: { maxAge: 10, staleWhileRevalidate: 30, staleIfError: 900 },
    catalogue: { maxAge: 600, staleWhileRevalidate: 3_600, staleIfError: 86_400 },
  },
  transport: soap<OpenMageOperation>({ serverFaults: SERVER_FAULTS, operations: REQUIRED_OPERATIONS }),
  api: (client, { USERNAME, API_KEY }) => createOpenMageApi({ soap: client, username: USERNAME, apiKey: API_KEY }),
  reads: createReads,
  domainEvents,
  // The shop reports nothing, and its orders and stock updates leave a product's `updated_at` as it is. See decision 0051.
  poll: {
    read: 'stock',
    content: ({ quantity, isInStock }) => [quantity, isInStock],
    object: (sku) => `product ${sku}`,
    changes: (sku) => ({ stock: [sku] }),
    messages: (sku): StockChanged[] => [{ topic: 'stockChanged', sku }],
    list: (api, page, options) => api.skuPage(page, options),
  },
  notes: { rateLimits: 'A shop states none; its operator knows what it can take, e.g. `account=5/1`.' },
  sandbox: () => import('./sandbox/index.ts'),
});

/** One client request's view of the shop. */
export type OpenMageSession = SessionOf<typeof openmage>;
