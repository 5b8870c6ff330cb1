import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openSqliteStore } from '../../events/inbox/sqlite.ts';
import { startProcess } from '../helpers/processes.ts';

/* `npm run events`, as an operator runs it. */

const run = async (
  file: string,
  ...args: string[]
): Promise<{ readonly code: number | null; readonly text: string }> => {
  const child = startProcess(['node', 'scripts/events/main.ts', ...args], { EVENTS_FILE: file });
  const code = await child.ended;
  return { code, text: child.output() };
};

test('lists parked events without their payloads, and replays them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'events-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'events.sqlite');
  const store = openSqliteStore(file);
  onTestFinished(() => store.close());
  const event = (id: string) => ({
    provider: 'stripe',
    id,
    digest: id,
    type: 'customer.updated',
    object: 'customer cus_1',
    version: 1,
    receivedAt: Date.UTC(2026, 10, 30),
    payload: '{"email":"ada@customers.example"}',
  });
  await store.insert([event('evt_1'), event('evt_2'), event('evt_3')]);
  await store.apply({ providers: ['stripe'], limit: 10 }, ({ id }) =>
    id === 'evt_3' ? { changes: '{}', messages: null } : { problem: 'Unexpected email.' },
  );

  const listed = await run(file, 'list');
  expect(listed).toEqual({
    code: 0,
    text: [
      '0 waiting, 2 parked.',
      '2  2026-11-30T00:00:00.000Z  stripe  evt_2  customer.updated  customer cus_1  Unexpected email.',
      '1  2026-11-30T00:00:00.000Z  stripe  evt_1  customer.updated  customer cus_1  Unexpected email.',
      '',
    ].join('\n'),
  });
  expect((await run(file, 'list', '--state', 'applied')).text).toContain('evt_3');
  expect(await run(file, 'replay', '1', '3')).toEqual({
    code: 0,
    text: '1 event waits to be applied again. Not parked: 1.\n',
  });
  expect(await run(file, 'replay', '--all')).toEqual({ code: 0, text: '1 event waits to be applied again.\n' });
  expect(await store.state()).toMatchObject({ waiting: 2, parked: 0 });
});

test('given a wrong command or a store that cannot be opened, then it says so', { tags: ['long'] }, async () => {
  for (const args of [
    [],
    ['delete'],
    ['replay'],
    ['replay', 'x'],
    ['list', '--state', 'new'],
    ['replay', '1', '--all'],
  ]) {
    const { code, text } = await run(':memory:', ...args);
    expect([args, code, text.startsWith('Usage:')]).toEqual([args, 2, true]);
  }
  const { code, text } = await run('/proc/events.sqlite', 'list');
  expect([code, text]).toEqual([78, expect.stringMatching(/^EVENTS_FILE: \/proc\/events.sqlite does not exist\. /)]);
  const folder = await run('/proc', 'list');
  expect([folder.code, folder.text]).toEqual([
    78,
    expect.stringMatching(/^EVENTS_FILE: \/proc cannot be used: EISDIR\. /),
  ]);
});
