import Stripe from 'stripe';
import type { z } from 'zod';
import type { Transport } from '../../../connectors/define-provider.ts';
import type { RequestOptions } from '../../../connectors/middleware/chain.ts';
import type { HttpConnector } from '../../../connectors/transports/http.ts';
import { parseResponse } from '../../../connectors/transports/parse.ts';
import { createFetch } from '../../../connectors/transports/sdk-fetch.ts';
import { reconcileByRepeating } from '../../kit/reconcile.ts';
import { toUpstreamError } from './error-reasons.ts';
import type { StripeOperation } from './operations.ts';

type StripeSettings = { readonly API_KEY: string; readonly BASE_URL: string };

type SendRequest = <Schema extends z.ZodType>(
  operation: StripeOperation,
  response: Schema,
  options: RequestOptions,
  send: (sdk: Stripe) => Promise<unknown>,
) => Promise<z.output<Schema>>;

/** Sends requests with Stripe's official SDK over a connector. */
export type StripeClient = {
  readonly subgraph: string;
  /** Sends one request and parses the response. Throws UpstreamError. */
  readonly sendRequest: SendRequest;
  /** The same for a write under an idempotency key. If its response cannot be used, repeats it to get the stored result. */
  readonly write: SendRequest;
};

const createStripeClient = (http: HttpConnector, { API_KEY, BASE_URL }: StripeSettings): StripeClient => {
  const { subgraph } = http;
  const connector = createFetch(http);
  const { protocol, hostname, port } = new URL(BASE_URL);
  const sdk = new Stripe(API_KEY, {
    protocol: protocol === 'http:' ? 'http' : 'https',
    host: hostname,
    port: port || (protocol === 'http:' ? 80 : 443),
    httpClient: Stripe.createFetchHttpClient(connector.fetch),
    // The connector handles retries and deadlines; the SDK's retries honour neither 429 nor `Retry-After`.
    maxNetworkRetries: 0,
    timeout: 2 ** 31 - 1,
    telemetry: false,
  });

  const sendRequest: SendRequest = async (operation, response, options, send) => {
    const context = { subgraph, operation, write: operation.startsWith('POST') };
    try {
      const body = await connector.as({ ...options, operation, write: context.write }, () => send(sdk));
      return parseResponse(response, body, context);
    } catch (error) {
      throw toUpstreamError(error, context);
    }
  };

  return { subgraph, sendRequest, write: (...args) => reconcileByRepeating(() => sendRequest(...args)) };
};

export const stripeSdk: Transport<StripeClient, StripeSettings> = { connect: createStripeClient };
