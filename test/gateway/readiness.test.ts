import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { startGateway } from '../../gateway/start.ts';
import { ConfigError } from '../../runtime/env.ts';
import { startHubSpotSandbox } from '../../subgraphs/crm/hubspot/sandbox/index.ts';
import { startProcess } from '../helpers/processes.ts';
import { sandboxEnvironment } from '../helpers/sandboxes.ts';
import { createAsk, type Stack, startStack } from '../helpers/stack.ts';

/* Whether a process is ready while a provider is down. */

const CUSTOMERS = '{ customers(first: 1) { edges { node { firstName } } } }';
const CODE = 'UPSTREAM_UNAVAILABLE';
const PRODUCT = '{ product(sku: "OABR-S") { sku } }';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.close());
beforeEach(() => stack.reset());

const read = async (url: string | undefined, path: string) => {
  const response = await fetch(`${url}${path}`);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

const start = async (env: Record<string, string>) => {
  const gateway = await startGateway({ ...stack.env, NODE_ENV: 'production', AUTH: 'none', ADMIN_PORT: '0', ...env });
  onTestFinished(gateway.close);
  return {
    ...gateway,
    ask: createAsk(`${gateway.url}/graphql`),
    ready: () => read(gateway.url, '/health/ready'),
    detail: () => read(gateway.adminUrl, '/health/ready'),
  };
};

const READY = { status: 200, body: { status: 'ok' } };
const NOT_READY = { status: 503, body: { status: 'unavailable' } };

test.each([
  ['process', READY],
  ['providers', NOT_READY],
  ['payments, crm', NOT_READY],
  ['payments,inventory', READY],
])(
  'READINESS=%s: while crm is down the public answer is %o, and the detail names crm; then crm returns',
  async (READINESS, expected) => {
    const { ask, ready, detail } = await start({ READINESS });
    await ask(PRODUCT);
    expect(await ready()).toEqual(READY);
    expect((await detail()).body['degraded']).toBeUndefined();
    stack.hubspot.fail({ status: 500 });
    await expect
      .poll(async () => {
        await ask(CUSTOMERS);
        return (await detail()).body['degraded'];
      })
      .toEqual(['crm']);
    expect(await ready()).toEqual(expected);
    expect(await detail()).toMatchObject({ status: expected.status, body: { status: expected.body.status } });
    // It still answers what it can.
    expect((await ask(PRODUCT)).data).toEqual({ product: { sku: 'OABR-S' } });

    stack.reset();
    await expect
      .poll(async () => {
        await ask(CUSTOMERS);
        return (await detail()).body['degraded'];
      })
      .toBeUndefined();
    expect(await ready()).toEqual(READY);
  },
);

test('a client’s own mistakes are no outage', async () => {
  const { ask, detail } = await start({ READINESS: 'providers' });
  stack.hubspot.fail({ status: 404 });
  for (let index = 0; index < 6; index += 1) await ask(CUSTOMERS);
  expect(await detail()).toMatchObject(READY);
});

test('without the admin port, outages count all the same', async () => {
  const { ask, ready, adminUrl } = await start({ READINESS: 'crm', ADMIN_PORT: '' });
  expect(adminUrl).toBeUndefined();
  stack.hubspot.fail({ drop: 'before' });
  await expect
    .poll(async () => {
      await ask(CUSTOMERS);
      return ready();
    })
    .toEqual(NOT_READY);
});

test('a subgraph that does not exist is refused at the start', async () => {
  await expect(start({ READINESS: 'crm,billing' })).rejects.toThrow(
    new ConfigError('READINESS: must be process, providers, or a list of: payments, crm, inventory'),
  );
});

describe('a process of subgraphs', { tags: ['long'] }, () => {
  test('has the same readiness, its own status page, and its gateway sees that it is down', async () => {
    const hubspot = await startHubSpotSandbox();
    onTestFinished(hubspot.close);
    const subgraph = startProcess(['node', 'subgraphs/main.ts'], {
      PORT: '0',
      ADMIN_PORT: '0',
      LOG_LEVEL: 'silent',
      SUBGRAPHS: 'crm',
      READINESS: 'providers',
      CACHE_MAX_MIB: '0',
      ...sandboxEnvironment('hubspot', hubspot),
    });
    onTestFinished(subgraph.stop);
    await expect.poll(() => subgraph.output()).toMatch(/providers: \S+\/status\n/);
    const url = /answers at (\S+)\/crm/.exec(subgraph.output())?.[1] ?? '';
    const adminUrl = /providers: (\S+)\/status\n/.exec(subgraph.output())?.[1] ?? '';
    expect(await (await fetch(`${adminUrl}/status`)).text()).toContain('Tributary status');
    const gateway = await start({ CRM_URL: `${url}/crm`, SUBGRAPH_SECRET: 'none' });
    const statusOf = async (at: string | undefined) => {
      const { body } = await read(at, '/status.json');
      const crm = (body['subgraphs'] as { subgraph: string }[]).find(({ subgraph: name }) => name === 'crm');
      return { kind: body['kind'], crm };
    };
    hubspot.fail({ status: 500 });
    await expect
      .poll(async () => {
        await gateway.ask(CUSTOMERS);
        return (await statusOf(adminUrl)).crm;
      })
      .toMatchObject({ source: 'provider', health: 'down', fetches: null });
    const unavailable = { status: 'unavailable', degraded: ['crm'] };
    // An assessment holds for a second.
    await expect.poll(() => read(url, '/health/ready')).toEqual({ status: 503, body: unavailable });
    expect(await read(adminUrl, '/health/ready')).toMatchObject({ status: 503, body: unavailable });
    const { kind, crm } = await statusOf(gateway.adminUrl);
    expect([kind, crm]).toMatchObject(['gateway', { source: 'remote', requests: null, lastFailure: { code: CODE } }]);

    hubspot.reset();
    await expect
      .poll(async () => {
        await gateway.ask(CUSTOMERS);
        return (await read(url, '/health/ready')).body;
      })
      .toEqual({ status: 'ok' });
    expect((await statusOf(adminUrl)).crm).toMatchObject({ lastSuccessS: expect.any(Number) });
    expect((await statusOf(gateway.adminUrl)).crm).toMatchObject({ reported: { calls: expect.any(Number) } });

    await subgraph.stop();
    const other = await start({ CRM_URL: `${url}/crm`, SUBGRAPH_SECRET: 'none' });
    await expect
      .poll(async () => {
        await other.ask(CUSTOMERS);
        return (await statusOf(other.adminUrl)).crm;
      })
      .toMatchObject({ source: 'remote', health: 'down', fetches: { failed: 5 }, lastFailure: { code: CODE } });
  });
});

test('of several workers, the status has the sums, and says which one does not answer', {
  tags: ['long'],
}, async () => {
  const gateway = startProcess(['node', 'gateway/main.ts'], {
    PORT: '0',
    ADMIN_PORT: '0',
    CLUSTER_WORKERS: '2',
    NODE_ENV: 'production',
    AUTH: 'none',
    SUBGRAPH_SECRET: 'none',
    PAYMENTS_URL: 'http://127.0.0.1:1/payments',
    CRM_URL: 'http://127.0.0.1:1/crm',
    INVENTORY_URL: 'http://127.0.0.1:1/inventory',
  });
  onTestFinished(gateway.stop);
  await expect.poll(() => gateway.output()).toMatch(/providers: +\S+\/status\n/);
  const adminUrl = /providers: +(\S+)\/status\n/.exec(gateway.output())?.[1] ?? '';
  const url = /answers at (\S+)\/graphql/.exec(gateway.output())?.[1] ?? '';
  const ask = createAsk(`${url}/graphql`);
  for (let index = 0; index < 12; index += 1) await ask(`query Product ${PRODUCT}`);
  type Body = {
    processes: { pid: number; status: string }[];
    operations: { name: string; operations: number }[];
    subgraphs: { subgraph: string; health: string; fetches: { count: number } }[];
  };
  const status = async () => (await read(adminUrl, '/status.json')).body as unknown as Body;
  const { processes, operations, subgraphs } = await status();
  expect(operations).toMatchObject([{ name: 'Product', operations: 12, errors: 12 }]);
  expect(subgraphs.find(({ subgraph }) => subgraph === 'inventory')).toMatchObject({
    health: 'down',
    fetches: { count: 12, failed: 12 },
  });
  expect(processes.map((one) => one.status)).toEqual(['ok', 'ok']);
  const pid = processes[0]?.pid ?? 0;
  process.kill(pid, 'SIGSTOP');
  expect((await status()).processes).toMatchObject([
    { pid, status: 'unresponsive', memory: null },
    { pid: processes[1]?.pid, status: 'ok' },
  ]);
  process.kill(pid, 'SIGCONT');
});
