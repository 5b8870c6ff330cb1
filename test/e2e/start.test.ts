import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterAll, afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { startGateway } from '../../gateway/start.ts';
import { ConfigError } from '../../runtime/env.ts';
import { startOpenMageSandbox } from '../../subgraphs/inventory/openmage/sandbox/index.ts';
import { copyProject } from '../helpers/copy.ts';
import { freePort, ROOT, type Spawned, startProcess } from '../helpers/processes.ts';
import { sandboxEnvironment } from '../helpers/sandboxes.ts';
import { createAsk } from '../helpers/stack.ts';
import { hasTool } from '../helpers/tools.ts';

/* Starting the processes with various environments. */

const folderOfCa = mkdtempSync(join(tmpdir(), 'ca-'));
afterAll(() => rmSync(folderOfCa, { recursive: true }));
const CA_FILE = join(folderOfCa, 'ca.pem');
writeFileSync(CA_FILE, rootCertificates[0] ?? '');

let running: Spawned | undefined;
afterEach(() => running?.stop());

const start = async (env: Record<string, string>) => {
  const gateway = startProcess(['node', 'gateway/main.ts'], { PORT: '0', ...env });
  running = gateway;
  await expect.poll(() => gateway.output()).toMatch(/A first query[\s\S]*\n}\n|cannot start/);
  const url = /answers at (\S+)/.exec(gateway.output())?.[1] ?? '';
  return { gateway, ask: createAsk(url), url };
};

/** Returns why the gateway does not start. A few cases are also run as processes below. */
const problemOf = async (env: Record<string, string>): Promise<string> => {
  const started = startGateway({ PORT: '0', LOG_LEVEL: 'silent', ...env });
  const error = await started.then(
    (gateway) => gateway.close(),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ConfigError);
  return (error as ConfigError).message;
};

test('given no configuration, then it prints its URLs, its sandboxes and a first query', async () => {
  const { gateway, ask, url } = await start({});
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/graphql$/);
  for (const page of ['desk', 'graphiql', '']) {
    const address = url.replace(/graphql$/, page);
    expect(gateway.output()).toMatch(new RegExp(`: +${address}(,|$)`, 'm'));
    expect((await fetch(address, { headers: { accept: 'text/html' } })).headers.get('content-type')).toContain(
      'text/html',
    );
  }
  for (const name of ['payments', 'crm', 'inventory']) {
    expect(gateway.output()).toMatch(new RegExp(`${name} +from its provider's sandbox`));
  }
  const example = gateway.output().slice(gateway.output().indexOf('{'), gateway.output().lastIndexOf('}') + 1);
  const { data, errors } = await ask(example);
  expect(errors).toBeUndefined();
  expect(data).toMatchObject({
    customers: {
      edges: [
        {
          node: {
            firstName: 'Ada',
            company: { name: expect.any(String) },
            payments: { edges: [{}, {}] },
            deals: {
              edges: [{ node: { lineItems: [{ product: { stock: { quantity: expect.any(Number) } } }, {}] } }],
            },
          },
        },
      ],
    },
  });
});

