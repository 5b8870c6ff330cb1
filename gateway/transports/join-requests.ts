import { isUpstreamError } from '../../connectors/errors.ts';
import type { Identity } from '../../subgraphs/kit/identity.ts';
import type { RequestContext } from '../http/context.ts';
import type { Reply } from './graphql-reply.ts';

/**
 * Creates a joiner, which coalesces equal requests of the same client that are in flight at the same time.
 *
 * Clients differ by forwarded headers, except tracing headers, and by identity, if requests are signed. Requests to a subgraph
 * that serves clients fairly are joined within one client only: it must not wait in the place of another. Each request parses
 * the response text itself, so no objects are shared. If the original request is aborted, times out or has no calls left, the
 * request is sent again, once for all that still wait.
 *
 * `clear` must be called after a mutation, so that later requests do not join earlier ones.
 */
export const createJoiner = ({
  distinguishesIdentities,
  distinguishesClients,
}: {
  readonly distinguishesIdentities: boolean;
  readonly distinguishesClients: boolean;
}) => {
  const inFlight = new Map<string, Promise<Reply>>();
  const join = (body: string, context: RequestContext, send: () => Promise<Reply>): Promise<Reply> => {
    const { options, headers, identity, clientReport } = context;
    // A response that bypasses the cache, or whose cost is reported, belongs to one request.
    if (options.noCache || clientReport) return send();
    const client = distinguishesIdentities ? keyOf(identity) : '';
    const sharer = distinguishesClients && options.client ? `${options.client.id}\n` : '';
    const key = `${client}${sharer}${clientHeaders(headers)}${options.reportMaxAge ? 'timed' : ''}\n${body}`;
    const running = inFlight.get(key);
    if (running) {
      return running.catch((error: unknown) => {
        const failedForOther = isUpstreamError(error) && OWN_CODES.has(error.code) && !options.signal.aborted;
        if (failedForOther) return join(body, context, send);
        throw error;
      });
    }
    const sent = send();
    inFlight.set(key, sent);
    const remove = () => {
      if (inFlight.get(key) === sent) inFlight.delete(key);
    };
    // Registered before any other handler: a retry after a failure must not join the failed request.
    sent.then(remove, remove);
    return sent;
  };
  return { join, clear: () => inFlight.clear() };
};

/** Codes of failures that concern only the request that was sent: it was aborted, or its client has no calls left. */
const OWN_CODES: ReadonlySet<string> = new Set(['UPSTREAM_CANCELLED', 'UPSTREAM_TIMEOUT', 'BUDGET_EXCEEDED']);

const TRACING_HEADERS: ReadonlySet<string> = new Set(['x-request-id', 'traceparent', 'tracestate']);

const clientHeaders = (headers: Readonly<Record<string, string>>): string => {
  let text = '';
  for (const name in headers) if (!TRACING_HEADERS.has(name)) text += `${name}: ${headers[name]}\n`;
  return text;
};

const keys = new WeakMap<Identity, string>();

/** Text that differs where a subgraph may answer two identities differently. */
const keyOf = (identity: Identity): string => {
  const known = keys.get(identity);
  if (known !== undefined) return known;
  const { method, subject, tenant, customerEmail, scopes } = identity;
  const key = JSON.stringify([method, subject, tenant, customerEmail, [...scopes].sort()]);
  keys.set(identity, key);
  return key;
};
