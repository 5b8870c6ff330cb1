import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runKeysCommand, UsageError } from '../../../scripts/keys/keys.ts';
import { readRecords } from '../../helpers/audit.ts';
import { advanceClock, resetClock } from '../../helpers/clock.ts';
import { type Federation, startFederation } from '../../helpers/federation.ts';
import { freePort, type Spawned, startProcess } from '../../helpers/processes.ts';
import { hasTool } from '../../helpers/tools.ts';

/* API keys, from `npm run keys` to the gateway. */

const SCHEMA = { schema: 'type Query { version: String }', fields: { 'Query.version': () => 'first' } };

type Gateway = Federation<'one'>;
type Headers = Record<string, string>;

const ask = (gateway: Gateway, headers: Headers = {}) => gateway.ask('{ version }', {}, { headers });
const statusOf = async (gateway: Gateway, headers?: Headers): Promise<number> => (await ask(gateway, headers)).status;
const withBearer = (key = ''): Headers => ({ authorization: `Bearer ${key}` });
const CREATE = ['create', '--name', 'billing', '--scopes', 'payments:read,deals:read'];

let folder: string;
let env: Record<string, string>;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keys-'));
  env = { API_KEYS_FILE: join(folder, 'keys.json') };
});
afterEach(() => {
  resetClock();
  rmSync(folder, { recursive: true });
});

const keys = (...args: string[]) => runKeysCommand(args, env);

/** Sends requests until one is refused. Returns the milliseconds from `since` to the start of the last one that was served. */
const servedAfter = async (gateway: Gateway, headers: Headers, since: number): Promise<number> => {
  let last = since;
  for (;;) {
    const startedAt = performance.now();
    if ((await statusOf(gateway, headers)) === 401) return last - since;
    last = startedAt;
  }
};

test('scopes that no field of the graph needs are named, as they may be misspelled', async () => {
  const misspelled = await keys('create', '--name', 'one', '--scopes', 'custmers:read,deals:read');
  expect(misspelled.text).toMatch(
    /^No field of the graph needs custmers:read\. Its scopes are .*customers:read, .*self:read\.\nCreated/,
  );
  expect(misspelled.key).toMatch(/^trb_/);
  expect((await keys(...CREATE)).text).toBe('Created the API key billing. It is shown only once:');
  env['SUPERGRAPH'] = 'another.graphql';
  expect((await keys('create', '--name', 'two', '--scopes', 'books:read')).text).toMatch(/^Created/);
});

describe('given keys in a file', () => {
  let gateway: Gateway;
  beforeEach(async () => {
    gateway = await startFederation({ one: SCHEMA }, env);
  });
  afterEach(() => gateway.close());

  test('a key is accepted in either header, from a second after its creation', async () => {
    expect(await statusOf(gateway)).toBe(401);
    const { key = '' } = await keys(...CREATE);
    expect(key).toMatch(/^trb_[0-9a-f]{16}_[\w-]{43}$/);
    await expect.poll(() => statusOf(gateway, withBearer(key))).toBe(200);
    expect(await statusOf(gateway, { 'x-api-key': key })).toBe(200);
  });

  test('other keys are refused, and so are two at once', async () => {
    const { key = '' } = await keys(...CREATE);
    await expect.poll(() => statusOf(gateway, withBearer(key))).toBe(200);
    const last = key.at(-1) === 'A' ? 'B' : 'A';
    for (const headers of [
      withBearer(`${key}A`),
      withBearer(key.slice(0, -1)),
      withBearer(key.slice(0, -1) + last),
      withBearer(key.replace(/_[0-9a-f]{16}/, `_${'0'.repeat(16)}`)),
      withBearer('trb_'),
      { 'x-api-key': '' },
      { 'x-api-key': `Bearer ${key}` },
      { 'x-api-key': `${key}, ${key}` },
      { ...withBearer(key), 'x-api-key': key },
    ]) {
      const { status, errors } = await ask(gateway, headers);
      expect([status, errors?.[0]?.extensions?.['code']]).toEqual([401, 'UNAUTHENTICATED']);
    }
    expect(gateway.subgraphs.one.requests).toHaveLength(1);
  });

  test('a revoked key is refused within a second, and its name is free again', async () => {
    const { key = '' } = await keys(...CREATE);
    await expect.poll(() => statusOf(gateway, withBearer(key))).toBe(200);
    await keys('revoke', 'billing');
    expect(await servedAfter(gateway, withBearer(key), performance.now())).toBeLessThan(1_000);
    await keys(...CREATE);
    expect(await statusOf(gateway, withBearer(key))).toBe(401);
  });

  test('a key is refused when it has expired', async () => {
    const { key = '' } = await keys(...CREATE, '--expires', '2d');
    await expect.poll(() => statusOf(gateway, withBearer(key))).toBe(200);
    advanceClock(1.9 * 86_400_000);
    expect(await statusOf(gateway, withBearer(key))).toBe(200);
    advanceClock(0.1 * 86_400_000);
    expect(await statusOf(gateway, withBearer(key))).toBe(401);
  });

  test('keys stay while the file is damaged, and none stays when it is removed', async () => {
    const { key = '' } = await keys(...CREATE);
    await expect.poll(() => statusOf(gateway, withBearer(key))).toBe(200);
    writeFileSync(env['API_KEYS_FILE'] ?? '', '{"keys":[{}]}');
    advanceClock(1_000);
    expect(await statusOf(gateway, withBearer(key))).toBe(200);
    rmSync(env['API_KEYS_FILE'] ?? '');
    advanceClock(1_000);
    expect(await statusOf(gateway, withBearer(key))).toBe(401);
  });
});

