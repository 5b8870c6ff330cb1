import { get, type IncomingMessage } from 'node:http';
import { networkInterfaces } from 'node:os';
import { json } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startGateway } from '../../gateway/start.ts';
import product from '../../package.json' with { type: 'json' };
import { ConfigError } from '../../runtime/env.ts';
import { startHttpServer } from '../helpers/http-server.ts';
import { startProcess } from '../helpers/processes.ts';

/* The admin endpoints, which listen apart from the graph. */

// Subgraphs elsewhere, so that a gateway starts fast.
const REMOTE = {
  PAYMENTS_URL: 'http://127.0.0.1:1/payments',
  CRM_URL: 'http://127.0.0.1:1/crm',
  INVENTORY_URL: 'http://127.0.0.1:1/inventory',
};
const SUBGRAPHS = { payments: 'remote', crm: 'remote', inventory: 'remote' };

const start = async (env: Record<string, string>) => {
  const gateway = await startGateway({ PORT: '0', LOG_LEVEL: 'silent', ADMIN_PORT: '0', ...REMOTE, ...env });
  onTestFinished(gateway.close);
  return { url: gateway.url, adminUrl: gateway.adminUrl ?? '' };
};

/** Sends a request with exactly these headers, which `fetch` does not allow. */
const read = async (url: string, path: string, headers: Record<string, string> = {}) => {
  const { hostname, port } = new URL(url);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = { hostname: hostname.replace(/^\[|\]$/g, ''), port, path, headers, agent: false };
    get(options, resolve).on('error', reject);
  });
  return { status: response.statusCode, body: await json(response) };
};

const hasIPv6 = (): boolean => (networkInterfaces()['lo'] ?? []).some(({ address }) => address === '::1');

const REDIS = { REDIS_URL: 'redis://127.0.0.1:1' };

test.each([
  ['production', { status: 'ok' }],
  ['development', { status: 'ok', redis: 'down' }],
])('in %s, everyone sees %o, and the admin endpoints the rest', async (NODE_ENV, everyone) => {
  const { url, adminUrl } = await start({ NODE_ENV, AUTH: 'none', SUBGRAPH_SECRET: 'none', ...REDIS });
  expect(await read(url, '/health/ready')).toEqual({ status: 200, body: everyone });
  expect(await read(adminUrl, '/health/ready')).toEqual({
    status: 200,
    body: {
      status: 'ok',
      redis: 'down',
      version: product.version,
      pid: process.pid,
      uptimeS: expect.any(Number),
      subgraphs: SUBGRAPHS,
    },
  });
  expect(await read(adminUrl, '/health/live')).toEqual({ status: 200, body: { status: 'ok' } });
});

test('they are off unless they have a port, and serve nothing else', async () => {
  expect((await start({ ADMIN_PORT: '' })).adminUrl).toBe('');
  const { adminUrl } = await start({});
  for (const path of ['/graphql', '/desk', '/']) {
    expect(await read(adminUrl, path)).toEqual({
      status: 404,
      body: { errors: [{ message: 'Nothing is served at this path.', extensions: { code: 'NOT_FOUND' } }] },
    });
  }
});

describe('ADMIN_ALLOW', () => {
  const FORBIDDEN = { status: 403, body: { errors: [{ extensions: { code: 'FORBIDDEN' } }] } };
  test.each([
    ['', 200],
    ['127.0.0.1', 200],
    ['10.0.0.0/8, 127.0.0.0/30', 200],
    ['10.0.0.0/8', 403],
    ['127.0.0.2,::1', 403],
    ['0.0.0.0/0', 200],
  ])('%j: a request from 127.0.0.1 gets %d', async (ADMIN_ALLOW, status) => {
    const { url, adminUrl } = await start({ ADMIN_ALLOW });
    const answer = await read(adminUrl, '/health/ready');
    expect(answer).toMatchObject(status === 403 ? FORBIDDEN : { status });
    // The graph has no such list.
    expect((await read(url, '/health/ready')).status).toBe(200);
  });

  test.skipIf(!hasIPv6())('compares IPv6 addresses, and IPv4 addresses in that form', async () => {
    const six = await start({ ADMIN_HOST: '::1', ADMIN_ALLOW: '::1' });
    expect((await read(six.adminUrl, '/health/ready')).status).toBe(200);
    const other = await start({ ADMIN_HOST: '::1', ADMIN_ALLOW: '127.0.0.1,fe80::/10' });
    expect(await read(other.adminUrl, '/health/ready')).toMatchObject(FORBIDDEN);
    // Listening at every address, a process sees ::ffff:127.0.0.1.
    const { adminUrl } = await start({ ADMIN_HOST: '::', ADMIN_ALLOW: '127.0.0.1' });
    const mapped = `http://127.0.0.1:${new URL(adminUrl).port}`;
    expect((await read(mapped, '/health/ready')).status).toBe(200);
    expect(await read(adminUrl.replace('[::]', '[::1]'), '/health/ready')).toMatchObject(FORBIDDEN);
  });
});