test.skipIf(!hasTool('git'))(
  '`npm start` builds the pages of a fresh checkout, and again only after changes',
  { tags: ['long'] },
  async () => {
    const project = copyProject();
    const { scripts } = JSON.parse(project.read('package.json')) as { scripts: Record<string, string> };
    const prepare = async (): Promise<string> => {
      const { ended, output } = project.start(['sh', '-c', scripts['prestart'] ?? ''], { HOME: project.root });
      expect(await ended).toBe(0);
      return output();
    };
    expect(await prepare()).toMatch(/Built clients\/explorer[\s\S]*Built clients\/web/);
    expect(await prepare()).not.toContain('Built');
    project.change('clients/web/src/desk.tsx', 'Customer desk', 'The desk');
    expect(await prepare()).toMatch(/^Built clients\/web in [\d.]+ s\.$/m);

    project.change('clients/web/src/desk.tsx', 'The desk', 'A desk');
    rmSync(join(project.root, 'clients/web/dist'), { recursive: true });
    project.write('clients/web/dist', 'no folder');
    expect(await prepare()).toMatch(/^Not built: clients\/web\. The folder cannot be written \(E[A-Z]+\)/m);
    const pages = project.start(['node', 'scripts/pages.ts']);
    expect(await pages.ended).toBe(1);
    expect(pages.output()).toMatch(/^Not built: clients\/web\. The folder cannot be written/m);
    expect(pages.output()).not.toMatch(/^ +at /m);
    rmSync(join(project.root, 'clients/web/dist'));
    project.change('clients/web/src/desk.tsx', 'A desk', 'The desk');
    // Vite would write a copy of its configuration here, but the packages' folder may be read-only.
    mkdirSync(join(project.root, 'clients/web/node_modules'));
    project.write('clients/web/node_modules/.vite-temp', 'no folder');
    expect(await prepare()).toContain('Built clients/web');

    running = project.start(['node', 'gateway/main.ts'], { PORT: '0' });
    await expect.poll(() => running?.output()).toMatch(/A first query/);
    const url = /Customer desk: +(\S+)/.exec(running.output())?.[1] ?? '';
    const [script = ''] = /\/desk\/assets\/[^"]+\.js/.exec(await (await fetch(url)).text()) ?? [];
    expect(await (await fetch(new URL(script, url))).text()).toContain('The desk');
    await running.stop();
    project.remove();
  },
);

test('given one configured provider, then that one is called for real', { tags: ['long'] }, async () => {
  const shop = await startOpenMageSandbox();
  const { gateway, ask } = await start(sandboxEnvironment('openmage', shop));
  expect(gateway.output()).toMatch(/inventory +from its provider, for real/);
  await ask('{ product(sku: "OABR-S") { sku } }');
  expect(shop.calls.map(({ operation }) => operation)).toContain('catalogInventoryStockItemList');
  await shop.close();
});

/** Asserts that after these signals running requests finish, new ones are refused, and the exit code is 0. */
const expectGracefulStop = async (_: string, signals: readonly NodeJS.Signals[]): Promise<void> => {
  const shop = await startOpenMageSandbox();
  const { gateway, ask, url } = await start({
    ...sandboxEnvironment('openmage', shop),
    SHUTDOWN_GRACE_MS: '60000',
    CACHE_MAX_MIB: '0',
  });
  await ask('{ product(sku: "OABR-S") { sku } }');
  shop.fail({ delayMs: 800 });
  const before = shop.calls.length;
  const asked = ask('{ product(sku: "OABR-S") { sku } }');
  await expect.poll(() => shop.calls.length).toBe(before + 1);
  for (const signal of signals) gateway.process.kill(signal);
  await expect
    .poll(() =>
      fetch(url).then(
        () => 'open',
        () => 'closed',
      ),
    )
    .toBe('closed');
  expect((await asked).data).toEqual({ product: { sku: 'OABR-S' } });
  expect(await gateway.ended).toBe(0);
  await shop.close();
};

test(
  'given SIGTERM, then running requests finish, new ones are refused, and the exit code is 0',
  { tags: ['long'] },
  () => expectGracefulStop('SIGTERM', ['SIGTERM']),
);

test.each<[string, NodeJS.Signals[]]>([
  ['SIGINT', ['SIGINT']],
  ['both, as sent by a terminal and npm', ['SIGINT', 'SIGTERM']],
])(
  'given %s, then running requests finish, new ones are refused, and the exit code is 0',
  { tags: ['long'] },
  expectGracefulStop,
);

test('given a request that never ends, then it is aborted after the grace period', { tags: ['long'] }, async () => {
  const shop = await startOpenMageSandbox();
  const { gateway, ask } = await start({
    ...sandboxEnvironment('openmage', shop),
    SHUTDOWN_GRACE_MS: '200',
    CACHE_MAX_MIB: '0',
  });
  await ask('{ product(sku: "OABR-S") { sku } }');
  shop.fail({ hang: true });
  const before = shop.calls.length;
  const asked = ask('{ product(sku: "OABR-S") { sku } }').catch(() => 'cut off');
  await expect.poll(() => shop.calls.length).toBe(before + 1);
  gateway.process.kill('SIGTERM');
  expect(await asked).toBe('cut off');
  expect(await gateway.ended).toBe(0);
  await shop.close();
});

describe('given an invalid configuration, then the start fails and names the variable', () => {
  const OPENMAGE = { OPENMAGE_WSDL_URL: 'http://127.0.0.1:1/?wsdl', OPENMAGE_USERNAME: 'u', OPENMAGE_API_KEY: 'k' };
  test.each<[string, Record<string, string>, string[]]>([
    ['text for a port', { PORT: 'http' }, ['PORT']],
    ['an invalid URL', { PAYMENTS_URL: 'payments:4001' }, ['PAYMENTS_URL']],
    ['a switch that is neither on nor off', { SANDBOX: 'maybe' }, ['SANDBOX']],
    ['a publishable key', { STRIPE_API_KEY: 'pk_test_1' }, ['STRIPE_API_KEY']],
    ['an address without a key', { STRIPE_BASE_URL: 'http://127.0.0.1:1' }, ['STRIPE_API_KEY']],
    ['half of OAuth', { HUBSPOT_CLIENT_ID: 'a', HUBSPOT_REFRESH_TOKEN: 'b' }, ['HUBSPOT_CLIENT_SECRET']],
    ['a token and OAuth', { HUBSPOT_ACCESS_TOKEN: 'a', HUBSPOT_CLIENT_ID: 'b' }, ['HUBSPOT_ACCESS_TOKEN']],
    ['a shop without a user', { ...OPENMAGE, OPENMAGE_USERNAME: '' }, ['OPENMAGE_USERNAME']],
    ['a secret set twice', { STRIPE_API_KEY: 'sk_test_1', STRIPE_API_KEY_FILE: '/nowhere' }, ['STRIPE_API_KEY_FILE']],
    ['a missing secret file', { STRIPE_API_KEY_FILE: '/nowhere' }, ['STRIPE_API_KEY_FILE']],
    [
      'several problems',
      { STRIPE_API_KEY: 'x', OPENMAGE_USERNAME: 'u' },
      ['STRIPE_API_KEY', 'OPENMAGE_WSDL_URL', 'OPENMAGE_API_KEY'],
    ],
    [
      'production without credentials',
      { NODE_ENV: 'production' },
      ['STRIPE_API_KEY', 'HUBSPOT_ACCESS_TOKEN', 'OPENMAGE_WSDL_URL'],
    ],
    [
      'no sandbox and no credentials',
      { SANDBOX: 'off' },
      ['STRIPE_API_KEY', 'HUBSPOT_ACCESS_TOKEN', 'OPENMAGE_WSDL_URL'],
    ],
  ])('%s', async (_, env, names) => {
    const problem = await problemOf(env);
    for (const name of names) expect(problem).toContain(name);
    expect(problem).not.toMatch(/pk_test_1| at .*\.ts/);
  });

  test('a port in use', { tags: ['long'] }, async () => {
    const { url } = await start({});
    const first = running;
    const second = startProcess(['node', 'gateway/main.ts'], { PORT: new URL(url).port });
    expect(await second.ended).toBe(1);
    expect(second.output()).toMatch(/^Port \d+ is in use \(EADDRINUSE\). Set PORT to a free port.$/m);
    expect(second.output()).not.toMatch(/ at /);
    await first?.stop();
  });
});

/** Asserts that a process reports all problems of its configuration at once. */
const expectProblems = async (
  _: string,
  main: string,
  env: Record<string, string>,
  names: readonly string[],
): Promise<void> => {
  running = startProcess(['node', main], env);
  const { ended, output } = running;
  expect(await ended).toBe(78);
  const [first, ...lines] = output().trim().split('\n');
  expect(first).toBe('Tributary cannot start with this configuration:');
  expect(lines.map((line) => line.split(':')[0]).sort()).toEqual([...names].sort());
  for (const line of lines) expect(line).toMatch(/: (must |is required|required |the file cannot be read)/);
  expect(output()).not.toMatch(/hush|Invalid|received|expected/);
};

test.each<[string, string, Record<string, string>, string[]]>([
  [
    'the gateway',
    'gateway/main.ts',
    {
      PORT: 'http',
      HEADER_TIMEOUT_MS: '-1',
      CRM_URL: 'crm:4002',
      CORS_ORIGINS: 'app.example',
      FORWARD_HEADERS: 'x request id',
      CACHE_MAX_MIB: 'much',
      REDIS_URL: 'redis://user:p%ss@127.0.0.1',
      STRIPE_API_KEY_FILE: '/nowhere',
      STRIPE_QUOTA: 'hush',
      OPENMAGE_WSDL_URL: 'shop',
      OPENMAGE_CACHE: 'hush=1',
    },
    [
      'PORT',
      'HEADER_TIMEOUT_MS',
      'CRM_URL',
      'CORS_ORIGINS',
      'FORWARD_HEADERS',
      'CACHE_MAX_MIB',
      'REDIS_URL',
      'STRIPE_API_KEY_FILE',
      'STRIPE_QUOTA',
      'OPENMAGE_WSDL_URL',
      'OPENMAGE_USERNAME',
      'OPENMAGE_API_KEY',
      'OPENMAGE_CACHE',
    ],
  ],
  [
    'subgraphs',
    'subgraphs/main.ts',
    { SUBGRAPHS: 'payments', PORT: '65536', STRIPE_API_KEY: 'hush', STRIPE_TIMEOUT_MS: 'long', REDIS_URL: 'hush' },
    ['PORT', 'STRIPE_API_KEY', 'STRIPE_TIMEOUT_MS', 'REDIS_URL'],
  ],
])('given several problems in the configuration of %s, then all are reported at once', expectProblems);

test.each<[string, string, Record<string, string>, string[]]>([
  [
    'a gateway with several workers',
    'gateway/main.ts',
    { CLUSTER_WORKERS: '2', LOG_LEVEL: 'loud', HUBSPOT_CURRENCY: 'euro', HUBSPOT_CLIENT_ID: 'hush' },
    ['CLUSTER_WORKERS', 'LOG_LEVEL', 'HUBSPOT_CURRENCY', 'HUBSPOT_CLIENT_SECRET, HUBSPOT_REFRESH_TOKEN'],
  ],
  [
    'a gateway with an external supergraph',
    'gateway/main.ts',
    { SUPERGRAPH: '/nowhere', PORT: '1.5', REDIS_URL: 'redis://127.0.0.1/first' },
    ['PORT', 'REDIS_URL'],
  ],
  [
    'a gateway with sandboxes',
    'gateway/main.ts',
    { PORT: 'http', STRIPE_QUOTA: 'hush', HUBSPOT_CURRENCY: 'hush', HUBSPOT_API_VERSION: '2025-09' },
    ['PORT', 'STRIPE_QUOTA', 'HUBSPOT_CURRENCY', 'HUBSPOT_API_VERSION'],
  ],
  ['sandboxes', 'sandbox/main.ts', { SANDBOXES: 'hush,hush', PORT: '-1' }, ['SANDBOXES', 'PORT']],
])(
  'given several problems in the configuration of %s, then all are reported at once',
  { tags: ['long'] },
  expectProblems,
);

test.each([
  ['a foreign address', { HOST: '192.0.2.1' }, /^HOST: 192\.0\.2\.1 is not an address of this machine/],
  [
    'a foreign address with several workers',
    {
      HOST: '192.0.2.1',
      CLUSTER_WORKERS: '2',
      PAYMENTS_URL: 'http://127.0.0.1:1',
      CRM_URL: 'http://127.0.0.1:1',
      INVENTORY_URL: 'http://127.0.0.1:1',
    },
    /^HOST: 192\.0\.2\.1 is not an address of this machine/,
  ],
  ['an unknown host name', { HOST: 'no.such.host.invalid' }, /^HOST: the host name no\.such\.host/],
  ['text for a port', { PORT: 'http' }, /^Tributary cannot start: PORT: must be a number$/],
  ['a missing ENV_FILE', { ENV_FILE: '/nowhere' }, /ENV_FILE: the file cannot be read\.$/],
])('given %s, then the process exits with 78 and prints one line', { tags: ['long'] }, async (_, env, message) => {
  running = startProcess(['node', 'gateway/main.ts'], { PORT: '0', ...env });
  const { ended, output } = running;
  expect(await ended).toBe(78);
  expect(output().trim()).toMatch(message);
  expect(output().trim().split('\n')).toHaveLength(1);
});

test.each<[string, Record<string, string>, string]>([
  ['a port that is too high', { PORT: '65536' }, 'PORT: must be at most 65535'],
  ['a negative timeout', { BODY_TIMEOUT_MS: '-1' }, 'BODY_TIMEOUT_MS: must be more than 0'],
  ['a fractional number', { MAX_CONNECTIONS: '1.5' }, 'MAX_CONNECTIONS: must be a whole number'],
  ['an unknown log level', { LOG_LEVEL: 'loud' }, 'LOG_LEVEL: must be one of fatal, error, warn'],
  [
    'an origin with a trailing slash',
    { CORS_ORIGINS: 'https://a.example,https://b.example/' },
    'CORS_ORIGINS: must be origins',
  ],
  [
    'an authority without TLS',
    { REDIS_URL: 'redis://127.0.0.1', REDIS_CA: CA_FILE },
    'REDIS_CA: must be set only with',
  ],
  [
    'an authority that is no certificate',
    { REDIS_URL: 'rediss://127.0.0.1', REDIS_CA: '/dev/null' },
    'REDIS_CA: must be a',
  ],
  [
    'a forwarded header of one request',
    { FORWARD_HEADERS: 'Host' },
    'FORWARD_HEADERS: must not name a header of a single',
  ],
  ['an origin with the default port', { CORS_ORIGINS: 'https://a.example:443' }, 'CORS_ORIGINS: must be origins'],
  ['a header name with a space', { RETURN_HEADERS: 'x shop' }, 'RETURN_HEADERS: must be header names'],
  [
    'a Redis password with a bare percent sign',
    { REDIS_URL: 'redis://:5%@127.0.0.1' },
    'REDIS_URL: must be a redis or',
  ],
  ['a forwarded hop-by-hop header', { FORWARD_HEADERS: 'Host' }, 'FORWARD_HEADERS: must not name a header of a single'],
  [
    'a token with a line break',
    { HUBSPOT_ACCESS_TOKEN: 'pat-1\n2' },
    'HUBSPOT_ACCESS_TOKEN: must be a token, in one line',
  ],
  [
    'an unknown rate limit',
    { STRIPE_QUOTA: 'accont=10/1' },
    'STRIPE_QUOTA: must use only these limits: account, endpoint',
  ],
  [
    'a rate limit without a window',
    { HUBSPOT_QUOTA: 'search=4' },
    'HUBSPOT_QUOTA: search must be requests and seconds',
  ],
  ['a rate limit of zero', { HUBSPOT_QUOTA: 'account=0/1' }, 'HUBSPOT_QUOTA: account must be requests and seconds'],
  ['an unknown type', { STRIPE_CACHE: 'payment=5' }, 'STRIPE_CACHE: must use only these types: '],
  [
    'decreasing ages',
    { OPENMAGE_CACHE: 'stock=60/30' },
    'OPENMAGE_CACHE: stock must be one to three non-decreasing ages in seconds',
  ],
  ['a concurrency of zero', { OPENMAGE_CONCURRENCY: '0' }, 'OPENMAGE_CONCURRENCY: must be '],
])('given %s, then the problem is reported in one line', async (_, env, message) => {
  const problem = await problemOf(env);
  expect(problem).toContain(message);
  expect(problem.split('\n')).toHaveLength(1);
});

test('variables are read from .env or ENV_FILE; the environment takes precedence', { tags: ['long'] }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'env-'));
  const shop = await startOpenMageSandbox();
  const variables = Object.entries({ ...sandboxEnvironment('openmage', shop), PORT: 'of no use' });
  writeFileSync(join(folder, '.env'), variables.map(([name, value]) => `${name}=${value}\n`).join(''));
  running = startProcess(['node', join(ROOT, 'gateway/main.ts')], { PORT: '0', ENV_FILE: '' }, folder);
  await expect.poll(() => running?.output()).toMatch(/inventory +from its provider, for real/);
  await running.stop();
  const { gateway } = await start({ ENV_FILE: join(folder, '.env') });
  expect(gateway.output()).toMatch(/inventory +from its provider, for real/);
  await shop.close();
  rmSync(folder, { recursive: true });
});

