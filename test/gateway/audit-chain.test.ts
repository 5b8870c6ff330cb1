import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { openAuditLog } from '../../gateway/audit/log.ts';
import { verifyAuditLog } from '../../gateway/audit/verify.ts';
import { createLog } from '../../runtime/log.ts';
import { AUDIT_KEY, auditFile, readRecords, recordsOf } from '../helpers/audit.ts';
import { startFederation } from '../helpers/federation.ts';
import { startProcess } from '../helpers/processes.ts';
import { createRandom } from '../helpers/random-operation.ts';
import { createAsk, environmentOf, type Stack, startStack } from '../helpers/stack.ts';

/* The chain of the audit log: manipulations are found, and it survives crashes and rotations. */

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.close());
beforeEach(() => stack.reset());

const SET_STOCK = `mutation ($input: SetStockInput!) { setStock(input: $input) { product { sku } } }`;
const setStock = (quantity: number) => ({ input: { sku: 'OABR-S', quantity } });

const PAY = 'mutation ($input: CreatePaymentInput!) { createPayment(input: $input) { payment { id } } }';
const PAYMENT = {
  customerEmail: 'ada.lindqvist@customers.example',
  amount: { amount: '12.50', currency: 'EUR' },
  paymentMethodId: 'pm_card_visa',
};

/** Runs a gateway with an audit log while mutations are sent. */
const record = async (file: string, mutations: number, env: Record<string, string> = {}) => {
  const { ask, close } = await stack.startAnother({ AUDIT_LOG: file, AUDIT_KEY, ...env });
  for (let number = 0; number < mutations; number += 1) await ask(SET_STOCK, setStock(number));
  await ask('{ nothing }');
  await close();
};

const verify = (files: readonly string[], expectedHash?: string) =>
  verifyAuditLog(files, { key: AUDIT_KEY, expectedHash });

/** The files of a log, oldest first. */
const filesOf = (file: string): string[] => {
  const names = readdirSync(dirname(file)).sort();
  return [...names.filter((name) => join(dirname(file), name) !== file).map((name) => join(dirname(file), name)), file];
};

