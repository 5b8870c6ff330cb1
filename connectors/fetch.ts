import { AsyncLocalStorage } from 'node:async_hooks';
import type { Call, CallOptions } from './chain.ts';
import type { HttpConnector } from './http.ts';

/** The `fetch` that a provider's own SDK is given, and the way to say which call it is for. */
export type ConnectorFetch = {
  readonly fetch: typeof fetch;
  /**
   * Runs `work` so that the fetches it makes are this operation. SDKs have no parameter for an abort signal or a name,
   * which is why these travel beside the SDK instead of through it.
   */
  readonly as: <T>(operation: Pick<Call, 'operation' | 'write'> & CallOptions, work: () => Promise<T>) => Promise<T>;
};

/**
 * Lets an SDK that takes a `fetch` speak through a connector. Statuses that are no regular answer throw the
 * connector's UpstreamError, so the SDK neither interprets nor repeats them.
 */
export const createFetch = ({ send }: Pick<HttpConnector, 'send'>): ConnectorFetch => {
  const current = new AsyncLocalStorage<Pick<Call, 'operation' | 'write'> & CallOptions>();
  return {
    as: (operation, work) => current.run(operation, work),
    fetch: async (input, init = {}) => {
      const operation = current.getStore();
      if (!operation) throw new Error('A fetch outside of a named operation.');
      const sent = Object.fromEntries(new Headers(init.headers));
      const answer = await send({
        ...operation,
        method: (init.method ?? 'GET') as Call['method'],
        url: String(input instanceof Request ? input.url : input),
        headers: sent,
        idempotencyKey: sent['idempotency-key'],
        body: typeof init.body === 'string' ? init.body : undefined,
      });
      const headers = new Headers();
      for (const [name, value] of Object.entries(answer.headers)) {
        if (value !== undefined) headers.set(name, typeof value === 'string' ? value : value.join(', '));
      }
      return new Response(answer.body, { status: answer.status, headers });
    },
  };
};
