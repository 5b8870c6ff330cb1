import Stripe from 'stripe';
import type { z } from 'zod';
import type { Transport } from '../../../connectors/define-provider.ts';
import type { RequestOptions } from '../../../connectors/middleware/chain.ts';
import type { HttpConnector } from '../../../connectors/transports/http.ts';
import { parseResponse } from '../../../connectors/transports/parse.ts';
import { createFetch } from '../../../connectors/transports/sdk-fetch.ts';
import { reconcileByRepeating } from '../../kit/reconcile.ts';
import { toUpstreamError } from './error-reasons.ts';

/** The requests that the graph makes, by the names that limits and reports know them by. */
export type StripeOperation =
  | 'GET /v1/customers'
  | 'GET /v1/customers/search'
  | 'POST /v1/customers'
  | 'GET /v1/payment_intents'
  | 'GET /v1/payment_intents/search'
  | 'GET /v1/payment_intents/{id}'
  | 'POST /v1/payment_intents'
  | 'POST /v1/payment_intents/{id}/capture'
  | 'POST /v1/payment_intents/{id}/cancel'
  | 'GET /v1/refunds'
  | 'POST /v1/refunds'
  | 'GET /v1/invoices'
  | 'GET /v1/invoices/{id}';

type StripeSettings = { readonly API_KEY: string; readonly BASE_URL: string };

type Ask = <Schema extends z.ZodType>(
  operation: StripeOperation,
  response: Schema,
  options: RequestOptions,
  send: (sdk: Stripe) => Promise<unknown>,
) => Promise<z.output<Schema>>;

/** Stripe's official SDK over a connector. */
export type StripeClient = {
  readonly upstream: string;
  /** Sends one request and parses the response. Throws UpstreamError. */
  readonly ask: Ask;
  /** The same for a write under an idempotency key, which Stripe answers with the stored result when it comes again. */
  readonly write: Ask;
};

const createStripeClient = (http: HttpConnector, { API_KEY, BASE_URL }: StripeSettings): StripeClient => {
  const { upstream } = http;
  const connector = createFetch(http);
  const { protocol, hostname, port } = new URL(BASE_URL);
  const sdk = new Stripe(API_KEY, {
    protocol: protocol === 'http:' ? 'http' : 'https',
    host: hostname,
    port: port || (protocol === 'http:' ? 80 : 443),
    httpClient: Stripe.createFetchHttpClient(connector.fetch),
    // Retries and deadlines are the connector's; the SDK's own wait neither for a 429 nor for `Retry-After`.
    maxNetworkRetries: 0,
    timeout: 2 ** 31 - 1,
    telemetry: false,
  });

  const ask: Ask = async (operation, response, options, send) => {
    const origin = { upstream, operation, write: operation.startsWith('POST') };
    try {
      const answer = await connector.as({ ...options, operation, write: origin.write }, () => send(sdk));
      return parseResponse(response, answer, origin);
    } catch (error) {
      throw toUpstreamError(error, origin);
    }
  };

  return { upstream, ask, write: (...request) => reconcileByRepeating(() => ask(...request)) };
};

export const stripeSdk: Transport<StripeClient, StripeSettings> = { connect: createStripeClient };
