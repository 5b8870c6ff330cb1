import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ProviderRequest } from '../../connectors/middleware/chain.ts';
import { createHttpConnector, type HttpConnector } from '../../connectors/transports/http.ts';
import { startHttpServer } from '../helpers/http-server.ts';

/* Requests that wait for the only connection. */

let server: Awaited<ReturnType<typeof startHttpServer>>;
let connector: HttpConnector;
let received: string[];
let arrived: PromiseWithResolvers<void>;
let release: PromiseWithResolvers<void>;

beforeEach(async () => {
  received = [];
  arrived = Promise.withResolvers();
  release = Promise.withResolvers();
  server = await startHttpServer(async (request, response) => {
    received.push(String(request.url));
    arrived.resolve();
    await release.promise;
    response.end('{}');
  });
  connector = createHttpConnector({ subgraph: 'shop', timeoutMs: 5_000, connections: 1 });
});
afterEach(async () => {
  await connector.close();
  await server.close();
});

const call = (path: string, signal?: AbortSignal): ProviderRequest => ({
  operation: `GET ${path}`,
  method: 'GET',
  url: `${server.url}${path}`,
  headers: {},
  write: false,
  signal,
});

test('given a call that is aborted while it waits for a connection, then it is never sent', async () => {
  const first = connector.send(call('/first'));
  await arrived.promise;
  const leaving = new AbortController();
  const second = connector.send(call('/second', leaving.signal));
  leaving.abort();
  await expect(second).rejects.toMatchObject({ code: 'UPSTREAM_CANCELLED' });
  release.resolve();
  expect((await first).status).toBe(200);
  await connector.send(call('/third'));
  expect(received).toEqual(['/first', '/third']);
});

test('given a signal shared by several calls, when it aborts, then all running and later ones fail', async () => {
  release.resolve();
  const shared = new AbortController();
  expect((await connector.send(call('/before', shared.signal))).status).toBe(200);
  release = Promise.withResolvers();
  const calls = ['/a', '/b', '/c'].map((path) => connector.send(call(path, shared.signal)));
  shared.abort();
  for (const one of calls) await expect(one).rejects.toMatchObject({ code: 'UPSTREAM_CANCELLED' });
  await expect(connector.send(call('/after', shared.signal))).rejects.toMatchObject({ code: 'UPSTREAM_CANCELLED' });
  release.resolve();
});
