import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { verifyAuditLog } from '../../gateway/audit/verify.ts';
import { STRIPE_SANDBOX_KEY, startStripeSandbox } from '../../subgraphs/payments/stripe/sandbox/index.ts';
import { AUDIT_KEY, auditFile, readRecords } from '../helpers/audit.ts';
import { startFederation } from '../helpers/federation.ts';
import { AUDIENCE, bearer } from '../helpers/issuer.ts';
import { freePort, type Spawned, startProcess } from '../helpers/processes.ts';
import { sandboxEnvironment } from '../helpers/sandboxes.ts';
import { createAsk, type Stack, startStack } from '../helpers/stack.ts';
import { hasTool } from '../helpers/tools.ts';

/* Files with secrets that change while a process runs. */

const ACCEPTED = { code: undefined };
const REJECTED = { code: 'UPSTREAM_UNAUTHORIZED' };

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'secrets-'));
  file = join(folder, 'key');
  return () => rmSync(folder, { recursive: true });
});

/** Replaces a file by one with this text, at once. */
const replace = (text: string, path = file): void => {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
};

const outcomeOf = async ({ ask }: Pick<Stack, 'ask'>, id = 'pi_3x') => ({
  code: (await ask(`{ payment(id: "${id}") { id } }`)).errors?.[0]?.extensions?.['code'],
});

const start = async (env: Record<string, string> = {}): Promise<Stack> => {
  const stack = await startStack({ env: { STRIPE_API_KEY: '', STRIPE_API_KEY_FILE: file, ...env } });
  onTestFinished(stack.close);
  return stack;
};

describe('a changed key is used without a restart', () => {
  /** Ways to put a text in a file's place. */
  const WAYS: Readonly<Record<string, (text: string) => void>> = {
    'written in place': (text) => writeFileSync(file, text),
    'replaced by another file': (text) => replace(text),
    'behind a link to a folder, as in Kubernetes': (text) => {
      const version = join(folder, `version-${text}`);
      mkdirSync(version);
      writeFileSync(join(version, 'key'), text);
      symlinkSync(version, join(folder, 'data.new'));
      renameSync(join(folder, 'data.new'), join(folder, 'data'));
      execFileSync('ln', ['-sfn', 'data/key', file]);
    },
  };

  test.each(Object.keys(WAYS))('%s', async (way) => {
    WAYS[way]?.('sk_test_old');
    const stack = await start();
    expect(await outcomeOf(stack)).toEqual(REJECTED);
    WAYS[way]?.(STRIPE_SANDBOX_KEY);
    await expect.poll(() => outcomeOf(stack)).toEqual(ACCEPTED);
    WAYS[way]?.('sk_test_older');
    await expect.poll(() => outcomeOf(stack)).toEqual(REJECTED);
  });
});

test('a request that is running when the key changes is finished with the one before', async () => {
  writeFileSync(file, STRIPE_SANDBOX_KEY);
  const stack = await start();
  const gate = Promise.withResolvers<void>();
  stack.stripe.fail({ on: 'GET /v1/payment_intents/{id}', times: 1, until: gate.promise });
  const running = outcomeOf(stack);
  await expect.poll(() => stack.stripe.calls.length).toBe(1);
  writeFileSync(file, 'sk_test_new');
  // Another payment: a request for the same one would wait for that.
  await expect.poll(() => outcomeOf(stack, 'pi_3y')).toEqual(REJECTED);
  gate.resolve();
  expect(await running).toEqual(ACCEPTED);
});

test('a key that cannot be used is logged once, and the one before stays', { tags: ['long'] }, async () => {
  const stripe = await startStripeSandbox();
  onTestFinished(stripe.close);
  writeFileSync(file, STRIPE_SANDBOX_KEY);
  const gateway: Spawned = startProcess(['node', 'gateway/main.ts'], {
    PORT: '0',
    LOG_LEVEL: 'info',
    STRIPE_API_KEY_FILE: file,
    STRIPE_BASE_URL: stripe.url,
    CACHE_MAX_MIB: '0',
  });
  onTestFinished(gateway.stop);
  await expect.poll(() => gateway.output()).toMatch(/answers at \S+/);
  const ask = createAsk(/answers at (\S+)/.exec(gateway.output())?.[1] ?? '');
  const problems = () =>
    [...gateway.output().matchAll(/"why":"(STRIPE_API_KEY[^"]*)","msg":"A changed file cannot be used/g)].map(
      ([, why]) => why,
    );
  const accepted = () => outcomeOf({ ask });

  writeFileSync(file, 'pk_test_wrong_kind');
  await expect.poll(problems).toHaveLength(1);
  expect(await accepted()).toEqual(ACCEPTED);
  replace('pk_test_wrong_kind_too');
  rmSync(file);
  await expect.poll(problems).toHaveLength(2);
  expect(await accepted()).toEqual(ACCEPTED);
  replace(' \n');
  await expect.poll(problems).toHaveLength(3);
  expect(await accepted()).toEqual(ACCEPTED);
  expect(problems()).toEqual([
    expect.stringContaining('must be a secret or restricted key'),
    'STRIPE_API_KEY_FILE: the file cannot be read.',
    'STRIPE_API_KEY_FILE: the file is empty.',
  ]);
  writeFileSync(file, 'sk_test_new');
  await expect.poll(accepted).toEqual(REJECTED);
  expect(gateway.output()).toContain('A changed file is in use.');
  expect(gateway.output()).not.toMatch(/k_test_/);
});

