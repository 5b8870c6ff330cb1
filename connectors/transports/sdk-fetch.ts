import { AsyncLocalStorage } from 'node:async_hooks';
import type { ProviderRequest, RequestOptions } from '../middleware/chain.ts';
import type { HttpConnector } from './http.ts';
import { unusableResponse } from './parse.ts';

/** A `fetch` for a provider's SDK, with a way to attach the operation and its options. */
export type ConnectorFetch = {
  readonly fetch: typeof fetch;
  /**
   * Runs `work` and sends its fetches as this operation. Uses async context because SDKs have no parameter for an
   * operation name or an abort signal.
   */
  readonly as: <T>(
    operation: Pick<ProviderRequest, 'operation' | 'write'> & RequestOptions,
    work: () => Promise<T>,
  ) => Promise<T>;
};

/**
 * Creates a `fetch` that sends an SDK's requests through a connector. Error statuses throw the connector's UpstreamError, so
 * the SDK neither interprets nor retries them.
 *
 * The SDK receives only JSON objects; any other body throws UPSTREAM_BAD_RESPONSE, or UPSTREAM_OUTCOME_UNKNOWN for a write.
 * Given a body of `1`, `"x"` or `true`, stripe 23 throws outside of any promise, which ends the process.
 */
export const createFetch = ({ subgraph, send }: Pick<HttpConnector, 'subgraph' | 'send'>): ConnectorFetch => {
  const current = new AsyncLocalStorage<Pick<ProviderRequest, 'operation' | 'write'> & RequestOptions>();
  return {
    as: (operation, work) => current.run(operation, work),
    fetch: async (input, init = {}) => {
      const operation = current.getStore();
      if (!operation) throw new Error('fetch was called outside of `as`, so its operation is unknown.');
      const headers = Object.fromEntries(new Headers(init.headers));
      const response = await send({
        ...operation,
        method: (init.method ?? 'GET') as ProviderRequest['method'],
        url: String(input instanceof Request ? input.url : input),
        headers,
        idempotencyKey: headers['idempotency-key'],
        body: typeof init.body === 'string' ? init.body : undefined,
      });
      if (!JSON_OBJECT.test(response.body))
        throw unusableResponse({ subgraph, ...operation }, 'a body that is not a JSON object');
      // Drops the status (a Response of 204 takes no body) and the headers (the SDK prints one of them).
      return new Response(response.body, { headers: { 'content-type': 'application/json' } });
    },
  };
};

// Text that begins like this is an object or invalid JSON, which the SDK reports like any other failure.
const JSON_OBJECT = /^\s*\{/;