test('a page in an operator’s browser cannot use them', async () => {
  const { adminUrl } = await start({ ALLOWED_HOSTS: '*,graph.example' });
  for (const [headers, status] of [
    [{ host: 'evil.example' }, 421],
    [{ host: 'graph.example' }, 200],
    [{ origin: 'https://evil.example' }, 403],
    [{ 'sec-fetch-site': 'cross-site' }, 403],
    [{ 'sec-fetch-site': 'none' }, 200],
  ] as const) {
    expect([headers, (await read(adminUrl, '/health/ready', headers)).status]).toEqual([headers, status]);
  }
});

describe('a configuration that cannot be used', () => {
  const problemOf = async (env: Record<string, string>) => {
    const thrown = await start(env).catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(ConfigError);
    return (thrown as ConfigError).message;
  };

  test.each(['10.0.0.0/33', '::1/129', 'localhost', '10.0.0', '10.0.0.0/', '10.0.0.0/8,'])(
    'ADMIN_ALLOW=%s is no list of networks',
    async (ADMIN_ALLOW) => {
      expect(await problemOf({ ADMIN_ALLOW })).toBe('ADMIN_ALLOW: must be addresses or networks, e.g. 10.0.0.0/8,::1');
    },
  );

  test('a port that is taken', async () => {
    const taken = await startHttpServer((_, response) => response.end());
    onTestFinished(taken.close);
    const { port } = new URL(taken.url);
    expect(await problemOf({ ADMIN_PORT: port })).toBe(
      `ADMIN_PORT: the admin endpoints cannot listen at 127.0.0.1, port ${port} (EADDRINUSE).`,
    );
  });
});

test('of several workers, one port has the state of each, also of one that does not answer', {
  tags: ['long'],
}, async () => {
  const gateway = startProcess(['node', 'gateway/main.ts'], {
    PORT: '0',
    ADMIN_PORT: '0',
    CLUSTER_WORKERS: '2',
    NODE_ENV: 'production',
    AUTH: 'none',
    SUBGRAPH_SECRET: 'none',
    ...REMOTE,
  });
  onTestFinished(gateway.stop);
  await expect.poll(() => gateway.output()).toMatch(/in detail: +\S+/);
  const adminUrl = /in detail: +(\S+)/.exec(gateway.output())?.[1] ?? '';
  type State = { status: string; workers: { status: string; pid: number }[] };
  const state = async () => (await read(adminUrl, '/health/ready')) as { status: number; body: State };
  const { status, body } = await state();
  const worker = { status: 'ok', version: product.version, pid: expect.any(Number), subgraphs: SUBGRAPHS };
  expect([status, body]).toMatchObject([200, { status: 'ok', workers: [worker, worker] }]);
  const pids = body.workers.map(({ pid }) => pid);
  expect(new Set([gateway.process.pid, ...pids]).size).toBe(3);

  process.kill(pids[0] as number, 'SIGSTOP');
  expect(await state()).toMatchObject({
    status: 200,
    body: {
      status: 'ok',
      workers: [
        { status: 'unresponsive', pid: pids[0] },
        { status: 'ok', pid: pids[1] },
      ],
    },
  });
  process.kill(pids[0] as number, 'SIGCONT');
});
