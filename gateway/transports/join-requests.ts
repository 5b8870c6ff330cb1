import { isUpstreamError } from '../../connectors/errors.ts';
import type { RequestContext } from '../http/context.ts';
import type { Reply } from './graphql-reply.ts';

/**
 * Lets requests that ask the same for the same client wait for one answer. What names a request and not who asks does
 * not count; each gets the text, so that nobody shares objects.
 *
 * One that fails because the request it was sent for was given up, or ran out of time, is sent again, once for all that
 * still wait.
 *
 * `forget` is for a mutation: what is asked after it must not be answered with what was asked before.
 */
export const createJoiner = () => {
  const inFlight = new Map<string, Promise<Reply>>();
  const join = (body: string, context: RequestContext, send: () => Promise<Reply>): Promise<Reply> => {
    const { options, headers, telemetry } = context;
    // An answer that is to be new, or whose cost is to be told, belongs to one request.
    if (options.noCache || telemetry.callStats) return send();
    const key = `${identityOf(headers)}${options.reportMaxAge ? 'timed' : ''}\n${body}`;
    const running = inFlight.get(key);
    if (running) {
      return running.catch((error: unknown) => {
        const isOfOther = isUpstreamError(error) && GIVEN_UP.has(error.code) && !options.signal.aborted;
        if (isOfOther) return join(body, context, send);
        throw error;
      });
    }
    const sent = send();
    inFlight.set(key, sent);
    const end = () => {
      if (inFlight.get(key) === sent) inFlight.delete(key);
    };
    // Before anybody else hears of it: who asks again after a failure must not find this one.
    sent.then(end, end);
    return sent;
  };
  return { join, forget: () => inFlight.clear() };
};

const GIVEN_UP: ReadonlySet<string> = new Set(['UPSTREAM_CANCELLED', 'UPSTREAM_TIMEOUT']);

const TRACING: ReadonlySet<string> = new Set(['x-request-id', 'traceparent', 'tracestate']);

const identityOf = (headers: Readonly<Record<string, string>>): string => {
  let identity = '';
  for (const name in headers) if (!TRACING.has(name)) identity += `${name}: ${headers[name]}\n`;
  return identity;
};
