import { AsyncLocalStorage } from 'node:async_hooks';
import type { ProviderRequest, RequestOptions } from '../middleware/chain.ts';
import type { HttpConnector } from './http.ts';
import { unusableResponse } from './parse.ts';

/** The `fetch` that a provider's own SDK is given, and the way to say which call it is for. */
export type ConnectorFetch = {
  readonly fetch: typeof fetch;
  /**
   * Runs `work` so that the fetches it makes are this operation. SDKs have no parameter for an abort signal or a name,
   * which is why these travel beside the SDK instead of through it.
   */
  readonly as: <T>(
    operation: Pick<ProviderRequest, 'operation' | 'write'> & RequestOptions,
    work: () => Promise<T>,
  ) => Promise<T>;
};

/**
 * Lets an SDK that takes a `fetch` and reads JSON objects send through a connector. Statuses that are no regular answer throw
 * the connector's UpstreamError, so the SDK neither interprets nor repeats them.
 *
 * The SDK sees only bodies that are JSON objects; any other throws UPSTREAM_BAD_RESPONSE, for a write
 * UPSTREAM_OUTCOME_UNKNOWN. stripe 23 fails on a body of `1`, `"x"` or `true` outside of every promise, which ends the process.
 */
export const createFetch = ({ upstream, send }: Pick<HttpConnector, 'upstream' | 'send'>): ConnectorFetch => {
  const current = new AsyncLocalStorage<Pick<ProviderRequest, 'operation' | 'write'> & RequestOptions>();
  return {
    as: (operation, work) => current.run(operation, work),
    fetch: async (input, init = {}) => {
      const operation = current.getStore();
      if (!operation) throw new Error('A fetch outside of a named operation.');
      const sent = Object.fromEntries(new Headers(init.headers));
      const response = await send({
        ...operation,
        method: (init.method ?? 'GET') as ProviderRequest['method'],
        url: String(input instanceof Request ? input.url : input),
        headers: sent,
        idempotencyKey: sent['idempotency-key'],
        body: typeof init.body === 'string' ? init.body : undefined,
      });
      if (!JSON_OBJECT.test(response.body)) throw unusableResponse({ upstream, ...operation }, 'no JSON object');
      // Neither its status (a Response of 204 takes no body) nor its headers (the SDK prints one of them) are passed on.
      return new Response(response.body, { headers: { 'content-type': 'application/json' } });
    },
  };
};

// JSON text that begins so is an object or no JSON at all, which the SDK reports as any other failure.
const JSON_OBJECT = /^\s*\{/;