test('given a rejected credential, then the log names its variable, and clients do not see it', {
  tags: ['long'],
}, async () => {
  const shop = await startOpenMageSandbox();
  const folder = mkdtempSync(join(tmpdir(), 'secret-'));
  writeFileSync(join(folder, 'key'), 'not-the-key');
  const { OPENMAGE_API_KEY: _, ...rest } = sandboxEnvironment('openmage', shop);
  const { gateway, ask } = await start({ ...rest, OPENMAGE_API_KEY_FILE: join(folder, 'key') });
  const { text, errors } = await ask('{ product(sku: "OABR-S") { stock { quantity } } }');
  expect(errors?.[0]?.extensions?.['code']).toBe('UPSTREAM_UNAUTHORIZED');
  expect(text).not.toContain('OPENMAGE_');
  const variables = 'OPENMAGE_WSDL_URL, OPENMAGE_USERNAME, OPENMAGE_API_KEY_FILE';
  await expect.poll(() => gateway.output()).toContain(`Check ${variables}."`);
  expect(gateway.output()).not.toContain('not-the-key');
  await shop.close();
  rmSync(folder, { recursive: true });
});

test('given an unreachable provider, then each failure is logged with the reason', { tags: ['long'] }, async () => {
  const port = await freePort();
  const { gateway, ask } = await start({
    OPENMAGE_WSDL_URL: `http://127.0.0.1:${port}/?wsdl`,
    OPENMAGE_USERNAME: 'u',
    OPENMAGE_API_KEY: 'k',
  });
  const isFailure = (line: string) =>
    line.includes('"why":"ECONNREFUSED"') && !line.includes('A circuit breaker opened.');
  // The attempts at the start may already have opened the circuit.
  for (const count of [1, 2, 3]) {
    await ask('{ product(sku: "OABR-S") { stock { quantity } } }');
    await expect.poll(() => gateway.output().split('\n').filter(isFailure).length).toBe(count);
  }
  // Two requests of three attempts each open it.
  await expect.poll(() => gateway.output()).toContain('A circuit breaker opened.');
});

