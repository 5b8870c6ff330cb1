import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@keyv/redis';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { advanceClock, resetClock } from '../helpers/clock.ts';
import { freePort, ROOT, type Spawned, startProcess } from '../helpers/processes.ts';
import { operationsOf, type Stack, startStack } from '../helpers/stack.ts';
import { hasTool } from '../helpers/tools.ts';

/* A Redis with TLS, a certificate of an own authority, and the user of docs/security.md. */

const [, ACL = ''] =
  /^redis-cli (ACL SETUSER (?:.*\\\n)*.*)$/m.exec(readFileSync(join(ROOT, 'docs/security.md'), 'utf8')) ?? [];
const aclWords = ACL.replaceAll(/\\\n|'/g, ' ').split(/\s+/);

const QUERY = '{ product(sku: "OABR-S") { stock { quantity } } }';
const EXTENSIONS = {
  persistedQuery: { version: 1, sha256Hash: createHash('sha256').update(QUERY).digest('hex') },
};

test('the user may run every command of the sources, and no other', () => {
  const text = [
    'connectors/rate-limits/redis.ts',
    'connectors/reads/store.ts',
    'gateway/cost/counters/redis.ts',
    'gateway/http/apq-cache.ts',
    'runtime/redis.ts',
  ]
    .map((file) => readFileSync(join(ROOT, file), 'utf8'))
    .join('\n');
  const inScripts = [...text.matchAll(/redis\.p?call\('(\w+)'/g)].map(([, name = '']) => name);
  const sent = [...text.matchAll(/(?:client|transaction)\.(\w+)\(/g)].map(([, name = '']) => name);
  const raw = [...text.matchAll(/sendCommand\(\['(\w+)'/g)].map(([, name = '']) => name);
  const own = new Set(['on', 'connect', 'destroy', 'sendCommand']);
  const commands = [...inScripts, ...sent, ...raw]
    .filter((name) => !own.has(name))
    .map((name) => (name === 'scanIterator' ? 'scan' : name.toLowerCase()));
  const allowed = aclWords.filter((word) => word.startsWith('+')).map((word) => word.slice(1));
  // For a database other than 0.
  expect(new Set(allowed)).toEqual(new Set([...commands, 'select']));
});

describe.skipIf(!hasTool('redis-server and openssl'))('a Redis with TLS and the user of the guide', () => {
  let folder: string;
  let port: number;
  let redis: Spawned;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'redis-tls-'));
    makeCertificates();
    port = await freePort();
    redis = startProcess(
      [
        ...['redis-server', '--port', '0', '--tls-port', String(port), '--save', '', '--appendonly', 'no'],
        ...['--tls-cert-file', join(folder, 'redis.pem'), '--tls-key-file', join(folder, 'redis.key')],
        ...['--tls-ca-cert-file', join(folder, 'ca.pem'), '--tls-auth-clients', 'no'],
      ],
      {},
    );
    await vi.waitFor(async () => expect(await command('PING')).toBe('PONG'), 120_000);
  });
  afterAll(async () => {
    await redis.stop();
    rmSync(folder, { recursive: true });
  });
  beforeEach(async () => {
    await command(...aclWords);
    await command('FLUSHALL');
    await command('ACL', 'LOG', 'RESET');
    return resetClock;
  });

  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });

  /** Makes an authority and, signed by it, a certificate of 127.0.0.1; and another authority. */
  const makeCertificates = (): void => {
    const NEW = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes'];
    for (const name of ['ca', 'other-ca']) {
      openssl(...NEW, '-keyout', `${name}.key`, '-out', `${name}.pem`, '-subj', `/CN=${name}`);
    }
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', 'subjectAltName=IP:127.0.0.1'];
    openssl(...NEW, '-keyout', 'redis.key', '-out', 'redis.pem', '-subj', '/CN=redis', ...signed);
  };

  /** Runs a command as the administrator. */
  const command = async (...words: string[]): Promise<unknown> => {
    const ca = readFileSync(join(folder, 'ca.pem'));
    const socket = { tls: true, ca, reconnectStrategy: false } as const;
    const client = createClient({ url: `rediss://127.0.0.1:${port}`, socket });
    client.on('error', () => {});
    await client.connect();
    try {
      return await client.sendCommand(words);
    } finally {
      client.destroy();
    }
  };

  const environment = (user = 'tributary'): Record<string, string> => ({
    REDIS_URL: `rediss://${user}:change-me@127.0.0.1:${port}`,
    REDIS_CA: join(folder, 'ca.pem'),
    CACHE_MAX_MIB: '16',
    OPENMAGE_CACHE: 'stock=60/60/3600',
  });
  const healthOf = async ({ url }: Pick<Stack, 'url'>) =>
    ((await (await fetch(`${url}/health/ready`)).json()) as { readonly redis: string }).redis;
  const start = async (env: Record<string, string>) => {
    const one = await startStack({ env: { ...environment(), ...env } });
    const other = await one.startAnother();
    onTestFinished(async () => {
      await Promise.all([one.close(), other.close()]);
    });
    return { one, other };
  };
  const send = async ({ url }: Pick<Stack, 'url'>, body: object) =>
    (
      await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    ).json();

  test('cached values, invalidations, rate limits and persisted queries are shared', async () => {
    advanceClock(0);
    const { one, other } = await start({ STRIPE_QUOTA: 'account=20/1,endpoint=20/1' });
    for (const gateway of [one, other]) await expect.poll(() => healthOf(gateway)).toBe('ok');

    const first = await send(one, { query: QUERY, extensions: EXTENSIONS });
    expect(first).toMatchObject({ data: { product: { stock: {} } } });
    one.reset();
    await expect.poll(() => send(other, { extensions: EXTENSIONS })).toEqual(first);
    expect(operationsOf(one.openmage)).toEqual([]);

    await one.ask('mutation { setStock(input: { sku: "OABR-S", quantity: 77 }) { product { sku } } }');
    expect((await other.ask(QUERY)).data).toEqual({ product: { stock: { quantity: 77 } } });

    one.stripe.fail({ status: 429, times: 1, headers: { 'retry-after': '60' } });
    await one.ask('{ payment(id: "pi_3x") { id } }');
    const { errors } = await other.ask('{ payment(id: "pi_3y") { id } }');
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'UPSTREAM_RATE_LIMITED' });
    expect(one.stripe.calls).toHaveLength(1);

    // What these tests do not reach.
    for (const words of [
      ['SCAN', '0', 'MATCH', 'tributary:*'],
      ['UNLINK', 'tributary:cache::x'],
      ['DEL', 'tributary:apq:x'],
    ]) {
      expect(await command('ACL', 'DRYRUN', 'tributary', ...words)).toBe('OK');
    }
    expect(await command('ACL', 'DRYRUN', 'tributary', 'GET', 'other:x')).not.toBe('OK');
    expect(await command('ACL', 'LOG')).toEqual([]);
    expect([await healthOf(one), await healthOf(other)]).toEqual(['ok', 'ok']);
  });

  const expectDownUntilAllowed = async (change: readonly string[]): Promise<void> => {
    await command(...aclWords.with(2, 'poor'), ...change);
    const gateway = startProcess(['node', 'gateway/main.ts'], {
      PORT: '0',
      LOG_LEVEL: 'warn',
      ...environment('poor'),
    });
    onTestFinished(gateway.stop);
    await expect.poll(() => gateway.output()).toMatch(/answers at \S+/);
    const url = new URL(/answers at (\S+)/.exec(gateway.output())?.[1] ?? '').origin;
    const warnings = () => gateway.output().match(/"why":"NOPERM"/g)?.length ?? 0;
    const state = async () => {
      expect(await send({ url }, { query: QUERY })).toMatchObject({ data: { product: { stock: {} } } });
      return [await healthOf({ url }), warnings()];
    };
    await expect.poll(state).toEqual(['down', 1]);
    await command(...aclWords.with(2, 'poor'));
    await expect.poll(state).toEqual(['ok', 1]);
    expect(gateway.output()).not.toContain('change-me');
  };

  test(
    'without the right to a command, Redis counts as down, the log says why once, and it is used when it may be',
    { tags: ['long'] },
    () => expectDownUntilAllowed(['-set']),
  );

  test.each<[string, string[]]>([
    ['a command in a script', ['-strlen']],
    ['a script', ['-eval']],
    ['the keys', ['resetkeys', '~elsewhere:*']],
    ['the clock', ['-time']],
  ])('without the right to %s, it is the same', { tags: ['long'] }, (_, change) => expectDownUntilAllowed(change));

  test('a changed file of authorities is used without a restart', async () => {
    const file = join(folder, 'current-ca.pem');
    copyFileSync(join(folder, 'other-ca.pem'), file);
    const stack = await startStack({ env: { ...environment(), REDIS_CA: file } });
    onTestFinished(stack.close);
    expect(await healthOf(stack)).toBe('down');
    copyFileSync(join(folder, 'ca.pem'), file);
    await expect.poll(() => healthOf(stack)).toBe('ok');
  });

  test.each([
    ['another authority', 'other-ca.pem', /UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN/],
    ['the system’s authorities', '', /UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN/],
  ])('with %s, the certificate is refused and the log says so', { tags: ['long'] }, async (_, ca, why) => {
    const gateway = startProcess(['node', 'gateway/main.ts'], {
      PORT: '0',
      LOG_LEVEL: 'warn',
      ...environment(),
      REDIS_CA: ca && join(folder, ca),
    });
    onTestFinished(gateway.stop);
    await expect.poll(() => gateway.output()).toMatch(why);
    expect(gateway.output()).not.toContain('change-me');
  });
});