test('without API keys, x-api-key is no credential, and a key is none either', async () => {
  const { key = '' } = await keys(...CREATE);
  const gateway = await startFederation(
    { one: SCHEMA },
    { JWT_ISSUER: 'https://login.invalid', JWT_AUDIENCE: 'a', AUTH: 'optional' },
  );
  expect(await statusOf(gateway, { 'x-api-key': key })).toBe(200);
  expect(await statusOf(gateway, withBearer(key))).toBe(401);
  await gateway.close();
});

describe('npm run keys', () => {
  test('stores hashes only, in a file that its owner alone can read', async () => {
    const { key = '', text } = await keys(...CREATE, '--tenant', 'north');
    expect(text).toContain('billing');
    const stored = readFileSync(env['API_KEYS_FILE'] ?? '', 'utf8');
    expect(stored).not.toContain(key.slice(-43));
    expect(JSON.parse(stored)).toMatchObject({
      keys: [{ name: 'billing', scopes: ['payments:read', 'deals:read'], tenant: 'north' }],
    });
    expect(statSync(env['API_KEYS_FILE'] ?? '').mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['keys.json']);
  });

  test('lists keys without what would be needed to use them', async () => {
    expect((await keys('list')).text).toBe('There are no API keys.');
    const { key = '' } = await keys(...CREATE, '--expires', '2999-01-31');
    const { text } = await keys('list');
    expect(text).toMatch(
      /^name +key +tenant +created +expires +scopes\nbilling +trb_[0-9a-f]{16}_… +- +20\d\d-\d\d-\d\d +2999-01-31 +payments:read deals:read$/,
    );
    expect(text).not.toContain(key.slice(-43));
  });

  test.each([
    ['no command', []],
    ['another command', ['delete', 'billing']],
    ['an option that does not exist', ['list', '--all']],
    ['no name', ['create', '--scopes', 'payments:read']],
    ['a name with a space', ['create', '--name', 'a b', '--scopes', 'payments:read']],
    ['no scopes', ['create', '--name', 'billing']],
    ['a scope with a quotation mark', ['create', '--name', 'billing', '--scopes', '"a"']],
    ['an expiry in the past', [...CREATE, '--expires', '2020-01-31']],
    ['an expiry that is no time', [...CREATE, '--expires', 'soon']],
    ['a key that is not there', ['revoke', 'billing']],
    ['nothing to revoke', ['revoke']],
  ])('refuses %s, and stores nothing', async (_, args) => {
    await expect(keys(...args)).rejects.toThrow(UsageError);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('refuses a name that is taken, and one of two commands at once', async () => {
    await keys(...CREATE);
    await expect(keys(...CREATE)).rejects.toThrow('There is an API key named billing already.');
    writeFileSync(join(folder, 'keys.json.next'), '');
    await expect(keys('revoke', 'billing')).rejects.toThrow(/^Another command is changing the keys\./);
    rmSync(join(folder, 'keys.json.next'));
    await keys('revoke', 'billing');
  });

  test('prints a new key alone on standard output, and reports errors by its exit code', async () => {
    const run = async (...args: string[]) => {
      const command = startProcess(['sh', '-c', `exec node scripts/keys/main.ts ${args.join(' ')} 2>/dev/null`], env);
      return { code: await command.ended, output: command.output() };
    };
    expect(await run(...CREATE)).toEqual({ code: 0, output: expect.stringMatching(/^trb_\w{16}_[\w-]{43}\n$/) });
    expect(await run('revoke', 'nobody')).toEqual({ code: 2, output: '' });
    env = {};
    expect((await run('list')).code).toBe(78);
  });

  test('with AUDIT_LOG, each change is audited', async () => {
    env = { ...env, AUDIT_LOG: join(folder, 'audit.jsonl') };
    await keys(...CREATE);
    await keys('list');
    await keys('revoke', 'billing');
    const records = readRecords(join(folder, 'audit.keys.jsonl')).filter(({ event }) => event.startsWith('key.'));
    expect(records).toMatchObject([
      { event: 'key.created', name: 'billing', scopes: ['payments:read', 'deals:read'] },
      { event: 'key.revoked', name: 'billing' },
    ]);
  });

  test('given an audit log that cannot be written, then no key is created', async () => {
    mkdirSync(join(folder, 'audit.keys.jsonl'));
    env = { ...env, AUDIT_LOG: join(folder, 'audit.jsonl') };
    await expect(keys(...CREATE)).rejects.toThrow();
    env = { ...env, AUDIT_LOG: '' };
    expect((await keys('list')).text).toBe('There are no API keys.');
  });

  test('given a folder that is not there, then it says so in one line', async () => {
    const command = startProcess(['node', 'scripts/keys/main.ts', ...CREATE], {
      API_KEYS_FILE: join(folder, 'missing/keys.json'),
    });
    expect(await command.ended).toBe(1);
    expect(command.output()).toMatch(/^The keys cannot be read or written: ENOENT[^\n]+\n$/);
  });
});

describe.skipIf(!hasTool('redis-server'))('given keys in Redis', () => {
  let redis: Spawned;
  let one: Gateway;
  let other: Gateway;

  const startRedis = (port: number) =>
    startProcess(['redis-server', '--port', String(port), '--save', '', '--appendonly', 'no'], {});

  beforeEach(async () => {
    const port = await freePort();
    redis = startRedis(port);
    env = { API_KEYS_STORE: 'redis', REDIS_URL: `redis://127.0.0.1:${port}`, REDIS_TIMEOUT_MS: '20000' };
    one = await startFederation({ one: SCHEMA }, env);
    other = await startFederation({ one: SCHEMA }, env);
  });
  afterEach(async () => {
    await one.close();
    await other.close();
    await redis.stop();
  });

  test('a key is accepted by all gateways, and refused by all within a second after it is revoked', async () => {
    const { key = '' } = await keys(...CREATE);
    for (const gateway of [one, other]) await expect.poll(() => statusOf(gateway, withBearer(key))).toBe(200);
    expect((await keys('list')).text).toContain('billing');
    await expect(keys(...CREATE)).rejects.toThrow(UsageError);
    await keys('revoke', 'billing');
    const since = performance.now();
    const served = await Promise.all([one, other].map((gateway) => servedAfter(gateway, withBearer(key), since)));
    for (const ms of served) expect(ms).toBeLessThan(1_000);
    await expect(keys('revoke', 'billing')).rejects.toThrow(UsageError);
  });

  test('while Redis is down, requests with a key fail with 503, and those with none with 401', async () => {
    const { key = '' } = await keys(...CREATE);
    await expect.poll(() => statusOf(one, withBearer(key))).toBe(200);
    await redis.stop();
    await expect.poll(() => statusOf(one, withBearer(key))).toBe(503);
    const { errors } = await ask(one, withBearer(key));
    expect(errors?.[0]?.extensions).toEqual({ code: 'AUTHENTICATION_UNAVAILABLE' });
    expect(await statusOf(one)).toBe(401);
    await expect(keys('list')).rejects.toThrow('REDIS_URL: Redis cannot be reached');
  });
});
