import type { Agent } from 'undici';
import type { Send } from './chain.ts';
import { UpstreamError, type UpstreamErrorDetails } from './errors.ts';

// Failures of undici and of the operating system that come before the first byte of the request is sent.
const BEFORE_SENDING = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/**
 * The end of every chain: one HTTP exchange over a pool of kept-alive connections.
 *
 * Reads at most `maxAnswerBytes` of an answer (UPSTREAM_BAD_RESPONSE beyond) and asks for no compression, so a small
 * answer cannot unfold into a large one. A connection that fails gives UPSTREAM_UNAVAILABLE. Follows no redirects.
 */
export const createWire =
  ({ upstream, agent, maxAnswerBytes }: { upstream: string; agent: Agent; maxAnswerBytes: number }): Send =>
  async (call) => {
    const fail = (
      code: 'UPSTREAM_UNAVAILABLE' | 'UPSTREAM_BAD_RESPONSE',
      message: string,
      more: UpstreamErrorDetails,
    ) => new UpstreamError(code, upstream, message, { operation: call.operation, ...more });
    const { origin, pathname, search } = new URL(call.url);
    try {
      const answer = await agent.request({
        origin,
        path: pathname + search,
        method: call.method,
        headers: call.headers,
        body: call.body ?? null,
        signal: call.signal ?? null,
      });
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > maxAnswerBytes) {
          // Leaving the loop destroys the stream and with it the connection: the rest is not read.
          throw fail('UPSTREAM_BAD_RESPONSE', `answered with more than ${maxAnswerBytes} bytes`, {
            status: answer.statusCode,
          });
        }
        chunks.push(chunk);
      }
      return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks).toString('utf8') };
    } catch (cause) {
      if (cause instanceof UpstreamError || call.signal?.aborted) throw cause;
      const mayHaveArrived = !BEFORE_SENDING.has(String((cause as { code?: unknown }).code));
      throw fail('UPSTREAM_UNAVAILABLE', `${call.operation}: the connection failed`, { mayHaveArrived, cause });
    }
  };
