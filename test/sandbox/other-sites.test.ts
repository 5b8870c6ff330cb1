import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { createHostPolicy } from '../../runtime/hosts.ts';
import type { Sandbox } from '../../sandbox/server.ts';
import { startOpenMageSandbox } from '../../subgraphs/inventory/openmage/sandbox/index.ts';
import { STRIPE_SANDBOX_KEY, startStripeSandbox } from '../../subgraphs/payments/stripe/sandbox/index.ts';
import { startProcess } from '../helpers/processes.ts';

/* What a web page can send to a sandbox on a developer's machine. */

type Sent = { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: string };

/** Sends a request with exactly these headers, which `fetch` does not allow. */
const send = async (url: string, path: string, { method = 'POST', headers = {}, body = '' }: Sent = {}) => {
  const { hostname, port } = new URL(url);
  return new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
    const options = { hostname, port, path, method, headers, agent: false };
    request(options, async (response) => resolve({ status: response.statusCode, body: await text(response) }))
      .on('error', reject)
      .end(body);
  });
};

const JSON_TYPE = { 'content-type': 'application/json' };
const FAULT = '{"status":500}';
const authorization = `Bearer ${STRIPE_SANDBOX_KEY}`;

let sandbox: Sandbox;
afterEach(() => sandbox.close());

const paymentStatus = async () =>
  (await send(sandbox.url, '/v1/payment_intents/pi_3x', { method: 'GET', headers: { authorization } })).status;

describe('a sandbox that may be controlled', () => {
  beforeEach(async () => {
    sandbox = await startStripeSandbox({ control: true });
  });

  test('takes faults from tools, and forgets them', async () => {
    expect((await send(sandbox.url, '/_sandbox/faults', { headers: JSON_TYPE, body: FAULT })).status).toBe(204);
    expect(await paymentStatus()).toBe(500);
    const { body } = await send(sandbox.url, '/_sandbox/calls', { method: 'GET' });
    expect(JSON.parse(body)).toMatchObject([{ status: 500 }]);
    expect((await send(sandbox.url, '/_sandbox', { method: 'DELETE' })).status).toBe(204);
    expect(await paymentStatus()).toBe(404);
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'text/plain; application/json', undefined])(
    'takes no fault as %s',
    async (type) => {
      const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type };
      expect((await send(sandbox.url, '/_sandbox/faults', { headers, body: FAULT })).status).toBe(415);
      expect(await paymentStatus()).toBe(404);
    },
  );

  test.each<[string, number, Record<string, string>]>([
    ['a page of another site', 403, { origin: 'https://evil.example' }],
    ['a page without an origin', 403, { origin: 'null' }],
    ['a page of another port', 403, { origin: 'http://127.0.0.1:1' }],
    ['a page that does not say its origin', 403, { 'sec-fetch-site': 'cross-site' }],
    ['a page of another port that does not either', 403, { 'sec-fetch-site': 'same-site' }],
    ['a rebound name', 421, { host: 'evil.example' }],
    ['a malformed name', 400, { host: 'a b' }],
  ])('takes nothing from %s', async (_, status, headers) => {
    const fault = { headers: { ...JSON_TYPE, ...headers }, body: FAULT };
    expect((await send(sandbox.url, '/_sandbox/faults', fault)).status).toBe(status);
    for (const [path, method] of [
      ['/_sandbox', 'DELETE'],
      ['/_sandbox/calls', 'GET'],
    ] as const) {
      expect([path, (await send(sandbox.url, path, { method, headers })).status]).toEqual([path, status]);
    }
    expect(await paymentStatus()).toBe(404);
    expect(sandbox.calls).toHaveLength(1);
  });

  test('is there for a page of its own, and at a name that is allowed', async () => {
    const { origin, host } = new URL(sandbox.url);
    const own = { host, origin, 'sec-fetch-site': 'same-origin' };
    expect((await send(sandbox.url, '/_sandbox/calls', { method: 'GET', headers: own })).status).toBe(200);
    const named = await startStripeSandbox({ hosts: createHostPolicy(['stripe']) });
    onTestFinished(named.close);
    const headers = { host: 'stripe:4011' };
    expect((await send(named.url, '/_sandbox/health', { method: 'GET', headers })).status).toBe(200);
  });
});

test('the providers’ own endpoints take nothing from other sites either, whatever a form can send', async () => {
  sandbox = await startOpenMageSandbox();
  const headers = { 'content-type': 'text/plain', origin: 'https://evil.example' };
  expect((await send(sandbox.url, '/api/v2_soap/', { headers, body: '<login/>' })).status).toBe(403);
  const rebound = await send(sandbox.url, '/api/v2_soap/?wsdl', { method: 'GET', headers: { host: 'evil.example' } });
  expect([rebound.status, rebound.body.includes('evil')]).toEqual([421, false]);
  expect(sandbox.calls).toEqual([]);
});

test('a sandbox is not controlled over HTTP unless that is asked for', async () => {
  sandbox = await startStripeSandbox();
  expect((await send(sandbox.url, '/_sandbox/faults', { headers: JSON_TYPE, body: FAULT })).status).toBe(404);
  for (const [path, method, status] of [
    ['/_sandbox/calls', 'GET', 404],
    ['/_sandbox', 'DELETE', 404],
    ['/_sandbox/health', 'GET', 200],
  ] as const) {
    expect([path, (await send(sandbox.url, path, { method })).status]).toEqual([path, status]);
  }
  expect(await paymentStatus()).toBe(404);
});

test.each<[Record<string, string>, number]>([
  [{}, 204],
  [{ NODE_ENV: 'production' }, 404],
  [{ NODE_ENV: 'production', SANDBOX_CONTROL: 'on' }, 204],
  [{ SANDBOX_CONTROL: 'off' }, 404],
])('as a process with %o, a fault is answered with %d', { tags: ['long'] }, async (env, status) => {
  sandbox = await startStripeSandbox();
  const alone = startProcess(['node', 'sandbox/main.ts'], { PORT: '0', SANDBOXES: 'stripe', ...env });
  onTestFinished(alone.stop);
  await expect.poll(() => alone.output()).toMatch(/answers at \S+;/);
  const url = /answers at (\S+);/.exec(alone.output())?.[1] ?? '';
  expect((await send(url, '/_sandbox/faults', { headers: JSON_TYPE, body: FAULT })).status).toBe(status);
});
