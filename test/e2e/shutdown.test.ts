import { afterEach, expect, onTestFinished, test } from 'vitest';
import { startOpenMageSandbox } from '../../subgraphs/inventory/openmage/sandbox/index.ts';
import { type Spawned, startProcess } from '../helpers/processes.ts';
import { sandboxEnvironment } from '../helpers/sandboxes.ts';
import { createAsk } from '../helpers/stack.ts';

/* Processes behind a load balancer, and under more load than they take. */

let running: Spawned | undefined;
let hasEnded: boolean;
afterEach(async () => {
  // A second signal ends a process at once, but not within a second of the first.
  await expect.poll(() => hasEnded || (running?.process.kill('SIGTERM') && hasEnded)).toBe(true);
});

const start = async (command: readonly string[], env: Record<string, string>) => {
  const started = startProcess(command, { PORT: '0', LOG_LEVEL: 'warn', ...env });
  running = started;
  hasEnded = false;
  void started.ended.then(() => {
    hasEnded = true;
  });
  await expect.poll(() => started.output()).toMatch(/answers at \S+/);
  const { origin } = new URL(/answers at (\S+)/.exec(started.output())?.[1] ?? '');
  const health = async (path = '/health/ready') => {
    const response = await fetch(`${origin}${path}`);
    return [response.status, ((await response.json()) as { status: string }).status];
  };
  return { ...started, origin, health };
};

const ASK = '{ product(sku: "OABR-S") { sku } }';

test.each([
  ['gateway', ['node', 'gateway/main.ts'], {}],
  ['subgraph', ['node', 'subgraphs/main.ts'], { SUBGRAPHS: 'inventory' }],
] as const)(
  'a %s with a delay is not ready after SIGTERM, but still serves',
  { tags: ['long'] },
  async (kind, command, env) => {
    const shop = await startOpenMageSandbox();
    onTestFinished(shop.close);
    const stopping = await start(command, {
      ...sandboxEnvironment('openmage', shop),
      ...env,
      SHUTDOWN_DELAY_MS: '600000',
      ADMIN_PORT: '0',
    });
    const adminUrl = /in detail: +(\S+)/.exec(stopping.output())?.[1];
    expect(await stopping.health()).toEqual([200, 'ok']);
    stopping.process.kill('SIGTERM');
    await expect.poll(() => stopping.health()).toEqual([503, 'stopping']);
    expect(await stopping.health('/health/live')).toEqual([200, 'ok']);
    expect(Boolean(adminUrl)).toBe(kind === 'gateway');
    if (adminUrl) {
      const response = await fetch(adminUrl);
      expect([response.status, await response.json()]).toMatchObject([503, { status: 'stopping' }]);
    }
    const path = kind === 'gateway' ? '/graphql' : '/inventory';
    const response = await fetch(`${stopping.origin}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: ASK }),
    });
    expect(await response.json()).toEqual({ data: { product: { sku: 'OABR-S' } } });
    // The client's next request goes over a new connection, to another replica.
    expect(response.headers.get('connection')).toBe('close');
  },
);

test('when the delay is over, the port closes and the process ends with 0', { tags: ['long'] }, async () => {
  const stopping = await start(['node', 'gateway/main.ts'], { SHUTDOWN_DELAY_MS: '1' });
  expect(await stopping.health()).toEqual([200, 'ok']);
  stopping.process.kill('SIGTERM');
  expect(await stopping.ended).toBe(0);
  await expect(fetch(stopping.origin)).rejects.toThrow();
});

test('requests that are refused under load are logged, with their number', { tags: ['long'] }, async () => {
  const shop = await startOpenMageSandbox();
  onTestFinished(shop.close);
  const busy = await start(['node', 'gateway/main.ts'], {
    ...sandboxEnvironment('openmage', shop),
    MAX_REQUESTS: '1',
    MAX_WAITING_REQUESTS: '0',
    CACHE_MAX_MIB: '0',
  });
  const ask = createAsk(`${busy.origin}/graphql`);
  await ask(ASK);
  const before = shop.calls.length;
  shop.fail({ hang: true });
  const client = new AbortController();
  const hanging = ask(ASK, {}, { signal: client.signal }).catch(() => {});
  await expect.poll(() => shop.calls.length).toBe(before + 1);
  for (let index = 0; index < 3; index += 1) expect((await ask(ASK)).status).toBe(503);
  client.abort();
  await hanging;
  const entries = () =>
    busy
      .output()
      .split('\n')
      .filter((line) => line.includes('"OVERLOADED"'))
      .map((line) => JSON.parse(line));
  await expect.poll(entries).toMatchObject([{ level: 40, code: 'OVERLOADED', refused: 1 }]);
});