test('given an unreachable Redis, then it is logged once, without its password', { tags: ['long'] }, async () => {
  const port = await freePort();
  const { gateway, ask } = await start({ REDIS_URL: `redis://user:hush-hush@127.0.0.1:${port}` });
  await expect.poll(() => gateway.output()).toContain('Redis (REDIS_URL) is unavailable.');
  for (let count = 0; count < 5; count += 1) await ask('{ product(sku: "OABR-S") { sku } }');
  // Once for each reason: on a busy machine, connecting may take too long as well.
  const reasons = [...gateway.output().matchAll(/"why":"(\w+)"[^\n]*Redis \(REDIS_URL\)/g)].map(([, why]) => why);
  expect(reasons).toEqual([...new Set(reasons)]);
  expect(gateway.output().match(/Redis \(REDIS_URL\)/g)).toHaveLength(reasons.length);
  expect(gateway.output()).toContain('ECONNREFUSED');
  expect(gateway.output()).not.toContain('hush-hush');
});

test('given a Redis that rejects the password, then it is logged with the reason', { tags: ['long'] }, async () => {
  const sockets = new Set<Socket>();
  const refusing = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', () => socket.write('-WRONGPASS invalid username-password pair or user is disabled.\r\n'));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => refusing.once('listening', resolve));
  const { port } = refusing.address() as AddressInfo;
  const { gateway } = await start({ REDIS_URL: `redis://user:hush-hush@127.0.0.1:${port}` });
  await expect.poll(() => gateway.output()).toMatch(/"why":"WRONGPASS".*Redis \(REDIS_URL\) is unavailable/);
  expect(gateway.output()).not.toContain('hush-hush');
  for (const socket of sockets) socket.destroy();
  refusing.close();
});

