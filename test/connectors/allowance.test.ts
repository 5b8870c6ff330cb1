import { afterEach, expect, test } from 'vitest';
import { createCachedCredential } from '../../connectors/credential.ts';
import { UpstreamError } from '../../connectors/errors.ts';
import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import { withBreaker } from '../../connectors/middleware/circuit-breaker.ts';
import { createHttpConnector } from '../../connectors/transports/http.ts';
import { createCallStats } from '../../telemetry/call-stats.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';
import { advanceClock, resetClock, stopClock } from '../helpers/clock.ts';
import { startHttpServer } from '../helpers/http-server.ts';

/* What a client request that has no calls left does to others: nothing. */

afterEach(resetClock);

/** Options of a client request that may make this many more calls, and no repeats. */
const allowing = (calls: number): RequestOptions => {
  const callStats = createCallStats();
  callStats.allow('shop', { calls, repeats: 0 });
  return { requestStats: new Set([callStats]) };
};

test('given an open circuit and a request without calls left, then it sends no probe, and the circuit stays open', async () => {
  stopClock();
  let requests = 0;
  const server = await startHttpServer((_, response) => {
    requests += 1;
    response.writeHead(500).end();
  });
  const http = createHttpConnector({
    subgraph: 'shop',
    timeoutMs: 60_000,
    connections: 1,
    middleware: [withBreaker('shop', createTelemetry())],
  });
  const codeOf = (options: RequestOptions) =>
    http.send({ ...options, operation: 'GET /', method: 'GET', url: server.url, headers: {}, write: false }).then(
      () => undefined,
      ({ code }: UpstreamError) => code,
    );
  for (let failure = 0; failure < 5; failure += 1) await codeOf(allowing(1));
  advanceClock(5_000);
  expect(await codeOf(allowing(0))).toBe('BUDGET_EXCEEDED');
  expect(requests).toBe(5);
  // One probe fails, and the other request is not sent.
  expect(await Promise.all([codeOf(allowing(1)), codeOf(allowing(1))])).toEqual(Array(2).fill('UPSTREAM_UNAVAILABLE'));
  expect(requests).toBe(6);
  await http.close();
  await server.close();
});

test('given a rejected credential and a request without repeats left, then the next request gets another', async () => {
  let acquired = 0;
  const credential = createCachedCredential({
    subgraph: 'shop',
    acquire: async () => {
      acquired += 1;
      return { value: `token ${acquired}` };
    },
    isRejected: (error) => error instanceof UpstreamError,
  });
  const use = (options: RequestOptions) =>
    credential.use(async (token) => {
      if (token === 'token 1') throw new UpstreamError('UPSTREAM_UNAUTHORIZED', 'shop', 'expired');
      return token;
    }, options);
  await expect(use(allowing(1))).rejects.toMatchObject({ code: 'UPSTREAM_UNAUTHORIZED' });
  expect(await use(allowing(1))).toBe('token 2');
});
