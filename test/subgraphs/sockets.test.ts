import { buildSubgraphSchema } from '@apollo/subgraph';
import { parse } from 'graphql';
import { afterEach, expect, test } from 'vitest';
import type { RequestOptions } from '../../connectors/middleware/chain.ts';
import { createLog } from '../../runtime/log.ts';
import { readConfig } from '../../subgraphs/config.ts';
import { serve } from '../../subgraphs/kit/serve.ts';
import type { Subgraph } from '../../subgraphs/kit/subgraph.ts';
import { auditServer } from '../helpers/audits.ts';
import { bodyOf, connectRaw, postText } from '../helpers/raw-socket.ts';

/* A subgraph process has the same limits as the gateway. */

const VERSION = JSON.stringify({ query: '{ version }' });
const SLOW = JSON.stringify({ query: '{ slow }' });

let close: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of close) await one();
  close = [];
});

const start = async (env: Record<string, string> = {}) => {
  const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const schema = buildSubgraphSchema([
    {
      typeDefs: parse('type Query { version: String  slow: String }'),
      resolvers: {
        Query: {
          version: () => 'first',
          slow: (_source, _args, { signal }: { signal: AbortSignal }) => {
            reached.resolve();
            signal.addEventListener('abort', () => gate.reject(new Error('aborted')));
            return gate.promise;
          },
        },
      },
    },
  ]);
  const subgraph: Subgraph = {
    name: 'one',
    schema,
    createContext: ({ signal }: RequestOptions) => ({ signal }),
    close: async () => {},
  };
  const { logLevel: _logLevel, ...config } = readConfig({ SUBGRAPHS: 'payments', PORT: '0', ...env });
  const served = await serve([subgraph], { ...config, log: createLog('silent'), health: () => ({}) });
  close.push(() => gate.resolve(), served.close);
  return { url: served.url, reached: reached.promise, open: () => gate.resolve(), close: served.close };
};

const connectTo = async (url: string) => {
  const raw = await connectRaw(url);
  close.unshift(() => raw.socket.destroy());
  return raw;
};

const post = (url: string, body: string, headers = {}) =>
  fetch(`${url}/one`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });

const ONE_AT_A_TIME = { MAX_REQUESTS: '1', MAX_WAITING_REQUESTS: '0' };

test('given bodies that never end, then another request is answered', async () => {
  const { url } = await start(ONE_AT_A_TIME);
  const slow = await Promise.all(Array.from({ length: 10 }, () => connectTo(url)));
  const half = postText('', { path: '/one', length: 100, headers: 'expect: 100-continue\r\n' });
  for (const raw of slow) raw.write(half);
  await Promise.all(slow.map((raw) => raw.until('100 Continue')));
  expect(await (await post(url, VERSION)).json()).toEqual({ data: { version: 'first' } });
});

test('requests beyond MAX_REQUESTS and MAX_WAITING_REQUESTS get 503', async () => {
  const { url, reached, open } = await start(ONE_AT_A_TIME);
  const running = post(url, SLOW);
  await reached;
  const refused = await post(url, VERSION);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
  expect(await refused.json()).toMatchObject({ errors: [{ extensions: { code: 'OVERLOADED' } }] });
  open();
  expect((await running).status).toBe(200);
});

test('slow headers and bodies get 408', async () => {
  const { url } = await start({ HEADER_TIMEOUT_MS: '100', BODY_TIMEOUT_MS: '100' });
  for (const text of ['POST /one HTTP/1.1\r\n', postText('{', { path: '/one', length: 100 })]) {
    const slow = await connectTo(url);
    slow.write(text);
    const response = await slow.closed;
    expect(response).toMatch(/^HTTP\/1\.1 408 /);
    expect(bodyOf(response)).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] });
  }
});

test('a request without a deadline ends at REQUEST_TIMEOUT_MS, another at its own deadline', async () => {
  const unhurried = await start({ REQUEST_TIMEOUT_MS: '100' });
  expect((await (await post(unhurried.url, SLOW)).json()).data).toEqual({ slow: null });
  const hurried = await start();
  const response = await post(hurried.url, SLOW, { 'x-tributary-deadline-ms': '100' });
  expect((await response.json()).data).toEqual({ slow: null });
});

test('the audits of graphql-http pass, for a client that sends a non-simple header', async () => {
  const { url } = await start();
  expect((await auditServer(`${url}/one`, { 'apollo-require-preflight': 'yes' })).failed).toEqual({});
});

test('an unknown path returns 404 and names the GraphQL endpoint', async () => {
  const { url } = await start();
  const response = await fetch(`${url}/graphql`, { method: 'POST' });
  expect([response.status, await response.json()]).toEqual([
    404,
    {
      errors: [
        {
          message: 'Nothing is served at this path. GraphQL is served at /one.',
          extensions: { code: 'NOT_FOUND' },
        },
      ],
    },
  ]);
});

test('a host name that could be rebound is rejected', async () => {
  const { url } = await start();
  const raw = await connectTo(url);
  raw.write('GET /health/live HTTP/1.1\r\nhost: evil.example\r\n\r\n');
  expect(await raw.closed).toMatch(/^HTTP\/1\.1 421 /);
});

test('a shutdown waits for running requests, but not for slow peers', async () => {
  const { url, reached, open, close: stop } = await start({ SHUTDOWN_GRACE_MS: '60000' });
  const body = await connectTo(url);
  body.write(postText('', { path: '/one', length: 100, headers: 'expect: 100-continue\r\n' }));
  await body.until('100 Continue');
  const running = post(url, SLOW);
  await reached;
  const closing = stop();
  close = close.filter((one) => one !== stop);
  expect(await body.closed).toMatch(/HTTP\/1\.1 503[\s\S]*OVERLOADED/);
  open();
  expect((await running).status).toBe(200);
  await closing;
});