test.skipIf(!hasTool('redis-server'))(
  'given a Redis that becomes available, then it is logged',
  { tags: ['long'] },
  async () => {
    const port = await freePort();
    const { gateway } = await start({ REDIS_URL: `redis://127.0.0.1:${port}` });
    await expect.poll(() => gateway.output()).toContain('Redis (REDIS_URL) is unavailable.');
    const redis = startProcess(['redis-server', '--port', String(port), '--save', '', '--appendonly', 'no'], {});
    onTestFinished(redis.stop);
    await expect.poll(() => gateway.output()).toContain('Redis (REDIS_URL) is available.');
  },
);

test('given no SUBGRAPHS, then a subgraph process does not start', { tags: ['long'] }, async () => {
  const process = startProcess(['node', 'subgraphs/main.ts'], { PORT: '0' });
  expect(await process.ended).toBe(78);
  expect(process.output()).toContain('SUBGRAPHS');
});

test('secrets can be read from files', { tags: ['long'] }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'secret-'));
  const shop = await startOpenMageSandbox();
  const { OPENMAGE_API_KEY = '', ...rest } = sandboxEnvironment('openmage', shop);
  writeFileSync(join(folder, 'key'), `${OPENMAGE_API_KEY}\n`);
  const { ask } = await start({ ...rest, OPENMAGE_API_KEY_FILE: join(folder, 'key') });
  expect((await ask('{ product(sku: "OABR-S") { sku } }')).data).toEqual({ product: { sku: 'OABR-S' } });
  await shop.close();
  rmSync(folder, { recursive: true });
});

