import { get, type IncomingMessage } from 'node:http';
import { networkInterfaces } from 'node:os';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bodyOf, connectRaw } from '../helpers/raw-socket.ts';
import { type Stack, startStack } from '../helpers/stack.ts';

/* Host names of the gateway. A page of another site must not reach it by DNS rebinding. */

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.close());

const getFrom = async (url: string, path: string, headers: Record<string, string>) => {
  const { hostname, port } = new URL(url);
  const response = await new Promise<IncomingMessage>((resolve) => {
    get({ hostname, port, path, headers, agent: false }, resolve);
  });
  return { status: response.statusCode, body: await text(response) };
};

const graphqlUrlIn = (codegen: string): unknown => JSON.parse(/^const GRAPHQL_URL = (.*);$/m.exec(codegen)?.[1] ?? '');

const withAnother = async (env: Record<string, string>, run: (url: string) => Promise<void>): Promise<void> => {
  const other = await stack.startAnother(env);
  try {
    await run(other.url);
  } finally {
    await other.close();
  }
};

const hasIPv6 = (): boolean => (networkInterfaces()['lo'] ?? []).some(({ address }) => address === '::1');

const ASK = `/graphql?query=${encodeURIComponent('{ __typename }')}`;
const ask = (url: string, host: string) => getFrom(url, ASK, { host, 'apollo-require-preflight': '1' });

describe('in development', () => {
  test.each([
    '127.0.0.1',
    '127.0.0.1:4000',
    'localhost',
    'LOCALHOST:4000',
    'app.localhost:4000',
    '192.168.1.7:4000',
    '[::1]',
    '[::1]:4000',
  ])('%s is served', async (host) => {
    expect((await ask(stack.url, host)).status).toBe(200);
  });

  test.each(['evil.example', 'evil.example:4000', 'localhost.evil.example', '127.0.0.1.evil.example', 'notlocalhost'])(
    '%s, which could be rebound, is rejected',
    async (host) => {
      const { status, body } = await ask(stack.url, host);
      expect(status).toBe(421);
      expect(JSON.parse(body)).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] });
      expect(body).not.toContain('evil');
      for (const path of ['/codegen.mjs', '/schema.graphql', '/health/ready', '/nothing']) {
        expect([path, (await getFrom(stack.url, path, { host })).status]).toEqual([path, 421]);
      }
    },
  );

  test.each([
    "evil';x",
    'a"b.example',
    'user@127.0.0.1',
    '127.0.0.1/x',
    '127.0.0.1:port',
    '[::1',
    '[dead',
    ' ',
    'a b',
    '::1',
  ])('a header %j is malformed', async (host) => {
    const raw = await connectRaw(stack.url);
    raw.write(`GET /codegen.mjs HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
    const response = await raw.closed;
    expect(response).toMatch(/^HTTP\/1\.1 400 /);
    expect(bodyOf(response)).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] });
  });

  test.each([
    ['no Host', ''],
    ['two', 'Host: 127.0.0.1\r\nhost: localhost\r\n'],
  ])('%s is malformed', async (_, headers) => {
    const raw = await connectRaw(stack.url);
    raw.write(`GET /health/live HTTP/1.1\r\n${headers}\r\n`);
    const response = await raw.closed;
    expect(response).toMatch(/^HTTP\/1\.1 400 /);
    expect(bodyOf(response)).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] });
  });

  test('a name in ALLOWED_HOSTS is served, and no other', () =>
    withAnother({ ALLOWED_HOSTS: 'graph.example, My-Box' }, async (url) => {
      expect((await ask(url, 'graph.example')).status).toBe(200);
      expect((await ask(url, 'my-box:4000')).status).toBe(200);
      expect((await ask(url, 'evil.example')).status).toBe(421);
    }));

  test('HOST=localhost listens at each loopback address, with the same limits', () =>
    withAnother({ HOST: 'localhost', HEADER_TIMEOUT_MS: '100' }, async (url) => {
      const { port } = new URL(url);
      for (const address of ['127.0.0.1', ...(hasIPv6() ? ['[::1]'] : [])]) {
        expect([address, (await fetch(`http://${address}:${port}/health/live`)).status]).toEqual([address, 200]);
      }
      for (const family of hasIPv6() ? [4, 6] : [4]) {
        const raw = await connectRaw(url, { family });
        raw.write('GET');
        expect(await raw.closed).toMatch(/^HTTP\/1\.1 408 /);
      }
    }));
});

describe('in production', () => {
  const PRODUCTION = { NODE_ENV: 'production', AUTH: 'none', EXPLORER: 'on', INTROSPECTION: 'on' };

  test('any name is served, as proxies pass on the client’s, but does not appear in responses', () =>
    withAnother(PRODUCTION, async (url) => {
      expect((await ask(url, 'graph.example')).status).toBe(200);
      const { body } = await getFrom(url, '/codegen.mjs', { host: 'evil.example' });
      expect(graphqlUrlIn(body)).toBe(`${url}/graphql`);
    }));

  test('given a wildcard HOST, then /codegen.mjs contains a reachable address', () =>
    withAnother({ ...PRODUCTION, HOST: '0.0.0.0' }, async (url) => {
      const { port } = new URL(url);
      const { body } = await getFrom(`http://127.0.0.1:${port}`, '/codegen.mjs', { host: 'evil.example' });
      expect(graphqlUrlIn(body)).toBe(`http://localhost:${port}/graphql`);
    }));

  test('names in ALLOWED_HOSTS are the only ones served', () =>
    withAnother({ ...PRODUCTION, ALLOWED_HOSTS: 'graph.example' }, async (url) => {
      const { body } = await getFrom(url, '/codegen.mjs', { host: 'graph.example' });
      expect(graphqlUrlIn(body)).toBe('http://graph.example/graphql');
      expect((await ask(url, 'evil.example')).status).toBe(421);
    }));
});

test('in development, /codegen.mjs contains the address that it was requested from', async () => {
  const host = `localhost:${new URL(stack.url).port}`;
  expect(graphqlUrlIn((await getFrom(stack.url, '/codegen.mjs', { host })).body)).toBe(`http://${host}/graphql`);
});

test('with PUBLIC_URL, /codegen.mjs contains it, and its host is served', () =>
  withAnother({ PUBLIC_URL: 'https://graph.example/api/' }, async (url) => {
    for (const host of ['127.0.0.1', 'graph.example']) {
      const { body } = await getFrom(url, '/codegen.mjs', { host });
      expect(graphqlUrlIn(body)).toBe('https://graph.example/api/graphql');
    }
  }));