describe('a changed secret of tokens', () => {
  const [OLD, NEW] = ['the-old-secret', 'the-new-secret'].map((text) => text.padEnd(32, '.')) as [string, string];
  const signWith = (secret: string) =>
    new SignJWT({ iss: 'https://issuer.example', aud: AUDIENCE, sub: 'ada' })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('10m')
      .sign(Buffer.from(secret));
  const inVariables = (): Record<string, string> => ({
    JWT_ISSUER: 'https://issuer.example',
    JWT_AUDIENCE: AUDIENCE,
    JWT_SECRET_FILE: file,
  });
  const inFile = (): Record<string, string> => {
    const issuers = [{ issuer: 'https://issuer.example', audience: AUDIENCE, secretFile: 'key' }];
    writeFileSync(join(folder, 'auth.yaml'), JSON.stringify({ issuers }));
    return { AUTH_CONFIG: join(folder, 'auth.yaml') };
  };
  test.each([
    ['JWT_SECRET_FILE', inVariables],
    ['AUTH_CONFIG', inFile],
  ])('named by %s is used without a restart, and tokens of the one before are refused', async (_, envOf) => {
    writeFileSync(file, OLD);
    const { ask, close } = await startFederation({ one: { schema: 'type Query { a: Int }' } }, envOf());
    onTestFinished(close);
    const [ofOld, ofNew] = [bearer(await signWith(OLD)), bearer(await signWith(NEW))];
    const statuses = async () => [(await ask('{ a }', {}, ofOld)).status, (await ask('{ a }', {}, ofNew)).status];
    expect(await statuses()).toEqual([200, 401]);
    replace(NEW);
    await expect.poll(statuses).toEqual([401, 200]);
    replace('too short');
    replace(OLD);
    await expect.poll(statuses).toEqual([200, 401]);
  });
});

test('a changed secret of signatures is used without a restart, by the gateway and by its subgraphs', {
  tags: ['long'],
}, async () => {
  const [OLD, NEW] = ['the-old-secret', 'the-new-secret'].map((text) => text.padEnd(32, '.')) as [string, string];
  const fileOfSubgraph = join(folder, 'subgraph');
  for (const one of [file, fileOfSubgraph]) writeFileSync(one, OLD);
  const stack = await startStack();
  onTestFinished(stack.close);
  const subgraph = startProcess(['node', 'subgraphs/main.ts'], {
    SUBGRAPHS: 'payments',
    PORT: '0',
    SUBGRAPH_SECRET_FILE: fileOfSubgraph,
    ...sandboxEnvironment('stripe', stack.stripe),
  });
  onTestFinished(subgraph.stop);
  const url = () => /payments answers at (\S+)/.exec(subgraph.output())?.[1] ?? '';
  await expect.poll(url).not.toBe('');
  const gateway = await stack.startAnother({ PAYMENTS_URL: url(), SUBGRAPH_SECRET_FILE: file });
  onTestFinished(gateway.close);
  expect(await outcomeOf(gateway)).toEqual(ACCEPTED);
  replace(`${NEW},${OLD}`, fileOfSubgraph);
  replace(NEW);
  await expect.poll(() => outcomeOf(gateway)).toEqual(ACCEPTED);
  replace(OLD, fileOfSubgraph);
  await expect.poll(() => outcomeOf(gateway)).toEqual(REJECTED);
  replace(OLD);
  await expect.poll(() => outcomeOf(gateway)).toEqual(ACCEPTED);
});

test('a changed key of the audit log is not used, and that is logged', { tags: ['long'] }, async () => {
  writeFileSync(file, AUDIT_KEY);
  const log = auditFile();
  const gateway = startProcess(['node', 'gateway/main.ts'], { PORT: '0', AUDIT_LOG: log, AUDIT_KEY_FILE: file });
  onTestFinished(gateway.stop);
  await expect.poll(() => gateway.output()).toMatch(/answers at \S+/);
  replace('another-key-of-at-least-32-characters');
  const lines = () => gateway.output().match(/AUDIT_KEY has changed and is not used/g) ?? [];
  await expect.poll(lines).toHaveLength(1);
  await gateway.stop();
  expect(readRecords(log).at(-1)?.event).toBe('log.closed');
  expect((await verifyAuditLog([log], { key: AUDIT_KEY })).broken).toBeUndefined();
});

test.skipIf(!hasTool('redis-server'))('a changed password of Redis is used without a restart', async () => {
  const port = await freePort();
  const redis = startProcess(
    ['redis-server', '--port', String(port), '--save', '', '--appendonly', 'no', '--requirepass', 'new'],
    {},
  );
  onTestFinished(redis.stop);
  writeFileSync(file, `redis://:old@127.0.0.1:${port}`);
  const stack = await startStack({ env: { REDIS_URL_FILE: file } });
  onTestFinished(stack.close);
  const health = async () =>
    ((await (await fetch(`${stack.url}/health/ready`)).json()) as { readonly redis: string }).redis;
  expect(await health()).toBe('down');
  writeFileSync(file, `redis://:new@127.0.0.1:${port}`);
  await expect.poll(health).toBe('ok');
});
