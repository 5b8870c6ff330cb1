import { recordCall } from '../call-stats.ts';
import { isUpstreamError } from '../errors.ts';
import type { Middleware } from './chain.ts';
import { onClose } from './response.ts';

/**
 * Records each provider request with its size and duration, once its response has ended. Innermost in the chain, so that each
 * retry counts.
 */
export const withCallStats =
  (subgraph: string): Middleware =>
  (next) =>
  async (request) => {
    const start = performance.now();
    // UTF-16 units, not bytes: bodies are JSON and XML, nearly all ASCII, and measuring bytes would need another pass.
    const bytesSent = request.body?.length ?? 0;
    const record = (failures: number, bytesReceived: number): void => {
      const timeMs = performance.now() - start;
      recordCall(request, subgraph, { calls: 1, failures, timeMs, bytesSent, bytesReceived });
    };
    try {
      const response = await next(request);
      const { body } = response;
      if (typeof body === 'string' || body instanceof Uint8Array) record(0, body.length);
      else onClose(body, (error) => record(error ? 1 : 0, body.bytesRead));
      return response;
    } catch (error) {
      record(1, (isUpstreamError(error) && error.details.body?.length) || 0);
      throw error;
    }
  };