test('given failures at LOG_LEVEL=trace, then the log has no secrets and no personal data', {
  tags: ['long'],
}, async () => {
  const shop = await startOpenMageSandbox();
  const secrets = {
    STRIPE_API_KEY: 'sk_test_neverlogthiskey',
    HUBSPOT_ACCESS_TOKEN: 'pat-never-log-this-token',
    OPENMAGE_API_KEY: 'never-log-this-either',
  };
  const { gateway, ask } = await start({
    ...sandboxEnvironment('openmage', shop),
    ...secrets,
    STRIPE_BASE_URL: shop.url,
    HUBSPOT_BASE_URL: shop.url,
    LOG_LEVEL: 'trace',
  });
  const { errors, text } = await ask(
    '{ customer(email: "ada.lindqvist@customers.example") { id } payments { edges { cursor } } product(sku: "OABR-S") { sku } }',
  );
  expect(errors).toHaveLength(3);
  await expect.poll(() => gateway.output().match(/UPSTREAM_/g)?.length).toBeGreaterThanOrEqual(3);
  for (const secret of [...Object.values(secrets), 'ada.lindqvist', new URL(shop.url).host]) {
    expect(gateway.output()).not.toContain(secret);
    expect(text).not.toContain(secret);
  }
  await shop.close();
});