describe('manipulations', () => {
  const SEED = Number(process.env['SEED'] ?? 1);

  test('every changed, removed, reordered or inserted line is found', async () => {
    const file = auditFile();
    await record(file, 6);
    const original = readFileSync(file);
    const lastHash = readRecords(file).at(-1)?.hash;
    const { first, records, broken, hasExpected } = await verify([file], lastHash);
    expect([first?.sequence, records, broken, hasExpected]).toEqual([1, 15, undefined, true]);

    const lines = original.toString().split('\n').slice(0, -1);
    const { below, pick } = createRandom(SEED);
    const toText = (changed: readonly string[]): string => changed.map((line) => `${line}\n`).join('');
    const edits: Record<string, () => string | Buffer> = {
      'a changed byte': () => {
        const bytes = Buffer.from(original);
        const at = below(bytes.length);
        bytes[at] = ((bytes[at] ?? 0) + 1 + below(255)) % 256;
        return bytes;
      },
      'a removed byte': () => {
        const at = below(original.length);
        return Buffer.concat([original.subarray(0, at), original.subarray(at + 1)]);
      },
      'an inserted byte': () => {
        const at = below(original.length);
        return Buffer.concat([original.subarray(0, at), Buffer.from([below(256)]), original.subarray(at)]);
      },
      'a removed line': () => toText(lines.toSpliced(below(lines.length), 1)),
      'several removed lines': () => toText(lines.toSpliced(below(lines.length), 1 + below(lines.length))),
      'a repeated line': () => toText(lines.toSpliced(below(lines.length + 1), 0, pick(lines))),
      'an inserted line': () =>
        toText(lines.toSpliced(below(lines.length + 1), 0, pick(['', '{}', 'text', '{"event":"x"}']))),
      'two lines in another order': () => {
        const at = below(lines.length - 1);
        return toText(lines.toSpliced(at, 2, lines[at + 1] ?? '', lines[at] ?? ''));
      },
      'lines that end early': () => original.subarray(0, below(original.length)),
    };
    for (const [name, edit] of Object.entries(edits)) {
      for (let round = 0; round < 60; round += 1) {
        const edited = Buffer.from(edit());
        if (edited.equals(original)) continue;
        writeFileSync(file, edited);
        const result = await verify([file], lastHash);
        const isFound = result.broken !== undefined || !result.hasExpected || result.first?.sequence !== 1;
        expect(isFound, `seed ${SEED}, ${name}, round ${round}`).toBe(true);
      }
    }
  });

  test('records of another log with the same key and numbers are found', async () => {
    const [file, other] = [auditFile(), auditFile()];
    for (const one of [file, other]) await record(one, 2);
    const [lines, others] = [file, other].map((one) => readFileSync(one, 'utf8').split('\n'));
    writeFileSync(file, lines?.with(3, others?.[3] ?? '').join('\n') ?? '');
    expect((await verify([file])).broken).toMatchObject({ file, line: 4 });
  });

  test('a chain that was computed again without the key is found', async () => {
    const file = auditFile();
    await record(file, 1, { AUDIT_KEY: '' });
    expect((await verifyAuditLog([file])).broken).toBeUndefined();
    expect((await verify([file])).broken).toMatchObject({ file, line: 1 });
  });

  test('a log of another key is not continued', async () => {
    const file = auditFile();
    await record(file, 1);
    await expect(record(file, 1, { AUDIT_KEY: AUDIT_KEY.toUpperCase() })).rejects.toThrow(
      /^AUDIT_LOG: .* does not end with a record of this AUDIT_KEY/,
    );
  });

  test('npm run audit:verify names the first broken line', async () => {
    const file = auditFile();
    await record(file, 2);
    const key = join(dirname(file), 'key');
    writeFileSync(key, `${AUDIT_KEY}\n`);
    const run = async (...args: string[]) => {
      const { ended, output } = startProcess(['node', 'scripts/audit-verify.ts', ...args], {});
      return { code: await ended, output: output() };
    };
    const last = readRecords(file).at(-1);
    expect(await run('--key-file', key, '--expect', String(last?.hash), file)).toEqual({
      code: 0,
      output: expect.stringMatching(
        /^7 records, from number 1 \(.*Z\) to number 7 \(.*Z\)\.\nThe last hash is [0-9a-f]{64}\.\nThe chain is intact\.\n$/,
      ),
    });
    expect(await run('--key-file', key, '--expect', 'f'.repeat(64), file)).toMatchObject({
      code: 1,
      output: expect.stringContaining('no record has the expected hash'),
    });
    writeFileSync(file, readFileSync(file, 'utf8').replace('"input.quantity":0', '"input.quantity":9'));
    expect(await run('--key-file', key, file)).toMatchObject({
      code: 1,
      output: expect.stringContaining(`Broken: ${file}:3 was changed, or written with another AUDIT_KEY.`),
    });
    expect((await run()).code).toBe(2);
  });
});

describe('rotation', () => {
  const SMALL = { AUDIT_LOG_MAX_MIB: '0.001' };

  test('begins a new file, and the chain continues over all of them and over restarts', async () => {
    const file = auditFile();
    for (let start = 0; start < 3; start += 1) await record(file, 4, SMALL);
    const files = filesOf(file);
    expect(files.length).toBeGreaterThan(5);
    for (const one of files) expect(statSync(one).size).toBeLessThan(4_000);
    const { first, records, broken } = await verify(files);
    expect([first?.sequence, records, broken]).toEqual([1, readRecords(...files).length, undefined]);
    // A file that is not there is found, and so are files in another order.
    expect((await verify(files.toSpliced(2, 1))).broken).toMatchObject({ file: files[3], line: 1 });
    expect((await verify(files.toReversed())).broken).toMatchObject({ line: 1 });
  });

  test('given a crash after the file was renamed, then the next start continues the chain', async () => {
    const file = auditFile();
    await record(file, 3, SMALL);
    const files = filesOf(file).slice(0, -1);
    // As if the new file had not been written, or only a part of its first line.
    for (const content of ['', '{"time":"20']) {
      writeFileSync(file, content);
      await record(file, 0);
      expect((await verify([...files, file])).broken).toBeUndefined();
      expect(recordsOf(file, 'log.recovered')).toHaveLength(content ? 1 : 0);
    }
  });
});