test('the sandboxes run as a process of their own, which prints the variables to set', { tags: ['long'] }, async () => {
  const alone = startProcess(['node', 'sandbox/main.ts'], { PORT: '0' });
  running = alone;
  await expect.poll(() => alone.output()).toContain('OPENMAGE_API_KEY=');
  const env = Object.fromEntries(
    [...alone.output().matchAll(/^ {2}(\w+)=(.+)$/gm)].map(([, name, value]) => [name, value]),
  );
  const gateway = startProcess(['node', 'gateway/main.ts'], { PORT: '0', ...env });
  await expect.poll(() => gateway.output()).toContain('answers at');
  const ask = createAsk(/answers at (\S+)/.exec(gateway.output())?.[1] ?? '');
  expect((await ask('{ customer(id: "101") { firstName balance { amount } } }')).errors).toBeUndefined();
  // The control API, which tests use for sandboxes in other processes.
  const stripe = env['STRIPE_BASE_URL'] ?? '';
  await fetch(`${stripe}/_sandbox/faults`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ status: 403, times: 1 }),
  });
  expect((await ask('{ payment(id: "pi_3x") { id } }')).errors).toHaveLength(1);
  const calls = (await (await fetch(`${stripe}/_sandbox/calls`)).json()) as { status: number }[];
  expect(calls.at(-1)?.status).toBe(403);
  await gateway.stop();
});