describe('a torn line', () => {
  test.each([
    ['in the middle', 1, (size: number, length: number) => size - Math.ceil(length / 2)],
    ['after one byte', 1, (size: number, length: number) => size - length + 1],
    ['before its line break', 0, (size: number) => size - 1],
  ])('that ends %s is accounted for by the next start', async (_, recoveries, sizeOf) => {
    const file = auditFile();
    await record(file, 1);
    const length = (readFileSync(file, 'utf8').trimEnd().split('\n').at(-1)?.length ?? 0) + 1;
    truncateSync(file, sizeOf(statSync(file).size, length));
    expect((await verify([file])).unfinishedBytes).toBeGreaterThan(0);
    await record(file, 1);
    expect(recordsOf(file, 'log.recovered')).toHaveLength(recoveries);
    expect(await verify([file])).toMatchObject({ recoveries, unfinishedBytes: 0 });
    expect((await verify([file])).broken).toBeUndefined();
    // Nothing else may be put in its place.
    const lines = readFileSync(file, 'utf8').split('\n');
    writeFileSync(file, lines.with(4, `${lines[4]} `).join('\n'));
    expect((await verify([file])).broken).toMatchObject({ file, line: 5 });
  });

  test('given another crash while it was accounted for, then the start after that does', async () => {
    const file = auditFile();
    await record(file, 1);
    appendFileSync(file, '{"time":"2026\n{"time":"2026-12-01');
    await record(file, 1);
    expect(recordsOf(file, 'log.recovered')).toHaveLength(1);
    expect((await verify([file])).broken).toBeUndefined();
  });

  test('of the very first record is accounted for', async () => {
    const file = auditFile();
    writeFileSync(file, '{"time":"2026-12');
    await record(file, 1);
    expect(readRecords(file)[0]).toMatchObject({ event: 'log.recovered', sequence: 1 });
    expect((await verify([file])).broken).toBeUndefined();
  });

  test('a complete last line that was changed is not taken for one', async () => {
    const file = auditFile();
    await record(file, 1);
    writeFileSync(file, readFileSync(file, 'utf8').replace(/"log\.closed"/, '"log_closed"'));
    await expect(record(file, 1)).rejects.toThrow(/^AUDIT_LOG: /);
  });
});

test('records that do not fit the buffer are counted, in the chain', async () => {
  const file = auditFile();
  const log = createLog('silent');
  const options = { file, key: AUDIT_KEY, maxBytes: 1e9, maxWaitingBytes: 1_000, keepsFailed: true, log };
  const auditLog = await openAuditLog(options);
  rmSync(dirname(file), { recursive: true });
  let tried = 0;
  const commit = () => {
    tried += 1;
    return auditLog.commit({ event: 'test' });
  };
  while (tried < 100) expect(await commit()).toBe(false);
  mkdirSync(dirname(file));
  await expect.poll(commit).toBe(true);
  await auditLog.close();
  const counts = Map.groupBy(readRecords(file), ({ event }) => event);
  expect([...counts.keys()]).toEqual(['log.lost', 'test', 'log.closed']);
  const lost = (counts.get('log.lost') ?? []).reduce((sum, { records }) => sum + Number(records), 0);
  expect(lost + (counts.get('test')?.length ?? 0)).toBe(tried);
  expect((await verify([file])).broken).toBeUndefined();
});

test('given older content in its place, then the missing records are found', async () => {
  const file = auditFile();
  await record(file, 1);
  const before = `${file}.before`;
  copyFileSync(file, before);
  const { ask, close } = await stack.startAnother({ AUDIT_LOG: file, AUDIT_KEY });
  await ask(SET_STOCK, setStock(1));
  await expect.poll(() => recordsOf(file, 'mutation.finished')).toHaveLength(2);
  copyFileSync(before, file);
  await ask(SET_STOCK, setStock(2));
  await ask(SET_STOCK, setStock(3));
  await close();
  expect((await verify([file])).broken).toMatchObject({ reason: 'does not follow the record before' });
});

describe('processes', () => {
  test('killed at any moment: every mutation that reached a provider was recorded before', {
    tags: ['long'],
  }, async () => {
    const file = auditFile();
    const { below } = createRandom(Number(process.env['SEED'] ?? 1));
    let payments = 0;
    for (let round = 0; round < 4; round += 1) {
      const gateway = startProcess(['node', 'gateway/main.ts'], {
        PORT: '0',
        AUDIT_LOG: file,
        AUDIT_KEY,
        AUDIT_LOG_MAX_MIB: '0.02',
        ...environmentOf(stack),
      });
      onTestFinished(gateway.stop);
      await expect.poll(() => gateway.output()).toContain('A first query');
      const ask = createAsk(/http:\S+\/graphql/.exec(gateway.output())?.[0] ?? '');
      let isKilled = false;
      const client = async (): Promise<void> => {
        while (!isKilled) {
          payments += 1;
          await ask(PAY, { input: { ...PAYMENT, idempotencyKey: `payment-${payments}` } }).catch(() => {});
        }
      };
      const clients = Array.from({ length: 8 }, client);
      const enough = stack.stripe.calls.length + 20 + below(60);
      while (stack.stripe.calls.length < enough) await new Promise(setImmediate);
      gateway.process.kill('SIGKILL');
      await gateway.ended;
      isKilled = true;
      await Promise.all(clients);
    }
    const sent = stack.stripe.calls.flatMap(({ idempotencyKey = '' }) => idempotencyKey.match(/^payment-\d+$/) ?? []);
    const accepted = filesOf(file)
      .flatMap((one) => recordsOf(one, 'mutation.accepted'))
      .map(({ fields }) => (fields as [{ arguments: Record<string, string> }])[0].arguments['input.idempotencyKey']);
    expect(sent.length).toBeGreaterThan(20);
    expect(sent.filter((key) => !accepted.includes(key))).toEqual([]);
    await record(file, 0);
    const { first, broken } = await verify(filesOf(file));
    expect([first?.sequence, broken]).toEqual([1, undefined]);
  });

  test('each worker of a cluster has a file, which its replacement continues', { tags: ['long'] }, async () => {
    const schema = 'type Query { a: Int } type Mutation { b: Int }';
    const { gateway, close } = await startFederation({
      one: { schema, fields: { 'Query.a': () => 1, 'Mutation.b': () => 1 } },
    });
    onTestFinished(close);
    const file = auditFile();
    const spawned = startProcess(['node', 'gateway/main.ts'], {
      PORT: '0',
      CLUSTER_WORKERS: '2',
      SUPERGRAPH: String(gateway.config.supergraphFile),
      AUDIT_LOG: file,
      AUDIT_KEY,
    });
    onTestFinished(spawned.stop);
    await expect.poll(() => spawned.output()).toContain('/graphql');
    const files = [1, 2].map((number) => file.replace('.jsonl', `.worker-${number}.jsonl`));
    const starts = () => files.map((one) => recordsOf(one, 'gateway.started').length);
    await expect.poll(starts).toEqual([1, 1]);
    const pid = spawned.process.pid;
    const [worker] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
    process.kill(worker as number, 'SIGKILL');
    await expect.poll(() => starts().toSorted()).toEqual([1, 2]);
    const started = files.flatMap((one) => recordsOf(one, 'gateway.started'));
    expect(new Set(started.map(({ configuration }) => configuration)).size).toBe(1);
    const ask = createAsk(/http:\S+\/graphql/.exec(spawned.output())?.[0] ?? '');
    for (let round = 0; round < 20; round += 1) await ask('mutation { b }');
    await spawned.stop();
    expect(files.flatMap((one) => recordsOf(one, 'mutation.accepted'))).toHaveLength(20);
    for (const one of files) {
      expect((await verify([one])).broken).toBeUndefined();
      expect(readRecords(one).at(-1)?.event).toBe('log.closed');
    }
    expect(readdirSync(dirname(file))).toHaveLength(2);
  });
});
